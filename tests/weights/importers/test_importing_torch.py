"""Files of torchvision, timm, facenet-pytorch: the networks they come from answer as ours do."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from foreign import assert_close, meta, randomise
from torch import nn

from inception.benchmark import import_torchvision
from inception.errors import InputError
from inception.weights.importers import IMPORTERS
from inception.weights.importers.convert import convert
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.reading import read_as
from inception.weights.model_file import load_model, save_model

torchvision_models = import_torchvision().models
CLASSES = 9


def facenet() -> nn.Module:
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    return InceptionResnetV1(classify=True, num_classes=CLASSES)


def torchvision(name: str, **options: bool) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision_models, name)(
        init_weights=False, num_classes=CLASSES, **options
    )


def timm_model(name: str, **options: bool) -> Callable[[], nn.Module]:
    def create() -> nn.Module:
        import timm  # after torchvision, which it imports

        return timm.create_model(name, num_classes=CLASSES, **options)

    return create


WITNESSES: dict[tuple[str, str], Callable[[], nn.Module]] = {
    ("torchvision", "googlenet_tv"): torchvision("googlenet", aux_logits=True),
    ("torchvision", "inception_v3_tv"): torchvision("inception_v3", aux_logits=True),
    ("torchvision", "alexnet_tv"): lambda: torchvision_models.alexnet(num_classes=CLASSES),
    ("torchvision", "vgg16"): torchvision("vgg16"),
    ("torchvision", "vgg16_bn"): torchvision("vgg16_bn"),
    ("torchvision", "vgg19"): torchvision("vgg19"),
    ("torchvision", "vgg19_bn"): torchvision("vgg19_bn"),
    ("timm", "inception_v3_tv"): timm_model("inception_v3", aux_logits=False),
    ("gluon", "inception_v3_tv"): timm_model("inception_v3", aux_logits=False),
    ("timm", "inception_v4"): timm_model("inception_v4"),
    ("timm", "inception_resnet_v2"): timm_model("inception_resnet_v2"),
    ("timm", "xception_timm"): timm_model("legacy_xception"),
    ("timm", "vgg16"): timm_model("vgg16"),
    ("timm", "vgg16_bn"): timm_model("vgg16_bn"),
    ("timm", "vgg19"): timm_model("vgg19"),
    ("timm", "vgg19_bn"): timm_model("vgg19_bn"),
    ("facenet", "inception_resnet_v1_facenet"): facenet,
}
# those small enough to fill with numbers; of AlexNet and VGG the order of layers says as much
NUMERIC = [k for k in WITNESSES if "vgg" not in k[1] and k[0] != "gluon"]


@pytest.mark.parametrize("case", WITNESSES, ids="-".join)
def test_every_name_and_shape_has_its_place(case: tuple[str, str]) -> None:
    (importer,) = [i for i in IMPORTERS if (i.dialect, i.model) == case]
    weights = meta(WITNESSES[case]).state_dict()
    reading = read_as(importer, ForeignFile("torch", weights))
    assert str(reading.fit) == ""
    assert reading.spec.num_classes == CLASSES
    assert all(name.endswith("num_batches_tracked") for name in reading.ignored)


@pytest.mark.parametrize("case", [c for c in WITNESSES if "vgg" in c[1]], ids="-".join)
def test_layers_of_vgg_come_in_the_order_of_the_forward_pass(case: tuple[str, str]) -> None:
    (importer,) = [i for i in IMPORTERS if (i.dialect, i.model) == case]
    weights = meta(WITNESSES[case]).state_dict()
    reading = read_as(importer, ForeignFile("torch", weights))
    order = [importer.name(ours) for ours in reading.weights]
    assert order == [name for name in weights if "num_batches" not in name]


@pytest.mark.parametrize("case", NUMERIC, ids="-".join)
def test_the_converted_file_answers_as_its_source(case: tuple[str, str], tmp_path: Path) -> None:
    dialect, model = case
    theirs = meta(WITNESSES[case]).to_empty(device="cpu").eval()
    randomise(theirs)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    converted = convert(tmp_path / "theirs.pth", model=model, dialect=dialect)
    save_model(tmp_path / "ours.safetensors", converted.weights, converted.info)
    ours = load_model(tmp_path / "ours.safetensors").network
    smallest = max(ours.smallest_size, 76)
    for size in (smallest, smallest + 45):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.no_grad():
            assert_close(ours(x), theirs(x))


def test_heads_are_converted_too(tmp_path: Path) -> None:
    googlenet = meta(WITNESSES["torchvision", "googlenet_tv"])
    v3 = meta(WITNESSES["torchvision", "inception_v3_tv"])
    cases = [
        ("googlenet_tv", "inception_4a", googlenet, "aux1", (512, 14)),
        ("googlenet_tv", "inception_4d", googlenet, "aux2", (528, 14)),
        ("inception_v3_tv", "mixed_6e", v3, "AuxLogits", (768, 17)),
    ]
    for model, stage, theirs, head, (channels, grid) in cases:
        theirs = theirs.to_empty(device="cpu").eval()
        randomise(theirs)
        torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
        converted = convert(tmp_path / "theirs.pth", model=model)
        save_model(tmp_path / "ours.safetensors", converted.weights, converted.info)
        ours = load_model(tmp_path / "ours.safetensors").network
        x = torch.randn(2, channels, grid, grid, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            assert_close(ours.aux[stage](x), theirs.get_submodule(head)(x))


@pytest.fixture
def alexnet_file(tmp_path: Path) -> Path:
    network = meta(WITNESSES["torchvision", "alexnet_tv"]).to_empty(device="cpu")
    randomise(network)
    torch.save(network.state_dict(), tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def test_leftovers_are_named_and_counted(alexnet_file: Path) -> None:
    weights = torch.load(alexnet_file, weights_only=True)
    del weights["features.3.bias"]
    weights["features.0.weight"] = torch.zeros(64, 3, 7, 7)
    weights |= {f"extra{i}": torch.zeros(1) for i in range(8)}
    torch.save(weights, alexnet_file)
    with pytest.raises(InputError, match="read as torchvision's alexnet_tv") as raised:
        convert(alexnet_file, model="alexnet_tv")
    message = str(raised.value)
    assert "missing features.3.bias;" in message
    assert "extra extra0, extra1, extra2, extra3, extra4 and 3 more" in message
    assert "misshapen features.0.weight (64x3x7x7 for our 64x3x11x11)" in message

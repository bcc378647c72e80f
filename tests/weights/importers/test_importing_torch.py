"""Files of torchvision, timm, facenet-pytorch: the networks they come from answer as ours do."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from foreign import assert_close, meta, randomise
from safetensors.torch import save_file
from torch import nn

from inception.benchmark import import_torchvision
from inception.errors import InputError
from inception.weights.importers import IMPORTERS, importers_for
from inception.weights.importers.convert import convert
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.reading import read_as
from inception.weights.model_file import build_model, load_model, save_model

torchvision_models = import_torchvision().models
CLASSES = 9


def facenet() -> nn.Module:
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    return InceptionResnetV1(classify=True, num_classes=CLASSES)


def torchvision(name: str, **options: bool) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision_models, name)(
        init_weights=False, num_classes=CLASSES, **options
    )


def timm_model(name: str, **options: int) -> Callable[[], nn.Module]:
    def create() -> nn.Module:
        import timm  # after torchvision, which it imports

        return timm.create_model(name, **{"num_classes": CLASSES, **options})

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
NUMERIC = [k for k in WITNESSES if k[0] != "gluon" and not k[1].startswith(("vgg", "alexnet"))]
HEADS = {  # stage: their module, channels and grid of its input
    "googlenet_tv": {"inception_4a": ("aux1", 512, 14), "inception_4d": ("aux2", 528, 14)},
    "inception_v3_tv": {"mixed_6e": ("AuxLogits", 768, 17)},
}


def test_cadene_files_keep_the_background_which_is_dropped() -> None:
    for model, theirs in (("inception_v4", "last_linear"), ("inception_resnet_v2", "classif")):
        (importer,) = importers_for(model, "cadene")
        weights = meta(WITNESSES["timm", model]).state_dict()
        named = {n.replace(theirs, "last_linear"): w for n, w in weights.items()}
        named["last_linear.weight"] = torch.empty(1001, 1536, device="meta")
        named["last_linear.bias"] = torch.empty(1001, device="meta")
        reading = read_as(importer, ForeignFile("torch", named))
        assert str(reading.fit) == ""
        assert (reading.spec.num_classes, importer.background) == (1001, 1)


@pytest.mark.parametrize("case", WITNESSES, ids="-".join)
def test_every_name_and_shape_has_its_place(case: tuple[str, str]) -> None:
    (importer,) = [i for i in IMPORTERS if (i.dialect, i.model) == case]
    weights = meta(WITNESSES[case]).state_dict()
    reading = read_as(importer, ForeignFile("torch", weights))
    assert str(reading.fit) == ""
    assert reading.spec.num_classes == CLASSES
    assert all(name.endswith("num_batches_tracked") for name in reading.ignored)


IN_ORDER = [case for case in WITNESSES if case[1].startswith(("vgg", "alexnet"))]


@pytest.mark.parametrize("case", IN_ORDER, ids="-".join)
def test_layers_come_in_the_order_of_the_forward_pass(case: tuple[str, str]) -> None:
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
    for stage, (head, channels, grid) in HEADS.get(model, {}).items():
        if stage in ours.aux:
            x = torch.randn(2, channels, grid, grid, generator=torch.Generator().manual_seed(1))
            with torch.no_grad():
                assert_close(ours.aux[stage](x), theirs.get_submodule(head)(x))
    assert bool(ours.aux) == (dialect == "torchvision")


@pytest.fixture
def googlenet_file(tmp_path: Path) -> Path:
    network = meta(WITNESSES["torchvision", "googlenet_tv"]).to_empty(device="cpu")
    randomise(network)
    torch.save(network.state_dict(), tmp_path / "googlenet.pth")
    return tmp_path / "googlenet.pth"


def test_leftovers_are_named_and_counted(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    del weights["conv1.bn.bias"]
    weights["fc.weight"] = torch.zeros(CLASSES, 7)
    weights |= {f"extra{i}": torch.zeros(1) for i in range(8)}
    torch.save(weights, googlenet_file)
    with pytest.raises(InputError, match="read as torchvision's googlenet_tv") as raised:
        convert(googlenet_file, model="googlenet_tv")
    message = str(raised.value)
    assert "missing conv1.bn.bias;" in message
    assert "extra extra0, extra1, extra2, extra3, extra4 and 3 more" in message
    assert "misshapen fc.weight (9x7 for our 9x1024)" in message


def test_the_network_that_fits_is_offered(googlenet_file: Path) -> None:
    for model in ("googlenet", "vgg16"):
        with pytest.raises(InputError, match=r"\. It fits --as googlenet_tv$"):
            convert(googlenet_file, model=model)


def test_a_file_without_heads_gives_a_model_without_heads(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    torch.save({n: w for n, w in weights.items() if not n.startswith("aux1.")}, googlenet_file)
    converted = convert(googlenet_file, model="googlenet_tv")
    assert set(converted.info.spec.aux) == {"inception_4d"}
    assert "no auxiliary head in the file after inception_4a" in converted.notes


def test_half_a_head_is_missing_the_other_half(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    del weights["aux1.fc1.weight"]
    torch.save(weights, googlenet_file)
    with pytest.raises(InputError, match=r"missing aux1.fc1.weight$"):
        convert(googlenet_file, model="googlenet_tv")


def test_heads_for_other_classes_are_left_out(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    weights |= {"fc.weight": torch.zeros(2, 1024), "fc.bias": torch.zeros(2)}  # fine-tuned
    torch.save(weights, googlenet_file)
    converted = convert(googlenet_file, model="googlenet_tv")
    assert (len(converted.info.classes), dict(converted.info.spec.aux)) == (2, {})
    note = (
        "left out the auxiliary heads after inception_4a, inception_4d: they are for other classes"
    )
    assert note in converted.notes


def test_a_classifier_alone_in_a_container_is_a_classifier(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    moved = {n.replace("fc.", "fc.1.") if n.startswith("fc.") else n: w for n, w in weights.items()}
    torch.save(moved, googlenet_file)  # nn.Sequential(nn.Dropout(), nn.Linear())
    converted = convert(googlenet_file, model="googlenet_tv")
    assert {"fc.1.weight is read as fc.weight", "fc.1.bias is read as fc.bias"} < {*converted.notes}
    logits = converted.weights["classifier.logits.linear.weight"]
    assert torch.equal(logits, weights["fc.weight"])
    torch.save(
        moved | {"fc.3.weight": torch.ones(2, 2), "fc.3.bias": torch.ones(2)}, googlenet_file
    )
    with pytest.raises(InputError, match=r"missing fc.weight, fc.bias; extra fc.1.weight"):
        convert(googlenet_file, model="googlenet_tv")


def test_parameters_without_statistics_are_told_what_to_save(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    torch.save({n: w for n, w in weights.items() if "running" not in n}, googlenet_file)
    with pytest.raises(InputError, match=r"and 113 more: save state_dict\(\), which has"):
        convert(googlenet_file, model="googlenet_tv")


def headless(dialect: str, model: str) -> nn.Module:
    """The publisher's network as an embedding."""
    if dialect == "facenet":
        from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

        return InceptionResnetV1(classify=False)
    if dialect == "timm":
        name = {"xception_timm": "legacy_xception"}.get(model, model)
        return timm_model(name, num_classes=0)()
    network = WITNESSES[dialect, model]()
    network.fc = nn.Identity()
    return network


BACKBONES = [
    ("facenet", "inception_resnet_v1_facenet"),
    ("timm", "xception_timm"),
    ("timm", "inception_v4"),
    ("torchvision", "googlenet_tv"),
    ("torchvision", "inception_v3_tv"),
]


@pytest.mark.parametrize("case", BACKBONES, ids="-".join)
def test_a_file_without_a_classifier_is_a_backbone(case: tuple[str, str], tmp_path: Path) -> None:
    dialect, model = case
    theirs = meta(lambda: headless(dialect, model)).to_empty(device="cpu").eval()
    randomise(theirs)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    converted = convert(tmp_path / "theirs.pth", model=model, dialect=dialect)
    assert converted.info.classes == ("no class: a backbone",)
    assert "no classifier in the file: a backbone, to begin with (train --init)" in converted.notes
    ours = build_model(converted.info, converted.weights)
    x = torch.randn(2, 3, 110, 110, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        embedded = ours.embed(x)
        assert_close(F.normalize(embedded) if dialect == "facenet" else embedded, theirs(x))


def test_what_training_scripts_put_around_the_weights_comes_off(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    wrapped = {"epoch": 3, "state_dict": {f"module.{n}": w for n, w in weights.items()}}
    torch.save(wrapped, googlenet_file.with_name("checkpoint.pth"))
    one, other = (
        convert(googlenet_file.with_name(name), model="googlenet_tv").weights
        for name in ("googlenet.pth", "checkpoint.pth")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_files_of_all_ages_and_safetensors_are_read_alike(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    old, new = (googlenet_file.with_name(name) for name in ("old.pth", "new.safetensors"))
    torch.save(weights, old, _use_new_zipfile_serialization=False)  # vgg16-397923af.pth is one
    save_file(weights, new)
    one, *others = (
        convert(path, model="googlenet_tv").weights for path in (googlenet_file, old, new)
    )
    assert all(torch.equal(one[name], other[name]) for other in others for name in one)


def test_several_publishers_that_fit_are_named(tmp_path: Path) -> None:
    theirs = meta(WITNESSES["timm", "inception_v3_tv"]).to_empty(device="cpu")
    randomise(theirs)
    torch.save(theirs.state_dict(), tmp_path / "v3.pth")
    converted = convert(tmp_path / "v3.pth", model="inception_v3_tv")
    assert converted.dialect == "torchvision"
    assert any("--from timm or gluon" in note for note in converted.notes)
    gluon = convert(tmp_path / "v3.pth", model="inception_v3_tv", dialect="gluon")
    assert gluon.info.preprocessing.mean != converted.info.preprocessing.mean


def cadene_bn_inception() -> dict[str, torch.Tensor]:
    """The publisher's own state dict, with random values, by its table of layers."""
    random, state = torch.Generator().manual_seed(0), {}
    for line in Path(__file__).with_name("cadene-bn-inception.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        layer, sides = line.split()
        shape = [int(side) for side in sides.split("x")]
        state[f"{layer}.weight"] = (
            torch.randn(shape, generator=random) / math.prod(shape[1:]) ** 0.5
        )
        state[f"{layer}.bias"] = torch.randn(shape[0], generator=random)
        if layer != "last_linear":
            parts = {"weight": 0.5, "bias": 0.0, "running_mean": 0.0, "running_var": 0.5}
            for part, least in parts.items():
                state[f"{layer}_bn.{part}"] = torch.rand(shape[0], generator=random) + least
            state[f"{layer}_bn.num_batches_tracked"] = torch.tensor(0)
    return state


def test_cadene_biases_go_into_the_means_of_the_norms_after_them(tmp_path: Path) -> None:
    theirs = cadene_bn_inception()
    torch.save(theirs, tmp_path / "bn_inception.pth")
    converted = convert(tmp_path / "bn_inception.pth", model="bn_inception")
    assert "folded 69 biases into the means of the norms after them" in converted.notes
    assert converted.info.preprocessing.channel_order == "bgr"
    network = build_model(converted.info, converted.weights)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        seen = F.conv2d(x, *(theirs[f"conv1_7x7_s2.{part}"] for part in ("weight", "bias")), 2, 3)
        bn = [
            theirs[f"conv1_7x7_s2_bn.{p}"]
            for p in ("running_mean", "running_var", "weight", "bias")
        ]
        assert_close(network.features(x)["conv1"], F.batch_norm(seen, *bn).relu())
    folded = (
        theirs["inception_5b_pool_proj_bn.running_mean"] - theirs["inception_5b_pool_proj.bias"]
    )
    assert torch.equal(converted.weights["inception_5b.pool.proj.norm.running_mean"], folded)
    order = [importers_for("bn_inception", "cadene")[0].name(ours) for ours in converted.weights]
    there = [n for n in theirs if not n.endswith("tracked") and not _folded(n, theirs)]
    assert order == there


def _folded(name: str, theirs: dict[str, torch.Tensor]) -> bool:
    return f"{name.removesuffix('.bias')}_bn.bias" in theirs


def test_the_fid_network_keeps_or_drops_its_outputs_beside_1000(tmp_path: Path) -> None:
    theirs = meta(
        lambda: torchvision_models.inception_v3(
            init_weights=False, aux_logits=False, num_classes=1008
        )
    ).to_empty(device="cpu")
    randomise(theirs)
    path = tmp_path / "pt_inception.pth"
    torch.save(theirs.state_dict(), path)
    dropped = convert(path, model="inception_v3_fid")
    kept = convert(path, model="inception_v3_fid", background="keep")
    assert (len(dropped.info.classes), len(kept.info.classes)) == (1000, 1008)
    name = "classifier.logits.linear.weight"
    assert torch.equal(dropped.weights[name], kept.weights[name][1:1001])
    assert "tench" not in dropped.info.classes  # these outputs have an order of their own


@pytest.mark.parametrize(
    ("dialect", "network", "tag"),
    [
        ("timm", "inception_v3_tv", "inception_v3.tf_in1k"),
        ("gluon", "inception_v3_tv", "inception_v3.gluon_in1k"),
        ("timm", "inception_v4", "inception_v4.tf_in1k"),
        ("timm", "inception_resnet_v2", "inception_resnet_v2.tf_in1k"),
        ("timm", "xception_timm", "legacy_xception.tf_in1k"),
    ],
)
def test_pictures_are_resized_as_timm_resizes_them(dialect: str, network: str, tag: str) -> None:
    import timm  # after torchvision, which it imports

    config = timm.get_pretrained_cfg(tag)
    (own,) = [i for i in IMPORTERS if (i.dialect, i.model) == (dialect, network)]
    assert own.preprocessing is not None
    assert own.preprocessing.resized == math.floor(config.input_size[-1] / config.crop_pct)

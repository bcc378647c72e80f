"""A class's map: its mean and bias are the logit, wherever the network qualifies."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from thin import thin

from inception import create_model
from inception.data.crops import seen, views
from inception.errors import InputError
from inception.explanation.cam import ClassActivation, find_tail
from inception.explanation.grid import cells
from inception.export.formats import FORMATS, Content, Precision
from inception.models import MODELS
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import Linear, Pool, Spec
from inception.models.variants import Head, with_head
from inception.preprocessing import Preprocessing
from inception.runtime import read_program
from inception.weights.model_file import ModelInfo, read_info, save_model

NOT_MEANS = {"lenet5", "alexnet", "alexnet_tv", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"}
HEADS: tuple[Head, ...] = ("cosine", "nin", "linear")


def qualifies(spec: Spec) -> bool:
    try:
        find_tail(spec)
    except InputError:
        return False
    return True


def picture(height: int = 61, width: int = 83) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(spec: Spec, folder: Path, temperature: float = 1.0) -> tuple[InceptionNet, Path]:
    torch.manual_seed(0)
    network = create_model(spec).eval()
    path = folder / "m.safetensors"
    classes = tuple(f"class {i}" for i in range(spec.num_classes))
    save_model(path, network.state_dict(), ModelInfo(spec, classes, temperature=temperature))
    return network, path


def logits_of(network: InceptionNet, x: np.ndarray) -> np.ndarray:
    """What the network of ``models.build``, which shares nothing with programs, says."""
    shown = torch.from_numpy(views(x, network.spec.preprocessing))
    with torch.inference_mode():
        return network(Normalise(network.spec.preprocessing)(shown))[0].numpy()


def check(spec: Spec, folder: Path, engine: str) -> None:
    network, path = saved(spec, folder, temperature=2.0)
    told = ClassActivation(path, engine, threads=1).explain(picture(), [3, "class 1"])
    logits = logits_of(network, picture())
    close = {"atol": 1e-4 * max(1, np.abs(logits).max()), "rtol": 0}
    np.testing.assert_allclose(told.logits, logits, **close)
    np.testing.assert_allclose(told.maps.mean((1, 2)) + told.biases, logits[[3, 1]], **close)
    warm = np.exp(logits / 2 - np.max(logits / 2))
    np.testing.assert_allclose(told.probabilities, warm / warm.sum(), atol=1e-4)
    assert told.classes == (3, 1)
    assert min(told.maps.shape[1:]) > 1, "a map of one cell shows nothing"


def test_these_networks_qualify() -> None:
    assert {name for name, spec in MODELS.items() if not qualifies(spec)} == NOT_MEANS


@pytest.mark.parametrize("engine", ["openvino", "torch", "onnx"])
@pytest.mark.parametrize("name", sorted(set(MODELS) - NOT_MEANS))
def test_a_maps_mean_and_bias_are_the_logit(name: str, engine: str, tmp_path: Path) -> None:
    check(thin(MODELS[name]), tmp_path, engine)


@pytest.mark.parametrize("head", HEADS)
def test_so_they_are_under_other_heads(head: Head, tmp_path: Path) -> None:
    check(with_head(thin(MODELS["googlenet_small"]), head), tmp_path, "openvino")


@pytest.mark.parametrize("name", sorted(NOT_MEANS))
def test_a_network_that_does_not_qualify_says_why_and_what_to_take(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} has .*; take --method gradcam"):
        find_tail(MODELS[name])


def test_a_hidden_layer_after_the_average_is_named() -> None:
    own = {"pool": Pool("average", grid=1), "hidden": Linear(8, activation="relu")}
    spec = replace(MODELS["googlenet_small"], classifier=own | {"logits": Linear("classes")})
    with pytest.raises(InputError, match=r"classifier\.hidden after its average"):
        find_tail(spec)


def tiny(folder: Path) -> Path:
    return saved(thin(MODELS["googlenet_small"]), folder, temperature=2.0)[1]


@pytest.mark.parametrize("name", ["openvino", "onnx"])
@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 1 - 1e-6), ("fp16", 0.9999), ("int8", 0.9)]
)
def test_an_exported_file_is_explained_too(
    name: str, precision: Precision, least: float, tmp_path: Path
) -> None:
    path, x = tiny(tmp_path), picture()
    info = read_info(path)
    shown = [views(picture(40 + i, 50), info.preprocessing) for i in range(4)]
    out = tmp_path / f"m{FORMATS[name].suffix}"
    FORMATS[name].write(Content(read_program(path), info, precision, shown), out)
    own, told = (ClassActivation(p, threads=1).explain(x, range(5)) for p in (path, out))
    np.testing.assert_allclose(told.maps.mean((1, 2)) + told.biases, told.logits, atol=1e-5)
    assert np.corrcoef(own.maps.ravel(), told.maps.ravel())[0, 1] >= least


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_graph_without_the_step_is_refused(name: str, tmp_path: Path) -> None:
    path = tiny(tmp_path)
    info = read_info(path)
    stages = dict(info.spec.stages)
    stages["elsewhere"] = stages.pop("inception_5b")
    renamed = replace(info, spec=replace(info.spec, stages=stages))
    out = tmp_path / f"m{FORMATS[name].suffix}"
    FORMATS[name].write(Content(read_program(path), renamed, "fp32"), out)
    with pytest.raises(InputError, match="the graph has no step 'elsewhere'"):
        ClassActivation(out, threads=1)


def test_the_likeliest_class_is_explained_by_default(tmp_path: Path) -> None:
    told = ClassActivation(tiny(tmp_path), threads=1).explain(picture())
    assert told.classes == (int(told.logits.argmax()),)


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = ClassActivation(tiny(tmp_path), threads=1)
    with pytest.raises(InputError, match="did you mean 'class 4'"):
        model.explain(picture(), ["klass 4"])
    with pytest.raises(InputError, match="numbered 0 to 4; got 5"):
        model.explain(picture(), [5])


def test_threads_may_ask_at_once(tmp_path: Path) -> None:
    model = ClassActivation(tiny(tmp_path), threads=1)
    shapes = [(20 + i, 40 - i) for i in range(16)]
    alone = [model.explain(picture(*shape)) for shape in shapes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda shape: model.explain(picture(*shape)), shapes))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.maps, other.maps)


@pytest.mark.parametrize("resize", ["short_side", "squash", "central"])
def test_the_crop_is_what_the_network_saw(resize: str) -> None:
    """A picture that is white there and black elsewhere is shown as white alone."""
    how = Preprocessing(size=32, resize=resize, crop=0.5, interpolation="nearest")  # type: ignore[arg-type]
    x = np.zeros((120, 200, 3), np.uint8)
    left, top, right, bottom = (round(edge) for edge in seen(120, 200, how))
    x[top:bottom, left:right] = 255
    assert views(x, how).min() == 255
    x[top:bottom, left : left + 3] = 0
    assert views(x, how).min() == 0


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn", "inception_v3", "xception"])
def test_cells_lie_in_the_middle_of_what_they_see(name: str) -> None:
    """A receptive field measured: where the gradient of one inner cell reaches in the picture."""
    size = 224 if "googlenet" in name else 299
    spec = replace(MODELS[name], num_classes=2)
    spec = replace(spec, preprocessing=replace(spec.preprocessing, size=size))
    stage = next(s for s in spec.stages if s in ("inception_3a", "mixed_5b", "block4"))
    place = cells(spec, stage, seen(size, size, replace(spec.preprocessing, crop=1.0)))
    torch.manual_seed(0)
    network = create_model(spec).eval()
    x = torch.rand(1, 3, size, size, requires_grad=True)
    with torch.enable_grad():
        values = network.features(x)[stage]
    row, column = values.shape[2] // 2, values.shape[3] // 2
    values[0, :, row, column].abs().sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().sum(0)
    weights = (reached > 0).double()
    middle = [
        (weights.sum(1 - a) * (torch.arange(size) + 0.5)).sum() / weights.sum() for a in (0, 1)
    ]
    step = (place.bottom - place.top) / values.shape[2]
    assert place.top + (row + 0.5) * step == pytest.approx(float(middle[0]), abs=step / 4)
    assert place.left + (column + 0.5) * step == pytest.approx(float(middle[1]), abs=step / 4)

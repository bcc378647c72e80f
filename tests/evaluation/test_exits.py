"""Early exits on a data set: every point of the curve against a run of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inception import create_model, evaluate
from inception.drawing import draw_exits
from inception.errors import InputError
from inception.evaluation.exits import ExitEvaluation, evaluate_exits
from inception.evaluation.request import Request
from inception.models.cost import cost
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.weights.model_file import ModelInfo, save_model

GIVES: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "logits": Linear(CLASSES),
}
SPEC = Spec(
    "tiny",
    stages={"a": Conv(4, kernel=3), "b": Conv(6, kernel=3), "c": Conv(8, kernel=3)},
    classifier=GIVES,
    aux={"a": GIVES, "b": GIVES},
    num_classes=3,
    preprocessing=Preprocessing(size=16),
)
# 3x3 convolutions at 16 x 16 places, heads and classifier of 3 classes
MACS = {"a": 256 * 3 * 9 * 4, "b": 256 * 4 * 9 * 6, "c": 256 * 6 * 9 * 8}
HEADS = {"a": 4 * 3, "b": 6 * 3, "classifier": 8 * 3}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Random weights, large enough for the heads to be sure at times."""
    torch.manual_seed(3)
    weights = {n: 2 * torch.randn_like(w) for n, w in create_model(SPEC).state_dict().items()}
    path = tmp_path / "tiny.safetensors"
    save_model(path, weights, ModelInfo(SPEC, ("x", "y", "z")))
    return path


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """Twelve smooth pictures of chance for each of three classes."""
    rng = np.random.default_rng(0)
    for label in "xyz":
        (tmp_path / "spots" / label).mkdir(parents=True)
        for i in range(12):
            picture = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            picture.resize((20, 20)).save(tmp_path / "spots" / label / f"{i}.png")
    return tmp_path / "spots"


def exits(tiny: Path, spots: Path, confidence: float, **how: Any) -> ExitEvaluation:
    return evaluate_exits(tiny, spots, confidence, Request(threads=1, **{"engine": "torch", **how}))


def test_every_point_of_the_curve_is_what_stopping_there_gives(tiny: Path, spots: Path) -> None:
    curve = exits(tiny, spots, 0.5, batch_size=8).curve
    assert [p.confidence for p in curve][:3] == [0, 0.4, 0.5]  # 0.1 to 0.3 are as 0: 3 classes
    assert len({p.top1_accuracy for p in curve}) > 1 and len({p.shares for p in curve}) > 3
    for point in curve[::3]:
        own = exits(tiny, spots, point.confidence, batch_size=5)
        assert own.top1_accuracy == pytest.approx(point.top1_accuracy)
        assert [e.share for e in own.exits] == pytest.approx(point.shares)
        assert own.multiply_adds == pytest.approx(point.multiply_adds)
        assert own.images == 36 and sum(e.images for e in own.exits) == 36
        assert (
            own.full_top1_accuracy == evaluate(tiny, spots, engine="torch", threads=1).top1_accuracy
        )


def test_the_extremes_cost_the_first_head_and_the_full_network(tiny: Path, spots: Path) -> None:
    first, full = (exits(tiny, spots, c) for c in (0, 1))
    assert [e.share for e in first.exits] == [1, 0, 0]
    assert [e.share for e in full.exits] == [0, 0, 1]
    assert first.multiply_adds == MACS["a"] + HEADS["a"]
    assert full.multiply_adds == full.full_multiply_adds == cost(SPEC).multiply_adds
    assert full.multiply_adds == sum(MACS.values()) + HEADS["classifier"]
    assert first.top1_accuracy == first.exits[0].alone_top1_accuracy
    assert full.top1_accuracy == full.full_top1_accuracy == full.exits[2].top1_accuracy
    assert first.exits[1].top1_accuracy is None


def test_between_them_heads_are_paid_for_where_they_are_passed(tiny: Path, spots: Path) -> None:
    result = exits(tiny, spots, 0.9)
    a = MACS["a"] + HEADS["a"]
    b = a + MACS["b"] + HEADS["b"]
    whole = b + MACS["c"] + HEADS["classifier"]
    assert [e.multiply_adds for e in result.exits] == [a, b, whole]
    mean = sum(e.images * m for e, m in zip(result.exits, (a, b, whole), strict=True)) / 36
    assert result.multiply_adds == pytest.approx(mean)
    right = sum((e.top1_accuracy or 0) * e.images for e in result.exits)
    assert result.top1_accuracy == pytest.approx(right / 36)


def test_unreadable_pictures_are_named_and_counted(tiny: Path, spots: Path) -> None:
    (spots / "x" / "broken.png").write_bytes(b"no picture")
    result = exits(tiny, spots, 0.9, max_unreadable=0.1)
    assert [Path(path).name for path, _ in result.unreadable] == ["broken.png"]
    assert result.images == 36
    with pytest.raises(InputError, match="1 of 37 pictures cannot be read"):
        exits(tiny, spots, 0.9)


def test_openvino_says_the_same(tiny: Path, spots: Path) -> None:
    one, other = (exits(tiny, spots, 0.6, engine=name) for name in ("torch", "openvino"))
    assert one.exits == other.exits and one.curve == other.curve
    assert (one.engine, other.engine) == ("torch", "openvino")


def test_the_curve_is_drawn(tiny: Path, spots: Path, tmp_path: Path) -> None:
    result = exits(tiny, spots, 0.9)
    draw_exits(result.rows(), result.full_top1_accuracy, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (770, 495)
    assert result.rows()[-1]["share_of_full"] == 1

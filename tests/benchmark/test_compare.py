"""Rows of speeds from times that are known."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inception.benchmark import compare
from inception.benchmark.compare import Candidate, Conditions, compare_speed, steps
from inception.benchmark.peers import PEERS
from inception.benchmark.rounds import Timing
from inception.benchmark.usual_way import counterpart
from inception.benchmark.ways import DenseConvolution, EngineWay, FilesWay, MatrixProduct
from inception.benchmark.workers import Measured, Way
from inception.errors import InputError
from inception.models import MODELS
from inception.models.cost import cost

SPEC = MODELS["googlenet_bn"]
MODEL = Candidate("mine", Path("mine.safetensors"), SPEC, "torch")


def measured_without_running(
    ways: Mapping[Any, Way], *, seconds: float, rounds: int, tell: Callable[[], None]
) -> dict[Any, Measured]:
    """Our engine takes 10 ms a picture, torchvision 30; files 20 more; a product 0.1 s."""
    seen = {}
    for key, way in ways.items():
        for _ in range(rounds):
            tell()
        if isinstance(way, MatrixProduct):
            took = 0.1
        elif isinstance(way, DenseConvolution):
            took = 0.02 if way.engine == "openvino" else 0.2
        elif isinstance(way, EngineWay):
            took = 0.01 * way.batch
        elif isinstance(way, FilesWay):
            took = 0.03 * len(way.files)
        else:
            files = getattr(way, "files", ())
            took = 0.05 * len(files) if files else 0.03 * getattr(way, "batch", 0)
        seen[key] = Measured(Timing((took / 2, took, took, 9 * took)), 300.0)
    return seen


@pytest.fixture(autouse=True)
def known_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "measure", measured_without_running)


def test_rates_latencies_and_shares_are_those_worked_by_hand() -> None:
    how = Conditions(batch_sizes=(1, 8), files=("a.jpg", "b.jpg"), against="torchvision")
    turns: list[int] = []
    result = compare_speed([MODEL], how, tell=lambda: turns.append(0))
    assert len(turns) == steps([MODEL], how)
    ours, usual, *_ = result.rows
    assert [(row.engine, row.batch) for row in result.rows] == [
        ("torch", 1), ("torchvision", 1), ("torch", 8), ("torchvision", 8)
    ]  # fmt: skip
    assert ours.images_per_second == pytest.approx(100)
    assert ours.files_per_second == pytest.approx(2 / 0.06)
    assert usual.files_per_second == pytest.approx(2 / 0.1)
    assert usual.images_per_second == pytest.approx(100 / 3)
    assert ours.latency_ms_p50 == pytest.approx(10) and 80 < ours.latency_ms_p99 < 90
    assert ours.macs_per_second == pytest.approx(100 * cost(SPEC).multiply_adds)
    best = 8 * 28 * 28 * 256 * 256 * 9 / 0.01  # OpenVINO's convolution at its fastest
    assert best > 2048**3 / 0.05 and result.ceilings == {"fp32": pytest.approx(best)}
    assert ours.share_of_ceiling == pytest.approx(ours.macs_per_second / best)


def test_a_precision_without_a_matrix_product_has_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatrixProduct, "is_there", lambda self: self.precision == "fp32")
    whole = replace(MODEL, precision="int8", engine="openvino")
    rows = compare_speed([MODEL, whole], Conditions(batch_sizes=(1,))).rows
    assert rows[0].share_of_ceiling is not None and rows[1].share_of_ceiling is None


def test_a_ceiling_that_is_passed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatrixProduct, "multiply_adds", 1000)
    whole = replace(MODEL, precision="int8", engine="openvino")
    result = compare_speed([MODEL, whole], Conditions(batch_sizes=(1,)))
    assert result.rows[1].macs_per_second > 1000 / 0.05 and result.rows[1].share_of_ceiling is None
    assert set(result.ceilings) == {"fp32"}


def test_torchvision_is_compared_with_where_it_has_the_network() -> None:
    assert counterpart("googlenet") == "googlenet" and counterpart("vgg16") == "vgg16"
    assert counterpart("googlenet_small") is None and counterpart("bn_inception") is None
    for name, theirs in PEERS["torchvision"].items():  # what has its weights has its speed
        assert counterpart(name) == theirs
    small = replace(MODEL, spec=MODELS["googlenet_small"])
    with pytest.raises(InputError, match="torchvision has no googlenet_small to compare with"):
        compare_speed([small], Conditions(against="torchvision"))

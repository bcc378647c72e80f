"""The table of models × crops, each row against an evaluation of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inception import evaluate
from inception.drawing import draw_grid
from inception.evaluation.grid import evaluate_grid
from inception.evaluation.request import Request
from inception.runtime.torch_engine import TorchEngine

MakeModel = Callable[..., Path]


def test_every_row_is_what_an_evaluation_of_its_own_gives(
    make_model: MakeModel, odd_pictures: Path
) -> None:
    models = [make_model(0), make_model(1, size=20, width=6), make_model(2)]
    grid = evaluate_grid(models, odd_pictures, Request(threads=1))
    ways = [(1, 1), (1, 10), (1, 144), (3, 1), (3, 10), (3, 144)]
    assert [(row.models, row.crops) for row in grid.rows] == ways
    assert [row.cost for row in grid.rows] == [1, 10, 144, 3, 30, 432]
    assert len({row.top1_error for row in grid.rows}) > 1  # else the test would see nothing
    for row in grid.rows:
        own = evaluate(models[: row.models], odd_pictures, crops=row.crops, threads=1)
        assert row.top1_error == 1 - own.top1_accuracy
        assert row.top5_error == 1 - own.top5_accuracy
        base = grid.rows[0]
        assert row.top1_difference == pytest.approx(row.top1_error - base.top1_error)
        assert row.top5_difference == pytest.approx(row.top5_error - base.top5_error)
        assert row.seconds_per_picture > 0
    assert grid.images == 21 and grid.split == "all" and grid.engine == "openvino"


def test_multiply_adds_by_hand(make_model: MakeModel, odd_pictures: Path) -> None:
    grid = evaluate_grid(
        [make_model(0), make_model(1, size=20, width=6)], odd_pictures, Request(limit=1, threads=1)
    )
    one = 16 * 16 * 3 * 9 * 4 + 4 * 7  # the convolution at every place, then the classifier
    other = 20 * 20 * 3 * 9 * 6 + 6 * 7
    assert [row.multiply_adds for row in grid.rows] == [
        *(crops * one for crops in (1, 10, 144)),
        *(crops * (one + other) for crops in (1, 10, 144)),
    ]


def test_a_network_sees_every_crop_once(
    make_model: MakeModel, odd_pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    run = TorchEngine.run

    def counted(self: TorchEngine, pictures: object) -> object:
        seen.append(len(pictures))  # type: ignore[arg-type]
        return run(self, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(TorchEngine, "run", counted)
    models = [make_model(0), make_model(1)]
    evaluate_grid(models, odd_pictures, Request(limit=3, engine="torch", threads=1))
    assert sum(seen) == 2 * (1 + 3 * (1 + 10 + 144))  # one to warm up


def test_one_model_alone_has_three_rows(make_model: MakeModel, odd_pictures: Path) -> None:
    grid = evaluate_grid(make_model(0), odd_pictures, Request(limit=2, threads=1))
    assert [(row.models, row.crops) for row in grid.rows] == [(1, 1), (1, 10), (1, 144)]
    assert list(grid.to_json()[0]) == [
        "models",
        "crops",
        "cost",
        "multiply_adds",
        "top1_error",
        "top1_difference",
        "top5_error",
        "top5_difference",
        "seconds_per_picture",
    ]


def test_the_grid_is_drawn(tmp_path: Path) -> None:
    rows = [
        {"models": m, "crops": c, "top1_error": 0.3 / m / c} for m in (1, 3) for c in (1, 10, 144)
    ]
    draw_grid(rows, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")

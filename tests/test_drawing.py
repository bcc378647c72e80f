"""Pictures of numbers: whatever classes, heads and models are called, they are drawn."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from inception.drawing import draw_confusion, draw_curves, draw_speeds

NAMES = (
    "$5_and_$10",
    "$\\frac{$",
    "$x^{$",
    "a\x00b",
    "two\nlines",
    "\x1b[31mred",
    "\udce9",
    "猫",
    "e\u0301",
    "\u202egnp",
    "\\",
    "%s {0}",
    "",
    " ",
    "_",
    "long " * 2000,
)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a picture says, gathered when it is written."""
    said: list[str] = []
    save = Figure.savefig

    def listen(figure: Figure, *args: object, **options: object) -> None:
        save(figure, *args, **options)  # type: ignore[arg-type]
        said.extend(text.get_text() for text in figure.findobj(Text))

    monkeypatch.setattr(Figure, "savefig", listen)
    yield said


def curves(name: str, path: Path) -> None:
    row = {"epoch": 1, f"loss_{name}": 1.0, "val_loss": 1.0}
    draw_curves([row | {"top1_accuracy": 0.5, "top5_accuracy": 1.0}], path)


def confusion(name: str, path: Path) -> None:
    draw_confusion(np.eye(2, dtype=np.int64), (name, "other"), path)


def speeds(name: str, path: Path) -> None:
    row = {"name": name, "engine": "torch", "precision": "fp32", "batch": 1}
    draw_speeds([row | {"images_per_second": 3.0}], path)


@pytest.mark.parametrize("draw", [curves, confusion, speeds])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
def test_a_name_is_drawn_as_it_is(
    draw: Callable[[str, Path], None], name: str, texts: list[str], tmp_path: Path
) -> None:
    with rc_context({"text.usetex": True}):  # a user's setting, which would start TeX
        draw(name, tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as image:
        assert max(image.size) < 2000
    named = [text for text in texts if "$" in text or "long" in text]
    assert all(text.isprintable() and len(text) < 60 for text in texts)
    assert bool(named) == ("$" in name or "long" in name)


def test_a_confusion_matrix_says_shares_and_of_how_many(texts: list[str], tmp_path: Path) -> None:
    draw_confusion(np.array([[3, 1], [0, 4]]), ("cat", "dog"), tmp_path / "drawn.png")
    assert {"87.5 % right: 7 of 8 pictures", "cat (4)", "dog (4)", "75 %", "100 %"} <= set(texts)


def test_no_point_of_a_curve_is_cut_off_at_the_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[bool] = []
    save = Figure.savefig

    def look(figure: Figure, *args: object, **options: object) -> None:
        cut.extend(line.get_clip_on() for axes in figure.axes for line in axes.lines)
        save(figure, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", look)
    curves("main", tmp_path / "drawn.png")
    assert len(cut) == 3 and not any(cut)

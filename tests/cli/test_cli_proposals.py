"""``inception detect proposals``: a table, a plot, JSON; one line for what is wrong."""

import json
from pathlib import Path

import pytest
from command_line import fails, run
from PIL import Image

from inception.detection import proposals

VOC = (
    "<annotation><object><name>thing</name><bndbox><xmin>21</xmin><ymin>11</ymin>"
    "<xmax>50</xmax><ymax>40</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One bright thing on a dark ground, searched in a small picture."""
    monkeypatch.setattr(proposals, "WIDTH", 120)
    image = Image.new("RGB", (120, 50), (9, 9, 9))
    image.paste((250, 200, 40), (20, 10, 50, 40))
    image.save(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(VOC)
    return tmp_path


def test_ways_are_compared_in_a_table_a_plot_and_json(place: Path, tmp_path: Path) -> None:
    plot = tmp_path / "recall.png"
    ways = ("--superpixels", "50", "--superpixels", "100", "--processes", "1")
    done = run("detect", "proposals", str(place), *ways, "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 picture, 1 object\n")
    assert "superpixels 50 " in done.stdout and "100.00 %" in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    told = json.loads(run("detect", "proposals", str(place), *ways, "--json", "-").stdout)
    assert [way["recall"] for way in told["ways"]] == [1, 1]
    assert told["unreadable"] == [] and told["split"] == "all"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--search", "slow"], "mode of Selective Search must be"),
        (["--superpixels", "0"], "superpixels of Selective Search must be"),
        (["--split", "test"], "no split named 'test'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(place: Path, options: list[str], told: str) -> None:
    assert told in fails("detect", "proposals", str(place), "--processes", "1", *options)


def test_an_unreadable_picture_is_named_and_left_out(place: Path) -> None:
    (place / "b.png").write_bytes(b"none")
    (place / "b.xml").write_text(VOC)
    done = run("detect", "proposals", str(place), "--processes", "1")
    assert done.returncode == 1 and "1 picture, 1 object" in done.stdout
    assert f"not readable: {place}/b.png" in done.stderr

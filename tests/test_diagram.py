"""The diagram has every layer of the table, once, and the README's is the command's."""

import re
import sys
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from inception.cli import main
from inception.diagram import diagram, stage_diagram
from inception.errors import InputError
from inception.models import MODELS
from inception.models.cost import cost
from inception.models.spec import Conv, Pair

DOCS = Path(__file__).parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_drawn_once_with_its_cost(name: str) -> None:
    root = ElementTree.fromstring(diagram(MODELS[name]))
    titles = [t.text or "" for t in root.iter(f"{SVG}title")]
    for stage in cost(MODELS[name]).stages:
        for layer in stage.layers:
            path = f"{stage.name}.{layer.name}" if layer.name else stage.name
            (told,) = (t for t in titles if t.startswith(f"{path}\n"))
            assert f"{layer.parameters:,} parameters" in told or not layer.parameters
            channels, height, width = layer.end.shape
            assert f"{height}×{width}×{channels}" in told
    drawn = [e.get("aria-label") for e in root.iter() if e.get("aria-label")]
    assert drawn == [f"{name}, drawn layer by layer"]


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_drawn_outside_the_picture(name: str) -> None:
    root = ElementTree.fromstring(diagram(MODELS[name]))
    width, height = (float(side) for side in (root.get("viewBox") or "").split()[2:])
    boxes = list(_rectangles(root, 0, 0))
    assert len(boxes) > len(MODELS[name].stages)
    for x, y, w, h in boxes:
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height


@pytest.mark.parametrize("name", MODELS)
def test_labels_stay_within_their_boxes(name: str) -> None:
    root = ElementTree.fromstring(diagram(MODELS[name]))
    boxes = [box for box in root.iter(f"{SVG}g") if box.find(f"{SVG}text") is not None]
    labelled = [box for box in boxes if box.get("class") == "box"]
    assert labelled
    for box in labelled:
        (label,), (frame,) = box.findall(f"{SVG}text"), box.findall(f"{SVG}rect")
        needed = float(label.get("textLength", 6 * len(label.text or "")))
        assert needed <= float(frame.get("width", 0)), label.text


@pytest.mark.parametrize(
    ("stride", "told"), [(1, "1×5 · 8"), (2, "1×5 /2 · 8"), ((1, 2), "1×5 /1×2 · 8")]
)
def test_a_stride_is_told_along_both_sides_where_they_differ(stride: Pair, told: str) -> None:
    stages = {"conv": Conv(8, (1, 5), stride)}
    assert f">{told}</text>" in diagram(replace(MODELS["lenet5"], stages=stages))


def _rectangles(element: ElementTree.Element, x: float, y: float):  # type: ignore[no-untyped-def]
    moved = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    if moved:
        x, y = x + float(moved[1]), y + float(moved[2])
    if element.tag == f"{SVG}rect":
        own = [float(element.get(side, 0)) for side in ("x", "y", "width", "height")]
        yield (x + own[0], y + own[1], *own[2:])
    for inner in element:
        yield from _rectangles(inner, x, y)


def test_branches_are_shaded_by_their_shares() -> None:
    shares = {"inception_4a": {"conv1x1": 0.25, "pool": -0.5}}
    text = diagram(MODELS["googlenet"], shares=shares)
    root = ElementTree.fromstring(text)
    shades = {
        (e.get("data-module"), e.get("data-branch")): (e.get("class"), e.get("fill-opacity"))
        for e in root.iter(f"{SVG}rect")
        if e.get("data-module")
    }
    assert len(shades) == 9 * 4
    assert shades["inception_4a", "conv1x1"] == ("shade for", "0.250")
    assert shades["inception_4a", "pool"] == ("shade against", "0.500")
    assert shades["inception_4b", "pool"] == ("shade for", "0.000")
    assert ">25 %<" in text and ">-50 %<" in text


@pytest.mark.parametrize("name", MODELS)
def test_a_stage_alone_is_drawn_as_in_the_whole(name: str) -> None:
    whole = diagram(MODELS[name])
    for stage in MODELS[name].stages:
        root = ElementTree.fromstring(stage_diagram(MODELS[name], stage))
        titles = [t.text or "" for t in root.iter(f"{SVG}title")]
        assert titles and all(escape(title) in whole for title in titles)
        width, height = (float(side) for side in (root.get("viewBox") or "").split()[2:])
        for x, y, w, h in _rectangles(root, 0, 0):
            assert x >= 0 and y >= 0 and x + w <= width and y + h <= height


def test_a_stage_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no stage named 'inception_3'; did you mean 'inception_3"):
        stage_diagram(MODELS["googlenet"], "inception_3")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("googlenet.svg", ["googlenet"]),
        ("inception_3a.svg", ["googlenet", "--stage", "inception_3a"]),
    ],
)
def test_a_drawing_in_the_docs_is_the_commands(
    file: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "g.svg"
    monkeypatch.setattr(sys, "argv", ["inception", "models", *words, "--svg", str(out)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert out.read_text("utf-8") == (DOCS / file).read_text("utf-8")


@pytest.mark.parametrize("words", [["--svg", "x.svg"], ["googlenet", "--stage", "inception_3a"]])
def test_a_name_and_a_file_are_needed_to_draw(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inception", "models", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = unescape(capsys.readouterr().err)
    assert "inception models NAME" in said and "--svg FILE" in said

"""The pages are built whole, ask the network for nothing, and the tutorial says what it prints."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def part(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "site" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make docs`` builds; where a link leads nowhere it does not."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    elsewhere = r"""=["']?(?:https?:)?//"""
    loads = (
        rf"<(?:script|img|source|iframe)\b[^>]*\ssrc{elsewhere}|<link[^>]*sheet[^>]*href{elsewhere}"
    )
    pages = list(site.rglob("*.html"))
    assert {"index.html", "reference.html", "tutorial.html"} <= {page.name for page in pages}
    assert [page.name for page in pages if re.search(loads, page.read_text("utf-8"))] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:|//)|@import", styles)


def test_every_public_name_is_explained(site: Path) -> None:
    import inception

    text = (site / "reference.html").read_text("utf-8")
    for name in inception.__all__:
        assert name.startswith("__") or f"{inception._PLACES[name]}.{name}" in text


def test_the_tutorial_runs_and_prints_what_the_page_shows(tmp_path: Path) -> None:
    kept = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text("utf-8"))
    run = json.loads(json.dumps(kept))
    part("tutorial").run(run, tmp_path)
    assert [kinds(cell) for cell in run["cells"]] == [kinds(cell) for cell in kept["cells"]]
    accuracies = [number for cell in run["cells"] for number in percents(cell)]
    assert accuracies[0] > 80 and accuracies[1] > 80


def kinds(cell: dict[str, Any]) -> list[str]:
    return [output["output_type"] for output in cell.get("outputs", [])]


def percents(cell: dict[str, Any]) -> list[float]:
    texts = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
    return [float(number) for number in re.findall(r"([\d.]+)%", texts)]

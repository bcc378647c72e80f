"""The house: imports point one way, some parts need no torch, files stay short."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "inception"
ROWS = [  # DESIGN §1: a part may import the rows above it and what stands to its left in its own
    ["errors", "machine", "fields", "preprocessing", "text", "remote", "files", "downloads"],
    ["models", "data"],
    ["weights", "runtime"],
    [
        "plotting",
        "drawing",
        "diagram",
        "pictures",
        "prediction",
        "evaluation",
        "embedding",
        "fid",
        "robustness",
        "predictor",
        "benchmark",
        "export",
    ],
    ["training", "explanation"],
    ["detection", "search", "cluster", "serving", "reproduce"],
    ["cli"],
    ["__main__"],
]
NEVER = {("data", "models")}  # neighbours that do not know each other
PLACE = {part: (row, column) for row, parts in enumerate(ROWS) for column, part in enumerate(parts)}
FILES = sorted(PACKAGE.rglob("*.py"))
TORCH_FREE = [
    "inception",
    "inception.models",
    "inception.machine",
    "inception.models.spec",
    "inception.models.cost",
    "inception.data.images",
    "inception.data.crops",
    "inception.data.datasets",
    "inception.data.transforms",
    "inception.data.loading",
    "inception.data.check",
    "inception.weights.model_file",
    "inception.weights.catalogue",
    "inception.runtime.pipeline",
    "inception.runtime.lower",
    "inception.runtime.onnx_engine",
    "inception.runtime.onnx_graph",
    "inception.runtime.openvino_engine",
    "inception.runtime.openvino_graph",
    "inception.diagram",
    "inception.pictures",
    "inception.prediction",
    "inception.predictor",
    "inception.embedding.copies",
    "inception.embedding.vectors",
    "inception.fid.measure",
    "inception.robustness.corrupted",
    "inception.evaluation.evaluate",
    "inception.evaluation.doctor",
    "inception.evaluation.exits",
    "inception.runtime.early_exit",
    "inception.explanation.cam",
    "inception.detection.detector",
    "inception.detection.evaluate",
    "inception.detection.predictor",
    "inception.detection.boxes",
    "inception.detection.datasets",
    "inception.detection.proposals",
    "inception.detection.multibox",
    "inception.detection.metrics",
    "inception.serving.server",
    "inception.reproduce.cards",
    "inception.reproduce.claims",
    "inception.cli",
]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        parts |= {name.split(".")[1] for name in names if name.startswith("inception.")}
    return parts


def test_every_part_has_its_place_in_the_house() -> None:
    parts = {part_of(path) for path in FILES} - {"__init__"}
    assert parts <= set(PLACE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":  # the public names, lazily
        return
    for other in imported_parts(path) - {part}:
        assert PLACE[other] < PLACE[part], f"{part} imports {other}"
        assert (part, other) not in NEVER


def imported_files(path: Path) -> set[Path]:
    """Files of our own that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inception."):
            module = PACKAGE.parent / Path(*str(node.module).split("."))
            found.add(module.with_suffix(".py"))
            found |= {module / f"{alias.name}.py" for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [PACKAGE.parent / Path(*alias.name.split(".")) for alias in node.names]
            found |= {name.with_suffix(".py") for name in names}
    return found & set(FILES)


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Inside a part too; what a part's ``__init__`` gathers is left out, as its public face."""
    waiting = {path: imported_files(path) - {path} for path in FILES if path.stem != "__init__"}
    while free := [path for path, others in waiting.items() if not others & set(waiting)]:
        for path in free:
            del waiting[path]
    assert not waiting, sorted(path.relative_to(PACKAGE).as_posix() for path in waiting)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, node.name


def test_these_are_imported_without_torch() -> None:
    code = (  # one process for all: whichever brings torch in first is named
        "import sys\n"
        f"for name in {TORCH_FREE}:\n"
        "    __import__(name)\n"
        "    assert not {'torch', 'rich'} & set(sys.modules), name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr.splitlines()[-1]


def test_test_files_have_names_of_their_own() -> None:
    """Pytest imports them by their name alone."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py"))
    assert [n for n, count in names.items() if count > 1 and n != "conftest.py"] == []


def test_no_message_tells_to_install_the_strangers_inception() -> None:
    told = [p.name for p in FILES if re.search(r"pip install[^\n]*inception", p.read_text("utf-8"))]
    assert told == []
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "inception-nets"


def test_the_public_names_are_there() -> None:
    import inception

    assert all(getattr(inception, name) is not None for name in inception.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = inception.nonsense

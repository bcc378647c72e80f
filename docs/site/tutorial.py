"""Runs docs/tutorial.ipynb and keeps what it printed and drew; the README's pictures are its run's.

``python docs/site/tutorial.py``, where Chromium is.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

NOTEBOOK = Path(__file__).parents[1] / "tutorial.ipynb"
PICTURES = NOTEBOOK.parent / "pictures"


def run(notebook: dict[str, Any], folder: Path) -> None:
    """Runs the cells in a folder, one after the other, and puts what they show below each.

    A cell's last line is shown as Jupyter would show it: a picture's path drawn, all else printed.
    """
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        for number, cell in enumerate(c for c in notebook["cells"] if c["cell_type"] == "code"):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
                last = _run("".join(cell["source"]), names)
            cell["execution_count"], cell["outputs"] = number + 1, _outputs(said.getvalue(), last)


def _run(source: str, names: dict[str, Any]) -> Any:
    tree = ast.parse(source)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "tutorial.ipynb", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "tutorial.ipynb", "exec"), names)
    return eval(compile(ast.Expression(last.value), "tutorial.ipynb", "eval"), names)


def _outputs(said: str, last: Any) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    if said:
        outputs.append({"name": "stdout", "output_type": "stream", "text": said.splitlines(True)})
    if hasattr(last, "_repr_png_"):
        data = {"image/png": base64.b64encode(last._repr_png_()).decode(), "text/plain": [""]}
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    elif last is not None:
        outputs.append({"name": "stdout", "output_type": "stream", "text": [f"{last!r}\n"]})
    return outputs


def _keep_pictures(folder: Path) -> None:
    for name in ("curves.png", "confusion.png"):
        shutil.copy(folder / "run" / name, PICTURES / name)
    request = ["evaluate", "run", "digits", "--split", "test", "--report", "report"]
    subprocess.run([sys.executable, "-m", "inception", *request], cwd=folder, check=True)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 640})
        page.goto((folder / "report" / "index.html").as_uri())
        page.screenshot(path=PICTURES / "report.png")
        browser.close()


def main() -> None:
    """Runs the notebook and writes it back."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    os.environ["INCEPTION_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        run(notebook, Path(folder))
        _keep_pictures(Path(folder))
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

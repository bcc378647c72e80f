"""Matplotlib made ready: as it comes, whatever the user set, and where there is no home."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOME = "MPLCONFIGDIR"  # where matplotlib keeps its settings and its list of fonts


def matplotlib() -> Any:
    """The package. Where it has no home it is given one for as long as this process lives.

    It makes one itself, but says so in two lines each time.
    """
    if "matplotlib" not in sys.modules and not all(map(_can_be_written, _homes())):
        os.environ[HOME] = tempfile.mkdtemp(prefix="inception-matplotlib-")
        atexit.register(shutil.rmtree, os.environ[HOME], ignore_errors=True)
    import matplotlib

    return matplotlib


@contextmanager
def plain() -> Iterator[None]:
    """Matplotlib without the user's settings: no TeX, and ``$5_and_$10`` is a name."""
    matplotlib()
    from matplotlib import style

    with style.context({"text.parse_math": False}, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # a letter that the font lacks
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, made without pyplot, which would hold on to it."""
    matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG, in one step."""
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110, format="png")


def _homes() -> list[Path]:
    """The folders that matplotlib would write to."""
    if own := os.environ.get(HOME):
        return [Path(own)]
    try:
        home = Path.home()
    except RuntimeError:
        return [Path(os.devnull)]
    if sys.platform == "win32" or sys.platform == "darwin":
        return [home / ".matplotlib"]
    places = {"XDG_CONFIG_HOME": home / ".config", "XDG_CACHE_HOME": home / ".cache"}
    return [Path(os.environ.get(n) or place) / "matplotlib" for n, place in places.items()]


def _can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself."""
    nearest = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)

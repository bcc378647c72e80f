"""The run folder: whose it is, and that one process at a time works in it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from inception.errors import InputError, command
from inception.files import create_text, unfinished
from inception.prediction import RUN_MODEL
from inception.remote import place_of

CONFIG = "config.json"
LAST = "last.safetensors"
RUN_FILES = (
    CONFIG, LAST, RUN_MODEL, "metrics.csv", "curves.png", "confusion.csv", "confusion.png",
    "unreadable.csv", "log.txt",
)  # fmt: skip
LOCK = ".lock"


def new_folder_name(what: str, data: str | Path | None) -> Path:
    """Where a run goes when nothing else is said."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{what}-{place_of(data or '').resolve().stem}-{stamp}"


def is_run(folder: Path) -> bool:
    """Whether a run wrote the folder's ``config.json``."""
    try:
        values = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"config", "data", "model"} <= values.keys()


def check_free(folder: Path, *, by: tuple[str, ...] = ("train",)) -> None:
    """Raises ``InputError`` where a new run would write over anything but one that kept nothing.

    ``by`` is the command whose run it is.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is no folder; name another --out")
    there = [name for name in RUN_FILES if (folder / name).exists()]
    if there and not is_run(folder):
        raise InputError(
            f"{folder} holds {', '.join(there)} of something else, and a run would write over "
            "it; name another --out"
        )
    if LAST in there or RUN_MODEL in there:
        go_on = command(*by, "--resume", folder)
        raise InputError(f"{folder} holds a run already: `{go_on}` goes on with it")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While it lasts no other process works in the folder.

    The lock is a file that only one can create, on network file systems too. What a process that
    is gone left behind is taken over, where it ran on this machine.

    Raises:
        InputError: another process does, and which; or the folder cannot be written to.
    """
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _take(lock)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    for _ in range(2):
        try:
            create_text(lock, json.dumps(this_process()))  # one without its holder is nobody's
            return
        except FileExistsError:
            holder = _read(lock)
            if not is_gone(holder):
                break
            _clear(lock, holder)
    raise InputError(
        f"{lock.parent} is in use by process {holder.get('process', '?')} on "
        f"{holder.get('host', 'another machine')} since {holder.get('since', '?')}; wait for it, "
        f"or, if it is gone, delete {lock}"
    )


def _clear(lock: Path, holder: dict[str, Any]) -> None:
    """Moves a stale lock away; of several that found it stale one may have its own there by now."""
    away = unfinished(lock)
    with suppress(FileNotFoundError):
        os.replace(lock, away)
        if _read(away) != holder:
            os.replace(away, lock)
        away.unlink(missing_ok=True)


def this_process() -> dict[str, Any]:
    """This process, so that it is known again and told from a later one of its number."""
    pid = os.getpid()
    since = datetime.now().isoformat(" ", "seconds")
    return {"process": pid, "host": platform.node(), "since": since, "started": _started(pid)}


def _read(lock: Path) -> dict[str, Any]:
    try:
        values = json.loads(lock.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def is_gone(holder: dict[str, Any]) -> bool:
    """Whether the holder ran on this machine and does no more."""
    pid = holder.get("process")
    if holder.get("host") != platform.node() or not isinstance(pid, int):
        return False
    if Path("/proc/self/stat").exists():
        return _started(pid) != holder.get("started")
    if os.name != "posix":  # where signal 0 is Ctrl-C
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None where it is gone or unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]

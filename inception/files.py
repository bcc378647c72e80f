"""Files that are either whole or not there, and where the cache lies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from inception.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; moved over ``path`` in one step when the block ends well.

    Raises:
        InputError: the place cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner can read
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    except SafetensorError as error:  # a full disk, where safetensors writes
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        if beside.exists():
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` in one step."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def cache_folder() -> Path:
    """``$INCEPTION_CACHE``, else ``inception`` in the user's cache folder."""
    own = os.environ.get("INCEPTION_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(shared) / "inception"


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask

"""Files that are either whole or not there, what may be read at all, and where the cache lies."""

import errno
import glob
import hashlib
import os
import platform
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError

from inception.errors import InputError
from inception.remote import Place, Remote
from inception.text import decoded

MOST_BYTES = 2**30  # of one file that is read into memory
SAMPLE = 4096  # bytes of a block by which files are told apart


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; moved over ``path`` in one step when the block ends well.

    Raises:
        InputError: the place cannot be written to.
    """
    beside = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
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


def unfinished(path: Path) -> Path:
    """A name beside ``path``, this process's own, that is swept once the process is gone."""
    return path.with_name(f"{_mark(path)}{os.getpid()}-{secrets.token_hex(2)}.part")  # not guessed


def _mark(path: Path) -> str:
    return f".{path.name}.{_machine()}-"


def _sweep(path: Path) -> None:
    """Removes what processes of this machine that were killed left beside a file."""
    mark = _mark(path)
    for left in path.parent.glob(f"{glob.escape(mark)}*.part"):
        import psutil  # seldom needed, and this file is imported by every command

        number = left.name.removeprefix(mark).split("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            left.unlink(missing_ok=True)


def _machine() -> str:
    """A few letters for this machine: another's processes, on a shared disk, are not known here."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` in one step; bytes of file names that are no UTF-8 stay so."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def create_text(path: Path, text: str) -> None:
    """Writes a file that is not there, whole or not at all: of several processes only one can.

    Raises:
        OSError: it cannot be written; ``FileExistsError`` where it is there.
    """
    _sweep(path)
    beside = unfinished(path)
    try:
        beside.write_text(text, encoding="utf-8")
        os.link(beside, path)
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise
        with path.open("x", encoding="utf-8") as file:  # a file system without hard links
            file.write(text)
    finally:
        beside.unlink(missing_ok=True)


def open_regular(path: Place) -> BinaryIO:
    """A file opened to read; a pipe, a device or a socket, which might never end, is not touched.

    Raises:
        OSError: it is not there, not to be read, or no regular file.
    """
    if isinstance(path, Remote):
        return path.open()
    _check_regular(path.stat().st_mode, path)
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _check_regular(os.fstat(file.fileno()).st_mode, path)  # it may have been replaced
    except OSError:
        file.close()
        raise
    return file


def _check_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Place) -> bytes:
    """A regular file's bytes. Raises ``OSError``, for one of more than ``MOST_BYTES`` too."""
    if isinstance(path, Remote):
        return path.read(0, MOST_BYTES)
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"more than {MOST_BYTES >> 30} GiB", str(path))
        return file.read()


def read_text(path: Place, *, kind: str = "text file") -> str:
    """A file's text, in UTF-8 or what it begins with.

    Raises:
        InputError: it cannot be read, or is in another encoding.
    """
    try:
        return decoded(read_bytes(path), path, kind=kind)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def sampled(file: BinaryIO, start: int, size: int) -> bytes:
    """A digest of a stretch of a file, its size and three blocks of it: equal where bytes are."""
    digest = hashlib.sha256(str(size).encode())
    for place in sorted({0, max(size // 2 - SAMPLE // 2, 0), max(size - SAMPLE, 0)}):
        file.seek(start + place)
        digest.update(file.read(min(SAMPLE, size - place)))
    return digest.digest()


def identity(path: Place) -> str:
    """What a regular file is told by: place, size, time, and some of its bytes.

    The time alone is not enough: two writes within a tick of the clock have the same.

    Raises:
        OSError: as ``open_regular``.
    """
    if isinstance(path, Remote):
        return path.identity()
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        return "|".join(map(str, numbers)) + "|" + sampled(file, 0, found.st_size).hex()


def cache_folder() -> Path:
    """``$INCEPTION_CACHE``, else ``inception`` in the user's cache folder.

    Raises:
        InputError: the user has no home.
    """
    if own := os.environ.get("INCEPTION_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "inception"
    try:
        return Path.home() / ".cache" / "inception"
    except RuntimeError as error:
        raise InputError("no home folder to keep a cache in: set INCEPTION_CACHE") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask

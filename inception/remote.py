"""Files behind URLs that fsspec opens: s3://, gs://, http://, memory:// and others."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeAlias, TypeVar, cast

from inception.errors import InputError, not_installed

T = TypeVar("T")

TRIES = 3  # a read that fails may be the network's
PAUSE_S = 0.3  # before the second; four times that before the third


class Remote:
    """A file or folder behind a URL; answers what a ``Path`` would, as far as we ask.

    Whatever a file system raises comes out as ``OSError``, as from a disk.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._name = PurePosixPath(self.url.rpartition("://")[2].partition("?")[0])

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | Path) -> Remote:
        return Remote(f"{self.url}/{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __lt__(self, other: Remote) -> bool:
        return self.url < other.url

    @property
    def name(self) -> str:
        """Its last part."""
        return self._name.name

    @property
    def stem(self) -> str:
        """That without an ending."""
        return self._name.stem

    @property
    def suffix(self) -> str:
        """The ending."""
        return self._name.suffix

    @property
    def parent(self) -> Remote:
        """The folder it lies in."""
        return Remote(self.url.rpartition("/")[0])

    def with_suffix(self, suffix: str) -> Remote:
        """The file of that ending beside it."""
        return Remote(f"{self.url.removesuffix(self.suffix)}{suffix}")

    def resolve(self) -> Remote:
        """Itself: a URL is whole."""
        return self

    def exists(self) -> bool:
        """Whether anything is there."""
        return bool(self._ask(lambda fs, path: fs.exists(path)))

    def is_dir(self) -> bool:
        """Whether files lie below it."""
        return bool(self._ask(lambda fs, path: fs.isdir(path)))

    def glob(self, pattern: str) -> Iterator[Remote]:
        """The files in it whose names fit."""
        found = self._ask(lambda fs, path: fs.ls(path, detail=False))
        names = {str(each).rstrip("/").rpartition("/")[2] for each in found}
        yield from (self / name for name in names if fnmatch(name, pattern))

    def files(self) -> list[str]:
        """All files below it, relative to it, sorted."""
        found, root = self._ask(lambda fs, path: (fs.find(path), fs._strip_protocol(path)))
        start = f"{root.rstrip('/')}/"
        return sorted(str(each).removeprefix(start) for each in found)

    def size(self) -> int:
        """Bytes of the file."""
        return int(self._ask(lambda fs, path: fs.size(path)) or 0)

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """The file's bytes, or those from ``start`` to ``end``; tried again where that fails."""
        for pause in (PAUSE_S * 4**number for number in range(TRIES - 1)):
            try:
                return self._read(start, end)
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(pause)
        return self._read(start, end)

    def _read(self, start: int, end: int | None) -> bytes:
        data: bytes = self._ask(lambda fs, path: fs.cat_file(path, start=start, end=end))
        whole = end is not None and len(data) > end - start  # from a server without ranges
        return data[start:end] if whole else data

    def open(self) -> BinaryIO:
        """The file, read as far as it is asked for."""
        return cast(BinaryIO, self._ask(lambda fs, path: fs.open(path, "rb")))

    def identity(self) -> str:
        """What it is told by: URL, size, and what the file system knows of its version."""
        version = self._ask(lambda fs, path: (fs.size(path), str(fs.ukey(path))))
        return hashlib.sha256(repr((self.url, version)).encode()).hexdigest()

    def _ask(self, question: Callable[[Any, str], T]) -> T:
        with _as_from_a_disk(self.url):
            from fsspec.core import url_to_fs

            return question(*url_to_fs(self.url))


Place: TypeAlias = Path | Remote


def is_remote(place: object) -> bool:
    """Whether that is a URL."""
    return isinstance(place, Remote) or (isinstance(place, str) and "://" in place)


def place_of(place: str | Path | Remote) -> Place:
    """What a caller means by it: a path here, or a URL."""
    if isinstance(place, Remote):
        return place
    return Remote(str(place)) if is_remote(place) else Path(place)


@contextmanager
def _as_from_a_disk(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:  # in which fsspec names the package that knows the protocol
        found = re.findall(r"\b\w+fs\b|aiohttp", str(error)) or ["fsspec"]
        raise not_installed(found[-1]) from error
    except OSError:
        raise
    except ValueError as error:
        if "rotocol" in str(error):
            raise InputError(f"{url}: {error}") from error
        raise OSError(None, str(error), url) from error
    except Exception as error:  # each library behind fsspec has its own
        raise OSError(None, f"{type(error).__name__}: {error}", url) from error

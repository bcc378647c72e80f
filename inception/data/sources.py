"""Where encoded pictures lie: folders here, ``tars`` and ``parquet`` in files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from inception.data.blocks import Blocks
from inception.data.images import EXTENSIONS, UnreadableImageError
from inception.data.listing import is_picture, list_folder
from inception.data.tars import TarSource, check_not_compressed
from inception.errors import InputError
from inception.files import open_regular, read_bytes, sampled
from inception.remote import Place, Remote


class Source(Protocol):
    """Numbered encoded pictures, each with a key that names it among the others."""

    @property
    def keys(self) -> Sequence[str]:
        """What names each picture, whatever the machine."""

    @property
    def blocks(self) -> Blocks | None:
        """Rows that are read together; None where each may be read by itself."""

    def expect(self, block: int) -> None:
        """Begins to read a block whose pictures will be asked for."""

    def path(self, index: int) -> str:
        """Where the picture lies, for messages."""

    def read(self, index: int) -> bytes:
        """The encoded picture. Raises ``UnreadableImageError``."""

    def sample(self, index: int) -> bytes:
        """A digest of its size and some of its bytes, cheaply: equal where pictures are."""


class FolderSource:
    """Files below a folder, here or behind a URL; a key is a file's path in it, with ``/``."""

    blocks: Blocks | None = None

    def __init__(self, root: Place, keys: Sequence[str]) -> None:
        self.root = root
        self.keys: Sequence[str] = keys

    def expect(self, block: int) -> None:
        """Nothing: there are none."""

    def path(self, index: int) -> str:
        """Path of the file."""
        return str(self.root / self.keys[index])

    def read(self, index: int) -> bytes:
        """The file's bytes, if it is a regular file."""
        path = self.root / self.keys[index]
        try:
            return read_bytes(path)
        except OSError as error:
            raise UnreadableImageError(str(path), error.strerror or str(error)) from error
        except ValueError as error:  # a NUL in the name, from a CSV
            raise UnreadableImageError(str(path), str(error)) from error

    def sample(self, index: int) -> bytes:
        """A digest of some of the file's bytes."""
        path = self.root / self.keys[index]
        try:
            with open_regular(path) as file:
                return sampled(file, 0, file.seek(0, 2))
        except (OSError, ValueError) as error:
            raise UnreadableImageError(str(path), str(error)) from error


def remote_pictures(place: Remote) -> list[str]:
    """Keys of the pictures below a URL; hidden files are not looked at."""
    parted = ((key, key.split("/")) for key in place.files())
    return [
        k for k, parts in parted if is_picture(parts[-1]) and not any(p[0] == "." for p in parts)
    ]


def source_at(place: Place) -> Source:
    """The pictures of a file, a folder, a tar or a folder of tars; a missing one is read later.

    Raises:
        InputError: no pictures in the folder or tar.
    """
    source: Source
    if place.suffix == ".tar" and not place.is_dir():
        source = TarSource([place])
    elif isinstance(place, Remote) or place.is_dir():
        keys = remote_pictures(place) if isinstance(place, Remote) else list_folder(place).keys
        source = FolderSource(place, keys)
        shards: list[Place] = [] if source.keys else sorted(place.glob("*.tar"), key=str)
        source = TarSource(shards) if shards else source
    else:
        check_not_compressed(place)
        source = FolderSource(place.parent, [place.name])
    if not source.keys:
        raise InputError(f"no pictures in {place}: looked for {', '.join(sorted(EXTENSIONS))}")
    return source


def pictures_at(place: Place) -> Iterator[tuple[Source, int]]:
    """Every picture of ``source_at``."""
    source = source_at(place)
    yield from ((source, index) for index in range(len(source.keys)))

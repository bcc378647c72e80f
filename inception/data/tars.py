"""Pictures and labels inside tar files, read in place."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import numpy as np

from inception.data.blocks import MEMORY, Held, blocks_within
from inception.data.images import UnreadableImageError
from inception.data.splits import split_of
from inception.data.tar_index import HEADER, tar_index
from inception.errors import InputError
from inception.files import MOST_BYTES, open_regular, sampled
from inception.remote import Place, Remote

COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst", ".zip", ".7z", ".rar")
STRETCH = 1 << 24  # bytes that are read at once
INDICES_AT_ONCE = 8  # read, of tars that may be far away
BEYOND = 1 << 20  # after it, for the picture it ends in


class TarSource:
    """Pictures inside tar files. The index of a tar is made once and cached, where that can be.

    Attributes:
        labels: what the file beside each picture says, empty where there is none: ``key.cls``, or
            the ``label`` in ``key.json``. The key of ``img_0.5_01.jpg`` is ``img_0.5_01`` where
            that has such a file, else ``img_0``, as WebDataset cuts it.
        blocks: stretches of ``STRETCH`` bytes, where the tars are larger than ``memory`` or not
            here. They are read only where they are expected; else each picture is read alone.
    """

    def __init__(self, paths: Sequence[Place], *, memory: int = MEMORY) -> None:
        self.paths = paths
        with ThreadPoolExecutor(INDICES_AT_ONCE) as pool:
            indices = list(pool.map(tar_index, paths))
        self.shards = np.repeat(np.arange(len(paths)), [len(i.keys) for i in indices])
        self.offsets = np.concatenate([i.offsets for i in indices])
        self.sizes = np.concatenate([i.sizes for i in indices])
        self.headers = np.concatenate([i.headers for i in indices])
        self.keys = [key for i in indices for key in i.keys]
        self.labels = [label for i in indices for label in i.labels]
        self._held: Held[bytes] = Held(self._read_stretch, len, memory=memory)
        pair = np.stack([self.shards, self.offsets // STRETCH])
        places, numbers = np.unique(pair, axis=1, return_inverse=True)
        self._numbers = numbers.reshape(-1).astype(np.int64)
        self._places = places.T  # of each stretch, its shard and number in that
        near = not any(isinstance(path, Remote) for path in paths)
        sizes = np.full(len(self._places), STRETCH)
        self.blocks = blocks_within(self._numbers, sizes, memory, near=near)

    def path(self, index: int) -> str:
        """Path of the tar and the member inside it."""
        return f"{self.paths[self.shards[index]]}/{self.keys[index]}"

    def expect(self, block: int) -> None:
        """Begins to read a stretch."""
        self._held.expect(block)

    def read(self, index: int) -> bytes:
        """The member's bytes; safe from several threads at once."""
        size = int(self.sizes[index])
        if size > MOST_BYTES:
            raise UnreadableImageError(self.path(index), f"more than {MOST_BYTES >> 30} GiB")
        data = self._member(index, size)
        if len(data) < size:
            raise UnreadableImageError(self.path(index), "the tar file ends inside it")
        return data

    def sample(self, index: int) -> bytes:
        """A digest of some of the member's bytes, the same for equal members."""
        size = int(self.sizes[index])
        if isinstance(self.paths[self.shards[index]], Remote):
            return sampled(io.BytesIO(self._member(index, size)), 0, size)
        with self._opened(index) as file:
            return sampled(file, file.tell(), size)

    def _member(self, index: int, size: int) -> bytes:
        """Its bytes, or fewer where the file ends."""
        path, start = self.paths[self.shards[index]], int(self.offsets[index])
        try:
            stretch = self._held.find(int(self._numbers[index])) if self.blocks else None
            before = start - HEADER - int(self._places[self._numbers[index]][1]) * STRETCH
            if stretch is not None and before >= 0 and before + HEADER + size <= len(stretch):
                data = stretch[before : before + HEADER + size]
            elif isinstance(path, Remote):
                data = path.read(start - HEADER, start + size)
            else:
                with self._opened(index) as file:
                    return file.read(size)
        except OSError as error:
            raise UnreadableImageError(self.path(index), error.strerror or str(error)) from error
        self._check_header(index, data[:HEADER])
        return data[HEADER:]

    def _read_stretch(self, number: int) -> bytes:
        """From where it begins to a little behind its end, where its last picture may reach."""
        shard, place = (int(n) for n in self._places[number])
        path, start = self.paths[shard], place * STRETCH
        if isinstance(path, Remote):
            return path.read(start, start + STRETCH + BEYOND)
        with open_regular(path) as file:
            file.seek(start)
            return file.read(STRETCH + BEYOND)

    def _opened(self, index: int) -> BinaryIO:
        """The tar, at the member's first byte, if the member is still the one in the index."""
        try:
            file = open_regular(self.paths[self.shards[index]])
        except OSError as error:
            raise UnreadableImageError(self.path(index), error.strerror or str(error)) from error
        file.seek(int(self.offsets[index]) - HEADER)
        try:
            self._check_header(index, file.read(HEADER))
        except UnreadableImageError:
            file.close()
            raise
        return file

    def _check_header(self, index: int, header: bytes) -> None:
        if zlib.crc32(header) != self.headers[index]:
            reason = "the tar file has changed since it was opened"
            raise UnreadableImageError(self.path(index), reason)


def check_not_compressed(path: Place) -> None:
    """Raises ``InputError`` for an archive whose members cannot be read where they lie."""
    if path.suffix.lower() in COMPRESSED:
        raise InputError(
            f"{path} is compressed, and its pictures cannot be read one by one: unpack it first, "
            f"into a .tar or a folder"
        )


def without_common_folder(keys: Iterable[str]) -> list[str]:
    """Paths inside the folder that everything lies in, as where a whole folder was packed."""
    names = [key.lstrip("/") for key in keys]
    while names and all(name.count("/") > 1 for name in names):
        firsts = {name.partition("/")[0] for name in names}
        if len(firsts) > 1 or split_of(firsts.pop()):
            break
        names = [name.partition("/")[2] for name in names]
    return names

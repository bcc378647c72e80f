"""Pictures and labels inside tar files, read in place."""

from __future__ import annotations

import hashlib
import json
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from inception.data.images import UnreadableImageError
from inception.data.listing import is_picture
from inception.data.splits import split_of
from inception.errors import InputError
from inception.files import MOST_BYTES, cache_folder, identity, open_regular, replacing, sampled

COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst", ".zip", ".7z", ".rar")
HEADER = 512  # bytes before a member's own
MOST_LABEL = 65536  # bytes of a label's file that are read
LABEL_ENDINGS = (".cls", ".json")
LABEL_KEYS = ("label", "cls", "class")  # in a .json
BROKEN = (  # what tarfile raises on hostile bytes
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    RecursionError,
    struct.error,
)


class TarSource:
    """Pictures inside tar files. The index of a tar is made once and cached, where that can be.

    Attributes:
        labels: what the file beside each picture says, empty where there is none: ``key.cls``, or
            the ``label`` in ``key.json``. The key of ``img_0.5_01.jpg`` is ``img_0.5_01`` where
            that has such a file, else ``img_0``, as WebDataset cuts it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        indices = [_index(path) for path in paths]
        self.shards = np.repeat(np.arange(len(paths)), [len(i.keys) for i in indices])
        self.offsets = np.concatenate([i.offsets for i in indices])
        self.sizes = np.concatenate([i.sizes for i in indices])
        self.headers = np.concatenate([i.headers for i in indices])
        self.keys = [key for i in indices for key in i.keys]
        self.labels = [label for i in indices for label in i.labels]

    def path(self, index: int) -> str:
        """Path of the tar and the member inside it."""
        return f"{self.paths[self.shards[index]]}/{self.keys[index]}"

    def read(self, index: int) -> bytes:
        """The member's bytes; safe from several threads at once."""
        size = int(self.sizes[index])
        if size > MOST_BYTES:
            raise UnreadableImageError(self.path(index), f"more than {MOST_BYTES >> 30} GiB")
        with self._opened(index) as file:
            data = file.read(size)
        if len(data) < size:
            raise UnreadableImageError(self.path(index), "the tar file ends inside it")
        return data

    def sample(self, index: int) -> bytes:
        """A digest of some of the member's bytes, the same for equal members."""
        with self._opened(index) as file:
            return sampled(file, file.tell(), int(self.sizes[index]))

    def _opened(self, index: int) -> BinaryIO:
        """The tar, at the member's first byte, if the member is still the one in the index."""
        try:
            file = open_regular(self.paths[self.shards[index]])
        except OSError as error:
            raise UnreadableImageError(self.path(index), error.strerror or str(error)) from error
        file.seek(int(self.offsets[index]) - HEADER)
        if zlib.crc32(file.read(HEADER)) != self.headers[index]:
            file.close()
            reason = "the tar file has changed since it was opened"
            raise UnreadableImageError(self.path(index), reason)
        return file


def check_not_compressed(path: Path) -> None:
    """Raises ``InputError`` for an archive whose members cannot be read where they lie."""
    if path.suffix.lower() in COMPRESSED:
        raise InputError(
            f"{path} is compressed, and its pictures cannot be read one by one: unpack it first, "
            f"into a .tar or a folder"
        )


class _Index(NamedTuple):
    """Pictures of a tar by name; ``headers`` are checksums of what stands before each."""

    keys: list[str]
    labels: list[str]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    headers: npt.NDArray[np.uint32]


def _index(path: Path) -> _Index:
    try:
        stamp = f"{path.resolve()}|{identity(path)}|2"
    except OSError as error:
        raise InputError(f"{path}: not a readable tar file ({error.strerror})") from error
    name = hashlib.sha256(stamp.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    try:
        cached = cache_folder() / "tar" / f"{name}.npz"
    except InputError:  # no home: then without a cache
        return _read_index(path)
    if (index := _cached(cached)) is None:
        index = _read_index(path)
        with suppress(InputError):  # a cache is never necessary
            _store(cached, index)
    return index


def _cached(path: Path) -> _Index | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = json.loads(arrays["names"].tobytes())
            return _Index(*names, *(arrays[column] for column in _Index._fields[2:]))
    except (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error):
        return None


def _store(path: Path, index: _Index) -> None:
    columns = index._asdict()
    names = json.dumps([columns.pop("keys"), columns.pop("labels")]).encode()
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, names=np.frombuffer(names, np.uint8), **columns)


def _read_index(path: Path) -> _Index:
    try:
        with open_regular(path) as file:
            return _read_members(file)
    except BROKEN as error:
        told = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a readable tar file ({told})") from error


def _bounded(length: int) -> type[tarfile.TarInfo]:
    """Members that claim no more than a file holds, and lead forwards in it."""

    class Member(tarfile.TarInfo):
        def _block(self, count: int) -> int:
            if not 0 <= count <= length:
                raise tarfile.HeaderError(f"a member claims {count:,} bytes")
            return super()._block(count)  # type: ignore[misc, no-any-return]

    return Member


def _read_members(file: BinaryIO) -> _Index:
    pictures: dict[str, tuple[int, int, int]] = {}  # of two members of a name the last one counts
    labels: dict[str, str] = {}
    length = file.seek(0, 2)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:", tarinfo=_bounded(length)) as tar:
        for member in tar:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
            name = member.name.removeprefix("./")
            wanted = is_picture(name) or name.endswith(LABEL_ENDINGS)
            if not wanted or not member.isreg() or member.issparse():  # those may claim any size
                continue
            start, size = member.offset_data, member.size
            if is_picture(name):
                file.seek(start - HEADER)
                pictures[name] = (start, size, zlib.crc32(file.read(HEADER)))
            else:
                file.seek(start)
                _note_label(labels, name, file.read(min(size, MOST_LABEL)))
        file.seek(tar.offset)
        if file.read(HEADER).strip(b"\0"):  # where tarfile would end without a word
            raise tarfile.ReadError(f"a broken header at byte {tar.offset:,}")
    keys = sorted(pictures)
    numbers = np.array([pictures[key] for key in keys], np.int64).reshape(-1, 3)
    beside = [next((labels[s] for s in _stems(key) if s in labels), "") for key in keys]
    return _Index(keys, beside, numbers[:, 0], numbers[:, 1], numbers[:, 2].astype(np.uint32))


def _note_label(labels: dict[str, str], name: str, data: bytes) -> None:
    stem, _, ending = name.rpartition(".")
    if ending == "cls":
        labels[stem] = data.decode("utf-8", "replace").strip()
    elif stem not in labels and (label := _json_label(data)):
        labels[stem] = label


def _json_label(data: bytes) -> str:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    found = [value[k] for k in LABEL_KEYS if k in value] if isinstance(value, dict) else []
    label = found[0] if found and not isinstance(found[0], bool) else ""
    text = str(label) if isinstance(label, int | float | str) else ""
    return text.encode("utf-8", "replace").decode().strip()


def _stems(key: str) -> Iterator[str]:
    """A member's name without one ending, two, and so on."""
    folder, slash, name = key.rpartition("/")
    while "." in name:
        name = name.rpartition(".")[0]
        yield f"{folder}{slash}{name}"


def without_common_folder(keys: Iterable[str]) -> list[str]:
    """Paths inside the folder that everything lies in, as where a whole folder was packed."""
    names = [key.lstrip("/") for key in keys]
    while names and all(name.count("/") > 1 for name in names):
        firsts = {name.partition("/")[0] for name in names}
        if len(firsts) > 1 or split_of(firsts.pop()):
            break
        names = [name.partition("/")[2] for name in names]
    return names

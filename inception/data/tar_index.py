"""Where pictures and labels stand inside a tar: read once, cached, or told by a file beside it."""

from __future__ import annotations

import hashlib
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from inception.data.listing import is_picture
from inception.errors import InputError
from inception.files import cache_folder, identity, open_regular, read_bytes, replacing
from inception.remote import Place, Remote

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


class TarIndex(NamedTuple):
    """Pictures of a tar by name; ``headers`` are checksums of what stands before each."""

    keys: list[str]
    labels: list[str]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    headers: npt.NDArray[np.uint32]


def tar_index(path: Place) -> TarIndex:
    """The index of a tar: what ``data pack`` wrote beside it, a cached one, or read and cached.

    Raises:
        InputError: it is no tar, or cannot be read.
    """
    try:
        if (index := _beside(path)) is not None:
            return index
        stamp = f"{path.resolve()}|{identity(path)}|2"
    except OSError as error:
        told = error.strerror or error
        raise InputError(f"{path}: not a readable tar file ({told})") from error
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


def _beside(path: Place) -> TarIndex | None:
    """What the ``.json`` of that name says, where it is an index of a tar of just this size."""
    try:
        told = json.loads(read_bytes(path.with_suffix(".json")))
        size = path.size() if isinstance(path, Remote) else path.stat().st_size
        if told["bytes"] != size or not told["plan"]:
            return None
        names = [list(map(_text, told[column])) for column in ("keys", "labels")]
        numbers = [np.array(told[column], np.int64) for column in ("offsets", "sizes", "headers")]
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    offsets, sizes, headers = numbers
    shapes = {(len(column),) for column in names} | {column.shape for column in numbers}
    if len(shapes) > 1 or ((offsets < HEADER) | (sizes < 0) | (offsets > size - sizes)).any():
        return None
    if ((headers < 0) | (headers >= 2**32)).any():
        return None
    return TarIndex(names[0], names[1], offsets, sizes, headers.astype(np.uint32))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a name must be text")
    return value


def _cached(path: Path) -> TarIndex | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = json.loads(arrays["names"].tobytes())
            return TarIndex(*names, *(arrays[column] for column in TarIndex._fields[2:]))
    except (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error):
        return None


def _store(path: Path, index: TarIndex) -> None:
    columns = index._asdict()
    names = json.dumps([columns.pop("keys"), columns.pop("labels")]).encode()
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, names=np.frombuffer(names, np.uint8), **columns)


def _read_index(path: Place) -> TarIndex:
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


def _read_members(file: BinaryIO) -> TarIndex:
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
    return TarIndex(keys, beside, numbers[:, 0], numbers[:, 1], numbers[:, 2].astype(np.uint32))


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

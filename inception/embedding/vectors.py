"""Files of vectors: ``.parquet``, or ``.npy`` with what they are of in a ``.json`` beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from inception.embedding.embed import Embedded, none_readable
from inception.errors import InputError, not_installed
from inception.files import open_regular, read_text, replacing, write_text
from inception.runtime import Floats
from inception.text import json_text

ENDINGS = (".parquet", ".npy")
KEY = b"inception"  # of a parquet file's metadata
ROWS = 4096  # vectors written at once


@dataclass(frozen=True)
class Kind:
    """What vectors are of: only those of one kind may be compared.

    Attributes:
        model: as it was given.
        stage: the classifier's view where none.
        digest: ``Embedder.digest``.
    """

    model: str
    stage: str | None
    digest: str


@dataclass(frozen=True)
class Vectors:
    """A file of vectors.

    Attributes:
        paths: of the pictures; their numbers, where the file does not say.
        values: ``[N, features]``, float32.
        kind: nothing where the file does not say.
    """

    paths: tuple[str, ...]
    values: Floats
    kind: Kind | None


@dataclass(frozen=True)
class Written:
    """What went into a file: how many vectors, how long each; path and reason of the unreadable."""

    vectors: int
    features: int
    unreadable: tuple[tuple[str, str], ...]


def check_ending(path: Path) -> None:
    """Raises ``InputError`` for a file that vectors are not kept in, or a missing package."""
    if path.suffix not in ENDINGS:
        raise InputError(f"vectors are kept in {' or '.join(ENDINGS)}; got {path}")
    if path.suffix == ".parquet":
        _pyarrow()


def write_vectors(path: Path, stream: Iterable[Embedded], kind: Kind) -> Written:
    """Writes a stream as it comes, in bounded memory but for the paths of an ``.npy``.

    Raises:
        InputError: another ending, a place that cannot be written to, or no picture was readable.
    """
    check_ending(path)
    unreadable: list[tuple[str, str]] = []
    count, features = 0, 0
    with replacing(path) as beside, _WRITERS[path.suffix](path, beside, kind) as writer:
        readable = _readable(stream, unreadable)
        while batch := list(islice(readable, ROWS)):
            paths, values = zip(*batch, strict=True)
            writer.add(paths, np.stack(values))
            count, features = count + len(batch), len(values[0])
        if not count:
            raise none_readable(unreadable)
    return Written(count, features, tuple(unreadable))


def read_vectors(path: Path) -> Vectors:
    """The vectors of a file, those of an ``.npy`` mapped from it.

    Raises:
        InputError: no such file, or none of vectors.
    """
    check_ending(path)
    if not path.exists():
        raise InputError(f"no such file: {path}; make it: inception embed MODEL PICTURES --out ...")
    vectors = _read_parquet(path) if path.suffix == ".parquet" else _read_npy(path)
    if len(vectors.paths) != len(vectors.values):
        raise InputError(f"{path}: {len(vectors.values)} vectors, but {len(vectors.paths)} names")
    return vectors


def check_kind(vectors: Vectors, digest: str, path: Path, model: str) -> None:
    """Raises ``InputError`` where vectors say that another model or stage made them."""
    if vectors.kind is not None and vectors.kind.digest != digest:
        raise InputError(
            f"{path} is of {vectors.kind.model}, whose vectors say nothing of {model}'s: they come "
            "from other weights, or another preprocessing"
        )


def _readable(
    stream: Iterable[Embedded], unreadable: list[tuple[str, str]]
) -> Iterator[tuple[str, Floats]]:
    for one in stream:
        if one.vector is None:
            unreadable.append((one.path, one.error or ""))
        else:
            yield one.path, one.vector


class _Writer(Protocol):
    def add(self, paths: Iterable[str], values: Floats) -> None: ...


class _NpyWriter:
    """Numpy's own form; its header has room for the number of rows, which comes last."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.paths: list[str] = []
        self.width = 0

    def add(self, paths: Iterable[str], values: Floats) -> None:
        if not self.paths:
            self.width = values.shape[1]
            self.write_header()
        self.paths += paths
        self.file.write(np.ascontiguousarray(values, "<f4").tobytes())

    def write_header(self) -> None:
        shape = (len(self.paths), self.width)
        header: Any = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)


@contextmanager
def _npy(path: Path, beside: Path, kind: Kind) -> Iterator[_Writer]:
    with beside.open("wb") as file:
        writer = _NpyWriter(file)
        yield writer
        file.seek(0)
        writer.write_header()
    values = {**kind.__dict__, "paths": writer.paths}
    write_text(path.with_suffix(".json"), json_text(values, indent=1) + "\n")


class _ParquetWriter:
    def __init__(self, beside: Path, kind: Kind) -> None:
        self.arrow = _pyarrow()
        self.beside, self.kind = beside, kind
        self.file: Any = None

    def add(self, paths: Iterable[str], values: Floats) -> None:
        pa = self.arrow
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        columns = {
            "path": pa.array([_letters(path) for path in paths], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, values.shape[1]),
        }
        table = pa.table(columns)
        table = table.replace_schema_metadata({KEY: json.dumps(self.kind.__dict__).encode()})
        if self.file is None:
            self.file = pa.parquet.ParquetWriter(self.beside, table.schema)
        self.file.write_table(table)


@contextmanager
def _parquet(path: Path, beside: Path, kind: Kind) -> Iterator[_Writer]:
    writer = _ParquetWriter(beside, kind)
    try:
        yield writer
    finally:
        if writer.file is not None:
            writer.file.close()


_WRITERS = {".npy": _npy, ".parquet": _parquet}


def _read_npy(path: Path) -> Vectors:
    try:
        open_regular(path).close()
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise _none_of_vectors(path, error) from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        raise InputError(f"{path}: vectors are real numbers [N, features]; got {_form(values)}")
    about = path.with_suffix(".json")
    if not about.exists():
        return Vectors(tuple(map(str, range(len(values)))), _float32(values), None)
    try:
        told = json.loads(read_text(about))
        paths = tuple(map(str, told["paths"]))
        return Vectors(paths, _float32(values), _kind(told))
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{about} does not say what is in {path}: {error!r}") from error


def _read_parquet(path: Path) -> Vectors:
    pa = _pyarrow()
    try:
        open_regular(path).close()
        table = pa.parquet.read_table(path, columns=["path", "vector"])
        about = (table.schema.metadata or {}).get(KEY)
        column = table["vector"].combine_chunks()
        width = column.type.list_size
        values = np.asarray(column.flatten(), np.float32).reshape(-1, width)
        kind = _kind(json.loads(about)) if about else None
        return Vectors(tuple(map(str, table["path"].to_pylist())), values, kind)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError) as error:
        raise _none_of_vectors(path, error) from error


def _kind(told: dict[str, Any]) -> Kind:
    return Kind(str(told["model"]), told["stage"], str(told["digest"]))


def _float32(values: Any) -> Floats:
    made: Floats = np.asarray(values, np.float32)
    return made


def _form(values: Any) -> str:
    return f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "no array"


def _letters(path: str) -> str:
    """The path with bytes that are no UTF-8 written out: Arrow keeps no others."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _none_of_vectors(path: Path, error: BaseException) -> InputError:
    told = " ".join(str(error).split())[:200]
    return InputError(f"{path}: not a file of vectors ({told})")


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise not_installed("pyarrow") from error
    return pyarrow

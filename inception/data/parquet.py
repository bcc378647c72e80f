"""Pictures and labels in parquet files, in the Hugging Face layout."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from inception.data.blocks import MEMORY, Held, blocks_within
from inception.data.images import UnreadableImageError
from inception.errors import InputError, not_installed
from inception.files import open_regular
from inception.remote import Place, Remote

BROKEN = (  # what pyarrow raises on hostile bytes; its own errors are of these kinds too
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
)


class ParquetSource:
    """Pictures in the column ``image.bytes`` of parquet files, in the Hugging Face layout.

    Row groups are read when first needed and the latest ones kept, up to ``memory`` bytes, so
    that a set that fits is read once and a larger one still works.

    Attributes:
        labels: the column ``label``.
        class_names: those that the file's own description lists, if it does.
        blocks: its row groups, where they are more than fit.
    """

    def __init__(self, paths: Sequence[Place], *, memory: int = MEMORY) -> None:
        parquet = _pyarrow_parquet()
        self.paths = paths
        self.labels: list[int | str] = []
        self.class_names: list[str] = []
        self._descriptions: list[Any] = []  # of each file
        self._first_rows: list[int] = []
        self._places: list[tuple[int, int]] = []  # of each row group, its file and number in that
        self._starts: list[int] = []  # its first row
        self._sizes: list[int] = []  # its bytes
        for path in paths:
            with _open_parquet(parquet, path) as file:
                self._add(path, file)
        self.keys = [str(row) for row in range(len(self.labels))]
        self._held = Held(self._read_group, lambda group: int(group.nbytes), memory=memory)
        rows = np.diff(np.array([*self._starts, len(self.labels)]))
        numbers = np.repeat(np.arange(len(rows)), rows)
        self.blocks = blocks_within(numbers, np.array(self._sizes, np.int64), memory)

    def _add(self, path: Place, file: Any) -> None:
        labels = _parquet_labels(file, path)
        groups = [file.metadata.row_group(g) for g in range(file.num_row_groups)]
        counts = [group.num_rows for group in groups]
        if sum(counts) != len(labels) or min(counts, default=0) < 0:
            raise InputError(f"{path}: not a readable parquet file (it contradicts itself)")
        self.class_names = self.class_names or _described_classes(file, path)
        self._first_rows.append(len(self.labels))
        self._places += [(len(self._descriptions), group) for group in range(len(groups))]
        self._starts += list(accumulate(counts[:-1], initial=len(self.labels)))[: len(counts)]
        self._sizes += [max(0, group.total_byte_size) for group in groups]
        self._descriptions.append(file.metadata)
        self.labels += labels

    def path(self, index: int) -> str:
        """Path of the file and the row in it."""
        file = bisect_right(self._first_rows, index) - 1
        return f"{self.paths[file]}, row {index - self._first_rows[file]}"

    def expect(self, block: int) -> None:
        """Begins to read a row group."""
        self._held.expect(block)

    def read(self, index: int) -> bytes:
        """The picture's bytes; safe from several threads at once."""
        group = bisect_right(self._starts, index) - 1
        try:
            data = self._held.get(group)[index - self._starts[group]].as_py()
        except BROKEN as error:
            reason = "the file is broken: " + " ".join(str(error).split())
            raise UnreadableImageError(self.path(index), reason) from error
        if not isinstance(data, bytes) or not data:
            raise UnreadableImageError(self.path(index), "the row has no picture")
        return data

    def sample(self, index: int) -> bytes:
        """A digest of the picture's bytes."""
        return hashlib.sha256(self.read(index)).digest()

    def _read_group(self, number: int) -> Any:
        file, group = self._places[number]
        described = self._descriptions[file]
        opened = _pyarrow_parquet().ParquetFile(_source(self.paths[file]), metadata=described)
        with opened:  # one a reading: they are not safe from several threads, nor any number open
            images = opened.read_row_group(group, columns=["image.bytes"])["image"]
        return images.combine_chunks().field("bytes")


def _source(path: Place) -> Any:
    """What pyarrow opens."""
    open_regular(path).close()
    return path.open() if isinstance(path, Remote) else path


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise not_installed("pyarrow") from error
    return pyarrow.parquet


def _open_parquet(parquet: Any, path: Place) -> Any:
    try:
        file = parquet.ParquetFile(_source(path))
        schema = file.metadata.schema
        columns = {schema.column(i).path for i in range(len(schema.names))}
    except BROKEN as error:
        raise _unreadable(path, error) from error
    if not {"image.bytes", "label"} <= columns:
        raise InputError(f"{path}: columns image.bytes and label needed, found {sorted(columns)}")
    return file


def _unreadable(path: Place, error: BaseException) -> InputError:
    told = " ".join(str(error).split())[:200]
    return InputError(f"{path}: not a readable parquet file ({told})")


def _parquet_labels(file: Any, path: Place) -> list[int | str]:
    try:
        labels = file.read(columns=["label"])["label"].to_pylist()
    except BROKEN as error:
        raise _unreadable(path, error) from error
    return [_label(value, path, row) for row, value in enumerate(labels)]


def _label(value: Any, path: Place, row: int) -> int | str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise InputError(
            f"{path}, row {row}: a label is a class's name or its number; got {value!r}"
        )
    return value


def _described_classes(file: Any, path: Place) -> list[str]:
    """Class names from the metadata, none where it has no such list."""
    try:
        described = (file.schema_arrow.metadata or {}).get(b"huggingface")
        value = json.loads(described) if described else {}
    except (*BROKEN, RecursionError) as error:
        raise InputError(f"{path}: its huggingface metadata is no JSON") from error
    for key in ("info", "features", "label", "names"):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise InputError(f"{path}: its huggingface metadata lists classes that are no names")
    return value

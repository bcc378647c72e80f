"""Pictures and labels in parquet files, in the Hugging Face layout."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from inception.data.images import UnreadableImageError
from inception.errors import InputError, not_installed
from inception.files import open_regular

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
    """

    def __init__(self, paths: Sequence[Path], *, memory: int = 2**31) -> None:
        parquet = _pyarrow_parquet()
        self.paths = paths
        self.labels: list[int | str] = []
        self.class_names: list[str] = []
        self._memory, self._held = memory, 0
        self._groups: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._files: list[Any] = []
        self._first_rows: list[int] = []  # of each file
        self._places: list[tuple[int, int]] = []  # of each row group, its file and number in that
        self._starts: list[int] = []  # its first row
        for path in paths:
            self._add(path, _open_parquet(parquet, path))
        self.keys = [str(row) for row in range(len(self.labels))]

    def _add(self, path: Path, file: Any) -> None:
        labels = _parquet_labels(file, path)
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        if sum(sizes) != len(labels) or min(sizes, default=0) < 0:
            raise InputError(f"{path}: not a readable parquet file (it contradicts itself)")
        self.class_names = self.class_names or _described_classes(file, path)
        self._first_rows.append(len(self.labels))
        self._places += [(len(self._files), group) for group in range(len(sizes))]
        self._starts += list(accumulate(sizes[:-1], initial=len(self.labels)))[: len(sizes)]
        self._files.append(file)
        self.labels += labels

    def path(self, index: int) -> str:
        """Path of the file and the row in it."""
        file = bisect_right(self._first_rows, index) - 1
        return f"{self.paths[file]}, row {index - self._first_rows[file]}"

    def read(self, index: int) -> bytes:
        """The picture's bytes; safe from several threads at once."""
        group = bisect_right(self._starts, index) - 1
        try:
            with self._lock:
                data = self._group(group)[index - self._starts[group]].as_py()
        except BROKEN as error:
            reason = "the file is broken: " + " ".join(str(error).split())
            raise UnreadableImageError(self.path(index), reason) from error
        if not isinstance(data, bytes) or not data:
            raise UnreadableImageError(self.path(index), "the row has no picture")
        return data

    def sample(self, index: int) -> bytes:
        """A digest of the picture's bytes."""
        return hashlib.sha256(self.read(index)).digest()

    def _group(self, group: int) -> Any:
        if group not in self._groups:
            file, row_group = self._places[group]
            images = self._files[file].read_row_group(row_group, columns=["image.bytes"])["image"]
            self._groups[group] = images.combine_chunks().field("bytes")
            self._held += self._groups[group].nbytes
            while self._held > self._memory and len(self._groups) > 1:
                self._held -= self._groups.popitem(last=False)[1].nbytes
        self._groups.move_to_end(group)
        return self._groups[group]


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise not_installed("pyarrow") from error
    return pyarrow.parquet


def _open_parquet(parquet: Any, path: Path) -> Any:
    try:
        open_regular(path).close()
        file = parquet.ParquetFile(path)
        schema = file.metadata.schema
        columns = {schema.column(i).path for i in range(len(schema.names))}
    except BROKEN as error:
        raise _unreadable(path, error) from error
    if not {"image.bytes", "label"} <= columns:
        raise InputError(f"{path}: columns image.bytes and label needed, found {sorted(columns)}")
    return file


def _unreadable(path: Path, error: BaseException) -> InputError:
    told = " ".join(str(error).split())[:200]
    return InputError(f"{path}: not a readable parquet file ({told})")


def _parquet_labels(file: Any, path: Path) -> list[int | str]:
    try:
        labels = file.read(columns=["label"])["label"].to_pylist()
    except BROKEN as error:
        raise _unreadable(path, error) from error
    return [_label(value, path, row) for row, value in enumerate(labels)]


def _label(value: Any, path: Path, row: int) -> int | str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise InputError(
            f"{path}, row {row}: a label is a class's name or its number; got {value!r}"
        )
    return value


def _described_classes(file: Any, path: Path) -> list[str]:
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

"""Where encoded pictures lie: folders, tars, parquet. Labels and splits are in ``datasets``."""

from __future__ import annotations

import hashlib
import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from inception.data.images import EXTENSIONS, UnreadableImageError
from inception.errors import InputError, not_installed
from inception.files import cache_folder, replacing


class Source(Protocol):
    """Numbered encoded pictures, each with a key that names it among the others."""

    @property
    def keys(self) -> Sequence[str]:
        """What names each picture, whatever the machine."""

    def path(self, index: int) -> str:
        """Where the picture lies, for messages."""

    def read(self, index: int) -> bytes:
        """The encoded picture. Raises ``UnreadableImageError``."""


class FolderSource:
    """Files below a folder; a key is a file's path relative to it, with ``/``."""

    def __init__(self, root: Path, keys: Sequence[str]) -> None:
        self.root = root
        self.keys: Sequence[str] = keys

    def path(self, index: int) -> str:
        """Path of the file."""
        return str(self.root / self.keys[index])

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        path = self.root / self.keys[index]
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnreadableImageError(str(path), error.strerror or str(error)) from error
        except ValueError as error:  # a NUL in the name, from a CSV
            raise UnreadableImageError(str(path), str(error)) from error


def list_pictures(folder: Path) -> list[str]:
    """Pictures below ``folder`` by file ending, sorted, hidden files and folders left out."""
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = Path(place).relative_to(folder)
        found += [(relative / name).as_posix() for name in files if is_picture(name)]
    return sorted(found)


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does and is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


class TarSource:
    """Pictures inside tar files, read in place. The index of a tar is made once and cached.

    Attributes:
        labels: text of ``key.cls`` beside each ``key.jpg``, empty where there is none.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        indices = [_tar_index(path) for path in paths]
        self.shards = np.repeat(np.arange(len(paths)), [len(i["keys"]) for i in indices])
        self.offsets = np.concatenate([i["offsets"] for i in indices])
        self.sizes = np.concatenate([i["sizes"] for i in indices])
        self.keys = [str(key) for i in indices for key in i["keys"]]
        self.labels = [str(label) for i in indices for label in i["labels"]]

    def path(self, index: int) -> str:
        """Path of the tar and the member inside it."""
        return f"{self.paths[self.shards[index]]}/{self.keys[index]}"

    def read(self, index: int) -> bytes:
        """The member's bytes; safe from several threads at once."""
        with self.paths[self.shards[index]].open("rb") as file:
            file.seek(int(self.offsets[index]))
            data: bytes = file.read(int(self.sizes[index]))
        if len(data) < self.sizes[index]:
            raise UnreadableImageError(self.path(index), "the tar file ends inside it")
        return data


def _tar_index(path: Path) -> dict[str, Any]:
    try:
        stat = path.stat()
        stamp = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|1"
        name = hashlib.sha256(stamp.encode()).hexdigest()[:32]
        cached = cache_folder() / "tar" / f"{name}.npz"
        if not cached.exists():
            columns = _read_tar_index(path)
            with replacing(cached) as beside, beside.open("wb") as file:
                np.savez(file, **columns)
        with np.load(cached, allow_pickle=False) as arrays:
            return dict(arrays)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a readable tar file ({error})") from error


def _read_tar_index(path: Path) -> dict[str, Any]:
    rows: list[tuple[str, int, int]] = []
    labels: dict[str, str] = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if not member.isreg() or member.issparse():  # a sparse one may claim any size
                continue
            if is_picture(member.name):
                rows.append((member.name, member.offset_data, member.size))
            elif member.name.endswith(".cls") and (file := tar.extractfile(member)):
                text = file.read(4096).decode("utf-8", "replace").strip()
                labels[_sample(member.name)] = text
    rows.sort()
    return {
        "keys": np.array([row[0] for row in rows], dtype=np.str_),
        "offsets": np.array([row[1] for row in rows], dtype=np.int64),
        "sizes": np.array([row[2] for row in rows], dtype=np.int64),
        "labels": np.array([labels.get(_sample(row[0]), "") for row in rows], dtype=np.str_),
    }


def _sample(name: str) -> str:
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.split('.')[0]}"


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
        self._places: list[tuple[int, int]] = []
        starts = [0]
        for path in paths:
            file = _open_parquet(parquet, path)
            self.labels += _parquet_labels(file, path)
            self.class_names = self.class_names or _described_classes(file)
            for group in range(file.num_row_groups):
                self._places.append((len(self._files), group))
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
            self._files.append(file)
        self._starts = np.array(starts)
        self.keys = [str(row) for row in range(starts[-1])]

    def path(self, index: int) -> str:
        """Path of the file and the row in it."""
        file, _ = self._places[int(np.searchsorted(self._starts, index, side="right")) - 1]
        start = int(self._starts[self._places.index((file, 0))])
        return f"{self.paths[file]}, row {index - start}"

    def read(self, index: int) -> bytes:
        """The picture's bytes; safe from several threads at once."""
        group = int(np.searchsorted(self._starts, index, side="right")) - 1
        try:
            with self._lock:
                data = self._group(group)[index - int(self._starts[group])].as_py()
        except (OSError, ValueError) as error:
            reason = "the file is broken: " + " ".join(str(error).split())
            raise UnreadableImageError(self.path(index), reason) from error
        if not isinstance(data, bytes) or not data:
            raise UnreadableImageError(self.path(index), "the row has no picture")
        return data

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
        file = parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable parquet file ({error})") from error
    schema = file.metadata.schema
    columns = {schema.column(i).path for i in range(len(schema.names))}
    if not {"image.bytes", "label"} <= columns:
        raise InputError(f"{path}: columns image.bytes and label needed, found {sorted(columns)}")
    return file


def _parquet_labels(file: Any, path: Path) -> list[int | str]:
    try:
        labels: list[int | str] = file.read(columns=["label"])["label"].to_pylist()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable parquet file ({error})") from error
    return labels


def _described_classes(file: Any) -> list[str]:
    import json

    described = (file.schema_arrow.metadata or {}).get(b"huggingface")
    if not described:
        return []
    features = json.loads(described).get("info", {}).get("features", {})
    return list(features.get("label", {}).get("names") or [])


def pictures_at(place: Path) -> Iterator[tuple[Source, int]]:
    """Every picture of a file, a folder or a tar; one that is missing cannot be read later.

    Raises:
        InputError: no pictures in the folder or tar.
    """
    if place.is_dir():
        source: Source = FolderSource(place, list_pictures(place))
    elif place.suffix == ".tar":
        source = TarSource([place])
    else:
        source = FolderSource(place.parent, [place.name])
    if not source.keys:
        raise InputError(f"no pictures in {place}: looked for {', '.join(sorted(EXTENSIONS))}")
    yield from ((source, index) for index in range(len(source.keys)))

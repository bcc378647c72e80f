"""Labelled pictures: a folder, tar shards, parquet or a CSV, as splits that share their classes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.sources import (
    FolderSource,
    ParquetSource,
    Source,
    TarSource,
    list_pictures,
)
from inception.errors import InputError, unknown
from inception.machine import available_cores

SPLITS = {  # the names a split goes by
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
VAL_SHARE = 0.1  # held out where there is no validation set
DIGESTED = 20_000  # pictures whose bytes a set's digest reads: seconds
MOST_CLASSES = 1_000_000  # a higher number is no class but a mistake, and would fill the memory


@dataclass(frozen=True)
class Dataset:
    """One split: numbered pictures with labels.

    Attributes:
        labels: ``[N]`` class indices, int64.
        rows: ``[N]`` where each picture stands in ``source``.
    """

    name: str
    source: Source
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def key(self, index: int) -> str:
        """What names the picture among the others, whatever the machine."""
        return self.source.keys[int(self.rows[index])]

    def path(self, index: int) -> str:
        """Where the picture lies, for messages."""
        return self.source.path(int(self.rows[index]))

    def encoded(self, index: int) -> bytes:
        """The picture's bytes as stored. Raises ``UnreadableImageError``."""
        return self.source.read(int(self.rows[index]))

    def read(self, index: int) -> Picture:
        """The picture, ``uint8 [H, W, 3]``. Raises ``UnreadableImageError``."""
        return read_image(self.encoded(index), name=self.path(index))

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64], name: str) -> Dataset:
        """The chosen pictures, by mask or by index."""
        return replace(self, name=name, labels=self.labels[chosen], rows=self.rows[chosen])

    def limited(self, limit: int | None, seed: int = 0) -> Dataset:
        """At most ``limit`` pictures, drawn by ``seed``, in their old order."""
        if limit is None or limit >= len(self):
            return self
        if limit < 1:
            raise InputError(f"a limit must be at least 1 picture; got {limit}")
        drawn = np.random.default_rng(seed).permutation(len(self))[:limit]
        return self.subset(np.sort(drawn), self.name)

    def with_classes(self, classes: Sequence[str]) -> Dataset:
        """The same pictures with labels in the order of ``classes``, a model's for example.

        Raises:
            InputError: a class of this set is not among them.
        """
        places = {name: i for i, name in enumerate(classes)}
        present = [self.classes[i] for i in np.unique(self.labels)]
        strange = [name for name in present if name not in places]
        if strange:
            raise InputError(
                f"the {self.name} set has classes the model does not know: {_some(strange)}; "
                f"the model's are: {_some(classes)}"
            )
        order = np.array([places.get(name, -1) for name in self.classes], dtype=np.int64)
        return replace(self, classes=tuple(classes), labels=order[self.labels])

    def fingerprint(self) -> str:
        """A hash of keys, labels and classes, in order."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for row, label in zip(self.rows, self.labels, strict=True):
            digest.update(f"\n{self.source.keys[row]}\t{label}".encode())
        return digest.hexdigest()[:16]

    def digest(self) -> str:
        """A hash of classes, labels, keys and the pictures as stored, in order.

        Of a set of more than ``DIGESTED`` pictures so many, evenly spread, are read.
        """
        digest = hashlib.sha256(self.fingerprint().encode())
        step = max(1, len(self) // DIGESTED)
        with ThreadPoolExecutor(available_cores(), thread_name_prefix="digest") as pool:
            for content in pool.map(self._content, range(0, len(self), step)):
                digest.update(content)
        return digest.hexdigest()[:32]

    def _content(self, index: int) -> bytes:
        try:
            return hashlib.sha256(self.encoded(index)).digest()
        except UnreadableImageError:
            return b"unreadable"


@dataclass(frozen=True)
class Data:
    """What lies at a place: splits by name, ``train``, ``val``, ``test`` or ``all``."""

    place: Path
    classes: tuple[str, ...]
    splits: Mapping[str, Dataset]

    def for_training(self, seed: int) -> tuple[Dataset, Dataset]:
        """The training and the validation set; a tenth is held out where there is no latter.

        A test set is never used to choose. Which pictures are held out depends on ``seed`` and
        their keys alone.

        Raises:
            InputError: no training pictures, or only one class.
        """
        train = self.splits.get("train") or self.splits.get("all")
        if train is None:
            raise InputError(f"no training set in {self.place}: found {_some(self.splits)}")
        if len(self.classes) < 2:
            raise InputError(
                f"training needs at least two classes; {self.place} has {_some(self.classes)}"
            )
        if "val" in self.splits:
            return train, self.splits["val"]
        held = np.array([_held_out(seed, train.key(i)) for i in range(len(train))])
        if held.all() or not held.any():
            raise InputError(f"{self.place} has too few pictures ({len(train)}) to hold some out")
        return train.subset(~held, "train"), train.subset(held, "val")

    def for_evaluation(self, split: str | None = None) -> Dataset:
        """The split of that name; else val, else test, else all there is.

        Raises:
            InputError: no such split.
        """
        if split is not None:
            if split not in self.splits:
                raise unknown("split", split, self.splits)
            return self.splits[split]
        return next(
            self.splits[name] for name in ("val", "test", "all", "train") if name in self.splits
        )


def open_data(place: str | Path) -> Data:
    """Labelled pictures at a folder, a tar, a parquet or a CSV file (README, "Data").

    Raises:
        InputError: nothing there, no pictures, no labels; the message says what was found.
    """
    place = Path(place)
    if not place.exists():
        raise InputError(f"no such file or folder: {place}")
    if place.is_file():
        return _open_file(place)
    for suffix, reader in _READERS.items():
        if found := sorted(place.glob(f"*{suffix}")):
            return _data(place, _shards_by_split(found, reader))
    return _data(place, _folders(place))


@dataclass(frozen=True)
class _Labelled:
    """A source with a label for each picture: a class name, or its number."""

    source: Source
    labels: Sequence[str | int]
    rows: Sequence[int]
    classes: tuple[str, ...] = ()


def _open_file(place: Path) -> Data:
    if place.suffix == ".csv":
        return _data(place, _csv(place))
    if place.suffix in _READERS:
        return _data(place, {"all": _READERS[place.suffix]([place])})
    raise InputError(f"{place}: a data set is a folder, a .tar, a .parquet or a .csv file")


def _tar(paths: Sequence[Path]) -> _Labelled:
    source = TarSource(paths)
    missing = next((i for i, label in enumerate(source.labels) if not label), None)
    if missing is not None:
        raise InputError(f"{source.path(missing)} has no label: key.cls is missing beside it")
    numbers = all(label.isdecimal() for label in source.labels)
    labels: list[str | int] = [int(x) if numbers else x for x in source.labels]
    return _Labelled(source, labels, range(len(labels)))


def _parquet(paths: Sequence[Path]) -> _Labelled:
    source = ParquetSource(paths)
    return _Labelled(source, source.labels, range(len(source.labels)), tuple(source.class_names))


_READERS: dict[str, Callable[[Sequence[Path]], _Labelled]] = {".tar": _tar, ".parquet": _parquet}


def _shards_by_split(
    paths: Sequence[Path], reader: Callable[[Sequence[Path]], _Labelled]
) -> dict[str, _Labelled]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        first = path.name.replace(".", "-").replace("_", "-").split("-")[0]
        groups.setdefault(_split_name(first) or "all", []).append(path)
    return {split: reader(shards) for split, shards in groups.items()}


def _split_name(name: str) -> str | None:
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def _folders(place: Path) -> dict[str, _Labelled]:
    inner = [p for p in sorted(place.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    named = [(split, p) for p in inner if (split := _split_name(p.name))]
    splits = dict(named)
    if "train" in splits or (splits and len(named) == len(inner)):
        if len(splits) < len(named):
            folders = _some([p.name for _, p in named])
            raise InputError(f"{place} has more than one folder for a split: {folders}")
        return {split: _class_folders(place, p) for split, p in splits.items()}
    return {"all": _class_folders(place, place)}


def _class_folders(root: Path, place: Path) -> _Labelled:
    keys = list_pictures(place)
    loose = [key for key in keys if "/" not in key]
    if not keys:
        raise InputError(f"no pictures in {place}; wanted: {place}/<class>/<picture>.jpg")
    if loose:
        raise InputError(
            f"{place / loose[0]} lies in no class folder; wanted: {place}/<class>/<picture>.jpg"
        )
    prefix = place.relative_to(root).as_posix()
    source = FolderSource(root, keys if prefix == "." else [f"{prefix}/{key}" for key in keys])
    return _Labelled(source, [key.split("/")[0] for key in keys], range(len(keys)))


def _csv(place: Path) -> dict[str, _Labelled]:
    rows = _csv_rows(place)
    source = FolderSource(place.parent, [row["path"] for row in rows])
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(_csv_split(place, number, row.get("split")), []).append(number)
    return {
        split: _Labelled(source, [rows[n]["label"] for n in numbers], numbers)
        for split, numbers in groups.items()
    }


def _csv_rows(place: Path) -> list[dict[str, str]]:
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames, list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{place}: not a CSV file in UTF-8 ({error})") from error
    if not {"path", "label"} <= set(columns or ()):
        raise InputError(
            f"{place}: the first line must name the columns path,label[,split]; found {columns}"
        )
    if not rows:
        raise InputError(f"{place}: no pictures listed")
    for number, row in enumerate(rows):
        if not (row["path"] and row["label"]):
            raise InputError(f"{place}, line {number + 2}: a path and a label are needed")
    return rows


def _csv_split(place: Path, number: int, name: str | None) -> str:
    if not name:
        return "all"
    split = _split_name(name)
    if split is None:
        raise InputError(f"{place}, line {number + 2}: split is train, val or test; got {name!r}")
    return split


def _data(place: Path, splits: Mapping[str, _Labelled]) -> Data:
    if "all" in splits and len(splits) > 1:
        raise InputError(f"{place}: some pictures belong to no split; splits are train, val, test")
    if empty := [name for name, split in splits.items() if not split.labels]:
        raise InputError(f"no pictures in {place}, split {empty[0]}")
    classes = _class_names(place, splits)
    return Data(place, classes, {n: _dataset(n, s, classes, place) for n, s in splits.items()})


def _class_names(place: Path, splits: Mapping[str, _Labelled]) -> tuple[str, ...]:
    listed = (place if place.is_dir() else place.parent) / "classes.txt"
    if listed.exists():
        return tuple(
            line.strip() for line in listed.read_text("utf-8").splitlines() if line.strip()
        )
    first = splits.get("train") or next(iter(splits.values()))
    if first.classes:
        return first.classes
    if all(isinstance(label, int) for label in first.labels):
        highest = max(int(label) for label in first.labels)
        if highest >= MOST_CLASSES:
            raise InputError(f"{place}: a label is {highest}; labels are class numbers, from 0")
        return tuple(str(i) for i in range(1 + highest))
    return tuple(sorted({str(label) for label in first.labels}))


def _dataset(name: str, split: _Labelled, classes: tuple[str, ...], place: Path) -> Dataset:
    numbers = {class_name: i for i, class_name in enumerate(classes)}
    labels = [x if isinstance(x, int) else numbers.get(x, -1) for x in split.labels]
    wrong = next((i for i, label in enumerate(labels) if not 0 <= label < len(classes)), None)
    if wrong is not None:
        where = split.source.path(split.rows[wrong])
        raise InputError(
            f"{where} is labelled {split.labels[wrong]!r}; the classes of {place} are: "
            f"{_some(classes)}"
        )
    rows = np.array(split.rows, dtype=np.int64)
    return Dataset(name, split.source, classes, np.array(labels, dtype=np.int64), rows)


def _held_out(seed: int, key: str) -> bool:
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < VAL_SHARE * 2**64


def _some(names: Mapping[str, object] | Sequence[str], most: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

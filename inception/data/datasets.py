"""Labelled pictures: a folder, tar shards, parquet or a CSV, as splits that share their classes."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.holdout import held_out
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.layout import folders_mean
from inception.data.listing import list_folder, number, some
from inception.data.parquet import ParquetSource
from inception.data.sources import FolderSource, Source
from inception.data.splits import split_of_shard
from inception.data.tables import read_table, whole
from inception.data.tars import TarSource, check_not_compressed, without_common_folder
from inception.errors import InputError, unknown
from inception.files import read_text
from inception.machine import available_cores

DIGESTED = 20_000  # pictures whose bytes a set's digest reads: seconds
MOST_CLASSES = 1_000_000  # a higher number is no class but a mistake, and would fill the memory


@dataclass(frozen=True)
class Dataset:
    """One split: numbered pictures with labels.

    Attributes:
        labels: ``[N]`` class indices, int64.
        rows: ``[N]`` where each picture stands in ``source``.
        notes: what was left out or decided where the set was read, a line each.
    """

    name: str
    source: Source
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        classes = reprlib.repr(self.classes)
        return f"Dataset({self.name!r}, {number(len(self), 'picture')}, classes={classes})"

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

    def sample(self, index: int) -> bytes:
        """A digest of the picture's size and some of its bytes: equal where pictures are."""
        try:
            return self.source.sample(int(self.rows[index]))
        except UnreadableImageError:  # told when it is read
            return f"unreadable {self.key(index)}".encode("utf-8", "surrogatepass")

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
        digest = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogatepass"))
        for row, label in zip(self.rows, self.labels, strict=True):
            line = f"\n{self.source.keys[row]}\t{label}"
            digest.update(line.encode("utf-8", "surrogatepass"))
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
    """What lies at a place: splits by name, ``train``, ``val``, ``test`` or ``all``.

    Attributes:
        notes: what was left out, a line each.
    """

    place: Path
    classes: tuple[str, ...]
    splits: Mapping[str, Dataset]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Data({str(self.place)!r}, {list(self.splits.values())})"

    def for_training(self, seed: int) -> tuple[Dataset, Dataset]:
        """The training and the validation set; a tenth is held out where there is no latter.

        A test set is never used to choose. What is held out: ``holdout.held_out``.

        Raises:
            InputError: no training pictures, or only one class.
        """
        train = self.splits.get("train") or self.splits.get("all")
        if train is None:
            raise InputError(
                f"no training set in {self.place}: found {_some(self.splits)}"
                + "".join(f"; {note}" for note in self.notes)
            )
        if len(self.classes) < 2:
            raise InputError(
                f"training needs at least two classes; {self.place} has {_some(self.classes)}"
            )
        if "val" in self.splits:
            return replace(train, notes=self.notes), self.splits["val"]
        held = held_out(train.labels, [train.sample(i) for i in range(len(train))], seed)
        if not held.any():
            raise InputError(
                f"{self.place} has too few pictures ({len(train)}) to hold some out: each class "
                f"has only one, or copies of one"
            )
        notes = (*self.notes, *_holdout_notes(train, held))
        return replace(train.subset(~held, "train"), notes=notes), train.subset(held, "val")

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
    if not place.is_dir():
        return _open_file(place)
    for suffix, reader in _READERS.items():
        if found := sorted(place.glob(f"*{suffix}")):
            return _data(place, _shards_by_split(found, reader))
    return _folders(place)


def _holdout_notes(train: Dataset, held: npt.NDArray[np.bool_]) -> list[str]:
    lines = [f"no validation set: {number(int(held.sum()), 'picture')} of {len(train):,} held out"]
    missing = np.setdiff1d(train.labels[~held], train.labels[held])
    if len(missing):
        names = some([train.classes[i] for i in missing], 4)
        lines.append(f"nothing held out of {number(len(missing), 'class')}, too small: {names}")
    return lines


@dataclass(frozen=True)
class _Labelled:
    """A source with a label for each picture: a class name, or its number."""

    source: Source
    labels: Sequence[str | int]
    rows: Sequence[int]
    classes: tuple[str, ...] = ()


_Reader = Callable[[Sequence[Path]], dict[str, _Labelled]]


def _open_file(place: Path) -> Data:
    if place.suffix == ".csv":
        return _data(place, _csv(place))
    if place.suffix in _READERS:
        return _data(place, _READERS[place.suffix]([place]))
    check_not_compressed(place)
    raise InputError(f"{place}: a data set is a folder, a .tar, a .parquet or a .csv file")


def _tar(paths: Sequence[Path]) -> dict[str, _Labelled]:
    source = TarSource(paths)
    if source.keys and not any(source.labels):
        return _tar_folders(paths[0], source)
    missing = next((i for i, label in enumerate(source.labels) if not label), None)
    if missing is not None:
        raise InputError(f"{source.path(missing)} has no label: key.cls is missing beside it")
    numbers = [number for label in source.labels if (number := whole(label)) is not None]
    labels = numbers if len(numbers) == len(source.labels) else source.labels
    return {"all": _Labelled(source, labels, range(len(labels)))}


def _tar_folders(place: Path, source: TarSource) -> dict[str, _Labelled]:
    names = without_common_folder(source.keys)
    loose = next((i for i, name in enumerate(names) if "/" not in name), None)
    if loose is not None:
        raise InputError(f"{source.path(loose)} has no label: key.cls is missing beside it")
    layout = folders_mean(place, names, classes=_listed_classes(place) or ())
    return {
        split: _Labelled(source, [layout.labels[row] for row in rows], rows)
        for split, rows in layout.rows.items()
    }


def _parquet(paths: Sequence[Path]) -> dict[str, _Labelled]:
    source = ParquetSource(paths)
    rows = range(len(source.labels))
    return {"all": _Labelled(source, source.labels, rows, tuple(source.class_names))}


_READERS: dict[str, _Reader] = {".tar": _tar, ".parquet": _parquet}


def _shards_by_split(paths: Sequence[Path], reader: _Reader) -> dict[str, _Labelled]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(split_of_shard(path.name) or "all", []).append(path)
    splits: dict[str, _Labelled] = {}
    for split, shards in groups.items():
        found = reader(shards)
        if split == "all" and len(groups) == 1:
            return found
        if set(found) - {"all", split}:
            raise InputError(f"{shards[0]} is of one split by its name, of others by its folders")
        splits[split] = found.get(split) or found["all"]
    return splits


def _folders(place: Path) -> Data:
    listing = list_folder(place)
    told = listing.left_out()
    if not listing.keys:
        there = f" ({'; '.join(told)})" if told else ""
        raise InputError(f"no pictures in {place}; wanted: {place}/<class>/<picture>.jpg{there}")
    named = _listed_classes(place) or ()
    layout = folders_mean(place, listing.keys, classes=named, empty=listing.empty)
    source = FolderSource(place, listing.keys)
    splits = {
        split: _Labelled(source, [layout.labels[row] for row in rows], rows)
        for split, rows in layout.rows.items()
    }
    told = layout.left_out + told
    notes = [f"left out: {'; '.join(told)}"] if told else []
    if listing.outward:
        leads = "leads" if listing.outward == 1 else "lead"
        notes.append(f"{number(listing.outward, 'link')} {leads} out of {place}")
    return replace(_data(place, splits), notes=tuple(notes))


def _csv(place: Path) -> dict[str, _Labelled]:
    rows = read_table(place)
    source = FolderSource(place.parent, [row.path for row in rows])
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.split or "all", []).append(at)
    return {
        split: _Labelled(source, [rows[n].label for n in numbers], numbers)
        for split, numbers in groups.items()
    }


def _data(place: Path, splits: Mapping[str, _Labelled]) -> Data:
    if "all" in splits and len(splits) > 1:
        raise InputError(f"{place}: some pictures belong to no split; splits are train, val, test")
    if empty := [name for name, split in splits.items() if not split.labels]:
        split = "" if empty[0] == "all" else f", split {empty[0]}"
        raise InputError(f"no pictures in {place}{split}")
    listed = _listed_classes(place)
    classes = listed or _class_names(place, splits)
    return Data(
        place, classes, {n: _dataset(n, s, classes, place, listed) for n, s in splits.items()}
    )


def _listed_classes(place: Path) -> tuple[str, ...] | None:
    """The names in ``classes.txt``, in order, where there is one."""
    file = (place if place.is_dir() else place.parent) / "classes.txt"
    if not file.exists():
        return None
    names = tuple(line.strip() for line in read_text(file).splitlines() if line.strip())
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{file} lists {twice!r} twice; wanted: each class once, a line each")
    return names


def _class_names(place: Path, splits: Mapping[str, _Labelled]) -> tuple[str, ...]:
    first = splits.get("train") or next(iter(splits.values()))
    if first.classes:
        return first.classes
    if all(isinstance(label, int) for label in first.labels):
        highest = max(int(label) for label in first.labels)
        if highest >= MOST_CLASSES:
            raise InputError(f"{place}: a label is {highest}; labels are class numbers, from 0")
        return tuple(str(i) for i in range(1 + highest))
    names = {str(label) for label in first.labels}
    in_table = isinstance(first.source, FolderSource) and place.suffix == ".csv"
    by_number = in_table and all(whole(name) is not None for name in names)
    return tuple(sorted(names, key=int if by_number else str))


def _dataset(
    name: str,
    split: _Labelled,
    classes: tuple[str, ...],
    place: Path,
    listed: tuple[str, ...] | None,
) -> Dataset:
    places = {class_name: i for i, class_name in enumerate(classes)}

    def index(label: str | int) -> int:
        if isinstance(label, int) or label in places:
            return label if isinstance(label, int) else places[label]
        position = whole(label) if listed else None  # in classes.txt
        return -1 if position is None else position

    labels = [index(label) for label in split.labels]
    wrong = next((i for i, label in enumerate(labels) if not 0 <= label < len(classes)), None)
    if wrong is not None:
        where = split.source.path(split.rows[wrong])
        whose = f"{place}, by its classes.txt," if listed else f"{place}"
        raise InputError(
            f"{where} is labelled {split.labels[wrong]!r}; the classes of {whose} are: "
            f"{_some(classes)}"
        )
    rows = np.array(split.rows, dtype=np.int64)
    return Dataset(name, split.source, classes, np.array(labels, dtype=np.int64), rows)


def _some(names: Mapping[str, object] | Sequence[str], most: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

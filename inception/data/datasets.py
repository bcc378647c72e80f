"""Opens data sets: a folder, tar shards, parquet or a CSV, here or, but for the last, at a URL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inception.data.classes import Listed, read_classes
from inception.data.dataset import Data, Dataset, several
from inception.data.layout import folders_mean
from inception.data.listing import Listing, list_folder, number
from inception.data.parquet import ParquetSource
from inception.data.sources import FolderSource, Source, remote_pictures
from inception.data.splits import split_of_shard
from inception.data.tables import read_table, whole
from inception.data.tars import TarSource, check_not_compressed, without_common_folder
from inception.errors import InputError
from inception.remote import Place, Remote, is_remote, place_of

__all__ = ["Data", "Dataset", "open_data"]

MOST_CLASSES = 1_000_000  # a higher number is no class but a mistake, and would fill the memory


def open_data(place: str | Path) -> Data:
    """Labelled pictures at a folder, a tar, a parquet or a CSV file (docs/data.md).

    Any but the last may also lie behind a URL that fsspec opens, ``s3://bucket/shards``.

    Raises:
        InputError: nothing there, no pictures, no labels; the message says what was found.
    """
    try:
        return _opened(place_of(place))
    except OSError as error:
        if not is_remote(place):
            raise
        raise InputError(f"{place} cannot be opened: {error.strerror or error}") from error


def _opened(place: Place) -> Data:
    if not place.exists():
        raise InputError(f"no such file or folder: {place}")
    if not place.is_dir():
        return _open_file(place)
    for suffix, reader in _READERS.items():
        found: list[Place] = sorted(place.glob(f"*{suffix}"), key=str)
        if found:
            return _data(place, _shards_by_split(found, reader))
    return _folders(place)


@dataclass(frozen=True)
class _Labelled:
    """A source with a label for each picture: a class name, or its number."""

    source: Source
    labels: Sequence[str | int]
    rows: Sequence[int]
    classes: tuple[str, ...] = ()


_Reader = Callable[[Sequence[Place]], dict[str, _Labelled]]


def _open_file(place: Place) -> Data:
    if place.suffix == ".csv" and isinstance(place, Path):
        return _data(place, _csv(place))
    if place.suffix in _READERS:
        return _data(place, _READERS[place.suffix]([place]))
    check_not_compressed(place)
    raise InputError(f"{place}: a data set is a folder, a .tar, a .parquet or a .csv file")


def _tar(paths: Sequence[Place]) -> dict[str, _Labelled]:
    source = TarSource(paths)
    if source.keys and not any(source.labels):
        return _tar_folders(paths[0], source)
    missing = next((i for i, label in enumerate(source.labels) if not label), None)
    if missing is not None:
        raise InputError(f"{source.path(missing)} has no label: key.cls is missing beside it")
    numbers = [number for label in source.labels if (number := whole(label)) is not None]
    labels = numbers if len(numbers) == len(source.labels) else source.labels
    return {"all": _Labelled(source, labels, range(len(labels)))}


def _tar_folders(place: Place, source: TarSource) -> dict[str, _Labelled]:
    names = without_common_folder(source.keys)
    loose = next((i for i, name in enumerate(names) if "/" not in name), None)
    if loose is not None:
        raise InputError(f"{source.path(loose)} has no label: key.cls is missing beside it")
    layout = folders_mean(place, names, classes=_classes_among(place, names))
    return {
        split: _Labelled(source, [layout.labels[row] for row in rows], rows)
        for split, rows in layout.rows.items()
    }


def _parquet(paths: Sequence[Place]) -> dict[str, _Labelled]:
    source = ParquetSource(paths)
    rows = range(len(source.labels))
    return {"all": _Labelled(source, source.labels, rows, tuple(source.class_names))}


_READERS: dict[str, _Reader] = {".tar": _tar, ".parquet": _parquet}


def _shards_by_split(paths: Sequence[Place], reader: _Reader) -> dict[str, _Labelled]:
    groups: dict[str, list[Place]] = {}
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


def _folders(place: Place) -> Data:
    listing = (
        Listing(keys=remote_pictures(place)) if isinstance(place, Remote) else list_folder(place)
    )
    told = listing.left_out()
    if not listing.keys:
        there = f" ({'; '.join(told)})" if told else ""
        raise InputError(f"no pictures in {place}; wanted: {place}/<class>/<picture>.jpg{there}")
    named = _classes_among(place, listing.keys)
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


def _data(place: Place, splits: Mapping[str, _Labelled]) -> Data:
    if "all" in splits and len(splits) > 1:
        raise InputError(f"{place}: some pictures belong to no split; splits are train, val, test")
    if empty := [name for name, split in splits.items() if not split.labels]:
        split = "" if empty[0] == "all" else f", split {empty[0]}"
        raise InputError(f"no pictures in {place}{split}")
    labels = {str(label) for split in splits.values() for label in split.labels}
    listed = _listed_classes(place, labels)
    classes = listed.names if listed else _class_names(place, splits)
    return Data(
        place, classes, {n: _dataset(n, s, classes, place, listed) for n, s in splits.items()}
    )


def _classes_among(place: Place, keys: Sequence[str]) -> tuple[str, ...]:
    """What ``classes.txt`` lists, where folders of those paths are called so; else nothing."""
    listed = _listed_classes(place, {part for key in keys for part in key.split("/")[:2]})
    return listed.names if listed else ()


def _listed_classes(place: Place, used: Container[str]) -> Listed | None:
    """What ``classes.txt`` lists, where there is one."""
    file = (place if place.is_dir() else place.parent) / "classes.txt"
    if not file.exists():
        return None
    listed = read_classes(file, used)
    if twice := [name for name, count in Counter(listed.names).items() if count > 1]:
        raise InputError(f"{file} lists {twice[0]!r} twice; wanted: each class once, a line each")
    return listed if listed.names else None


def _class_names(place: Place, splits: Mapping[str, _Labelled]) -> tuple[str, ...]:
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
    place: Place,
    listed: Listed | None,
) -> Dataset:
    places = {class_name: i for i, class_name in enumerate(classes)}
    first = listed.first if listed and not split.classes else 0

    def index(label: str | int) -> int:
        if label in places:
            return places[str(label)]
        number = label if isinstance(label, int) else whole(label) if listed else None
        return -1 if number is None else number - first

    labels = [index(label) for label in split.labels]
    wrong = next((i for i, label in enumerate(labels) if not 0 <= label < len(classes)), None)
    if wrong is not None:
        where = split.source.path(split.rows[wrong])
        whose = f"{place}, by its classes.txt," if listed else f"{place}"
        raise InputError(
            f"{where} is labelled {split.labels[wrong]!r}; the classes of {whose} are: "
            f"{several(classes)}"
        )
    rows = np.array(split.rows, dtype=np.int64)
    return Dataset(name, split.source, classes, np.array(labels, dtype=np.int64), rows)

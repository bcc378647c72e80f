"""What folders mean, on a disk or inside a tar: classes, or splits with classes in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from inception.data.listing import number, some
from inception.data.splits import split_of, splits_of
from inception.errors import InputError
from inception.remote import Place


@dataclass
class Layout:
    """What pictures are for.

    Attributes:
        rows: the pictures of each split, ``all`` where there are none.
        labels: of each picture its class; empty where it is left out.
        left_out: what pictures are in no split, with counts.
    """

    rows: dict[str, list[int]]
    labels: list[str]
    left_out: list[str] = field(default_factory=list)


def folders_mean(
    place: Place, keys: Sequence[str], *, classes: Collection[str] = (), empty: Sequence[str] = ()
) -> Layout:
    """``train/cat/1.jpg`` is a cat to learn from; without splits ``cat/1.jpg`` is a cat.

    Args:
        place: for messages.
        keys: paths below it.
        classes: names that are classes whatever they sound like.
        empty: folders without pictures.

    Raises:
        InputError: pictures in no class folder; folders of splits beside others.
    """
    if loose := next((key for key in keys if "/" not in key), None):
        raise _loose(place, loose)
    tops: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        tops.setdefault(key.partition("/")[0], []).append(row)
    splits = splits_of([*tops, *(name for name in empty if "/" not in name)])
    splits = {name: split for name, split in splits.items() if name not in classes}
    if not splits.keys() & tops.keys():
        return Layout({"all": list(range(len(keys)))}, [key.partition("/")[0] for key in keys])
    return _in_splits(place, keys, tops, splits)


def _in_splits(
    place: Place,
    keys: Sequence[str],
    tops: Mapping[str, Sequence[int]],
    splits: Mapping[str, str],
) -> Layout:
    inner = {t: _unwrapped([keys[row] for row in tops[t]], splits[t]) for t in splits if t in tops}
    flat = [t for t, names in inner.items() if not any("/" in name for name in names)]
    with_classes = {t: names for t, names in inner.items() if t not in flat}
    others = [t for t in tops if t not in splits]
    _check(place, splits, flat, list(with_classes), others)
    layout = Layout({}, [""] * len(keys))
    for top, names in with_classes.items():
        if loose := next((name for name in names if "/" not in name), None):
            raise _loose(place, f"{top}/{loose}", top)
        layout.rows[splits[top]] = list(tops[top])
        for row, name in zip(tops[top], names, strict=True):
            layout.labels[row] = name.partition("/")[0]
    for kind, names in (("in no class folder", flat), ("in no split", others)):
        if count := sum(len(tops[top]) for top in names):
            layout.left_out.append(f"{number(count, 'picture')} {kind} ({some(names, 3)})")
    return layout


def _unwrapped(keys: Sequence[str], split: str) -> list[str]:
    """Paths within a split's folder, and within one of the same name that is all it holds."""
    outer = keys[0].partition("/")[0]
    inner = [key.partition("/")[2] for key in keys]
    firsts = {name.partition("/")[0] for name in inner}
    if len(firsts) > 1 or not all("/" in name for name in inner):
        return inner
    first = firsts.pop()
    return _unwrapped(inner, split) if first == outer or split_of(first) == split else inner


def _check(
    place: Place,
    splits: Mapping[str, str],
    flat: Sequence[str],
    with_classes: Sequence[str],
    others: Sequence[str],
) -> None:
    kinds = [splits[top] for top in with_classes]
    if others and not ("train" in kinds and len(kinds) > 1):
        raise InputError(
            f"{place}: {some(sorted(splits), 4)} would be a split, but {some(others, 4)} beside it "
            f"is none. Where all are classes, write {place / 'train'}/<class>/ or list them in "
            f"{place / 'classes.txt'}; else move away what is no split"
        )
    for top, split in splits.items():
        if top not in flat and top not in with_classes and split != "test":
            raise InputError(
                f"no pictures in {place / top}; wanted: {place / top}/<class>/<picture>.jpg"
            )
    if not with_classes:
        first = place / min(flat, key=lambda top: splits[top] != "train")
        raise InputError(
            f"the pictures of {first} lie in no class folder; wanted: "
            f"{first}/<class>/<picture>.jpg, or a CSV file with path,label"
        )
    if len(set(kinds)) < len(kinds):
        raise InputError(f"{place} has more than one folder for a split: {', '.join(with_classes)}")


def _loose(place: Place, key: str, top: str = "") -> InputError:
    return InputError(
        f"{place / key} lies in no class folder; wanted: {place / top}/<class>/<picture>.jpg"
    )

"""Train, validation and test sets out of one: by class and group, equal pictures together."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inception.data.datasets import Data, Dataset
from inception.data.ordered import ordered_map
from inception.data.sources import FolderSource
from inception.errors import InputError
from inception.files import write_text
from inception.text import csv_line


@dataclass(frozen=True)
class Part:
    """Pictures that must not be parted.

    Attributes:
        rows: numbers of the pictures; ``labels``: their classes, as often as they occur.
        name: the same whatever the others are.
    """

    rows: tuple[int, ...]
    labels: Mapping[int, int]
    name: bytes


def split_data(
    data: Data, shares: Mapping[str, float], *, group: str | None, seed: int, threads: int
) -> dict[str, list[int]]:
    """The rows of each split; pictures with equal bytes, or of one group, in the same one.

    Args:
        data: a folder or a table, without splits.
        shares: of each class, by split; of a class with as many parts as splits at least one each.
        group: finds in a picture's key what it belongs to, as a regular expression.
        seed: draws.
        threads: that read pictures.

    Raises:
        InputError: there are splits already, or pictures whose group is not found.
    """
    if "all" not in data.splits:
        raise InputError(f"{data.place} is split already: {', '.join(data.splits)}")
    dataset = data.splits["all"]
    parts = sorted(_parts(dataset, group, threads), key=lambda part: _drawn(part, seed))
    parts.sort(key=lambda part: -len(part.rows))  # what is large goes where there is room
    needs = _needs(parts, shares)
    rows: dict[str, list[int]] = {split: [] for split in shares}
    for part in parts:
        chosen = max(shares, key=lambda split: _gain(part, needs[split]))
        rows[chosen] += part.rows
        for label, count in part.labels.items():
            needs[chosen][label] -= count
    return {split: sorted(own) for split, own in rows.items()}


def _gain(part: Part, need: Mapping[int, float]) -> float:
    return sum(count * need[label] for label, count in part.labels.items())


def _drawn(part: Part, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:".encode() + part.name).digest()


def _needs(parts: Sequence[Part], shares: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """How many pictures of each class each split wants."""
    pictures: Counter[int] = Counter()
    number: Counter[int] = Counter()
    for part in parts:
        pictures.update(part.labels)
        number.update(part.labels.keys())
    needs: dict[str, dict[int, float]] = {split: {} for split in shares}
    for label, count in pictures.items():
        least = 1.0 if number[label] >= len(shares) else 0.0
        others = {s: max(least, share * count) for s, share in shares.items() if s != "train"}
        for split, wanted in {**others, "train": count - sum(others.values())}.items():
            needs[split][label] = wanted
    return needs


def _parts(dataset: Dataset, group: str | None, threads: int) -> Iterator[Part]:
    """Pictures joined by equal bytes and by groups, and by both in turn."""
    found = _pattern(group)
    leader = list(range(len(dataset)))

    def first(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    seen: dict[bytes, int] = {}
    digests = list(ordered_map(dataset.sample, range(len(dataset)), threads=threads, ahead=64))
    for row, digest in enumerate(digests):
        names = [digest, _group_of(dataset, row, found)] if found else [digest]
        for name in names:
            a, b = first(row), first(seen.setdefault(name, row))
            leader[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(len(dataset)):
        members[first(row)].append(row)
    for rows in members.values():
        labels = Counter(int(dataset.labels[row]) for row in rows)
        yield Part(tuple(rows), labels, min(digests[row] for row in rows))


def _pattern(group: str | None) -> re.Pattern[str] | None:
    try:
        return None if group is None else re.compile(group)
    except re.error as error:
        raise InputError(f"--group {group!r} is no regular expression: {error}") from error


def _group_of(dataset: Dataset, row: int, pattern: re.Pattern[str]) -> bytes:
    match = pattern.search(dataset.key(row))
    if match is None:
        raise InputError(f"--group {pattern.pattern!r} finds nothing in {dataset.key(row)}")
    found = match.group(1) if pattern.groups else match.group()
    return b"group " + (found or "").encode("utf-8", "surrogatepass")


def write_split(data: Data, rows: Mapping[str, Sequence[int]], out: Path) -> None:
    """Writes ``path,label,split``, a data set; paths are relative to where it lies.

    Raises:
        InputError: the pictures are no files of their own, or ``out`` cannot be written.
    """
    dataset = data.splits["all"]
    if not isinstance(dataset.source, FolderSource):
        raise InputError(f"{data.place} holds no files of their own that a table could name")
    if out.suffix != ".csv":
        raise InputError(f"a split is a table of paths: call it {out.with_suffix('.csv')}")
    lines = [csv_line(["path", "label", "split"])]
    for split, own in rows.items():
        for row in own:
            path = Path(os.path.relpath(dataset.path(row), out.parent)).as_posix()
            lines.append(csv_line([path, dataset.classes[dataset.labels[row]], split]))
    write_text(out, "".join(lines))

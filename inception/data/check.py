"""The data doctor: what is wrong with a data set before a training run finds out."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from inception.data.datasets import Data, Dataset
from inception.data.images import UnreadableImageError, image_mode, read_image
from inception.data.likeness import near_pairs, thumbnail
from inception.data.ordered import ordered_map
from inception.errors import InputError

TINY_PX = 32  # a shorter side holds little to learn from


@dataclass
class SplitReport:
    """What one split holds."""

    pictures: int = 0
    per_class: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)


@dataclass
class DataReport:
    """What the doctor found; paths in lists.

    Attributes:
        unreadable: path and reason.
        tiny: pictures with a side under ``TINY_PX``.
        duplicates: groups of equal pictures within one split.
        leaks: groups of equal pictures that lie in several splits.
        conflicts: groups of equal pictures with different labels.
        near_leaks: pairs in two splits that look alike but are not equal, the likest first.
        notes: what the set leaves out, and what training will hold out.
        alike: pairs in any splits that a model sees nearly the same, with their likeness; None
            where none was asked.
    """

    splits: dict[str, SplitReport] = field(default_factory=dict)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    tiny: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    leaks: list[list[str]] = field(default_factory=list)
    conflicts: list[list[str]] = field(default_factory=list)
    near_leaks: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alike: list[dict[str, Any]] | None = None

    @property
    def healthy(self) -> bool:
        """Nothing that makes a result wrong: all readable, no leaks, no conflicting labels.

        Pictures that only look alike do not count: whether they are the same is for eyes to say.
        """
        return not (self.unreadable or self.leaks or self.conflicts)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        values = {**asdict(self), "healthy": self.healthy}
        return {n: v for n, v in values.items() if n != "alike" or v is not None}


@dataclass(frozen=True)
class _Finding:
    path: str
    label: int
    digest: str = ""
    mode: str = ""
    side: int = 0
    thumbnail: bytes = b""
    error: str = ""


def check_data(data: Data, *, threads: int, seed: int = 0) -> DataReport:
    """Reads every picture of every split and reports what is odd.

    Equal pictures are those that decode to the same pixels. Without a validation set the splits
    are those that training makes with ``seed``.
    """
    splits = as_trained(data, seed)
    report = DataReport(notes=list(next(iter(splits.values())).notes or data.notes))
    by_digest: dict[str, list[tuple[str, _Finding]]] = defaultdict(list)
    by_split: dict[str, list[_Finding]] = {}
    for name, dataset in splits.items():
        findings = list(_look(dataset, threads))
        by_split[name] = [f for f in findings if not f.error]
        report.splits[name] = _summary(dataset, findings)
        for f in findings:
            if f.error:
                report.unreadable.append({"path": f.path, "reason": f.error})
                continue
            if f.side < TINY_PX:
                report.tiny.append(f.path)
            by_digest[f.digest].append((name, f))
    for group in by_digest.values():
        _report_group(report, group)
    for first, second in combinations(by_split.values(), 2):
        report.near_leaks += _near_leaks(first, second)
    return report


def as_trained(data: Data, seed: int) -> Mapping[str, Dataset]:
    """The splits, those that training makes with ``seed`` where there is no validation set."""
    if "val" in data.splits:
        return data.splits
    try:
        train, val = data.for_training(seed)
    except InputError:  # a set to evaluate on, for example
        return data.splits
    rest = {name: split for name, split in data.splits.items() if name not in ("train", "all")}
    return {"train": train, "val": val, **rest}


def _look(dataset: Dataset, threads: int) -> list[_Finding]:
    def look(index: int) -> _Finding:
        path, label = dataset.path(index), int(dataset.labels[index])
        try:
            data = dataset.encoded(index)
            picture = read_image(data, name=path)
        except UnreadableImageError as error:
            return _Finding(path, label, error=error.reason)
        digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
        side, small = min(picture.shape[:2]), thumbnail(picture).tobytes()
        return _Finding(path, label, digest, image_mode(data), side, small)

    return list(ordered_map(look, range(len(dataset)), threads=threads, ahead=4 * threads))


def _near_leaks(first: list[_Finding], second: list[_Finding]) -> list[list[str]]:
    if not first or not second:
        return []
    both = [np.frombuffer(b"".join(f.thumbnail for f in s), np.uint8) for s in (first, second)]
    pairs = near_pairs(both[0].reshape(len(first), -1), both[1].reshape(len(second), -1))
    found = [(first[pair.first], second[pair.second]) for pair in pairs]
    return [[a.path, b.path] for a, b in found if a.digest != b.digest]


def _summary(dataset: Dataset, findings: list[_Finding]) -> SplitReport:
    labels = Counter(dataset.classes[f.label] for f in findings)
    modes = Counter(f.mode for f in findings if f.mode)
    return SplitReport(len(findings), {c: labels[c] for c in dataset.classes}, dict(modes))


def _report_group(report: DataReport, group: list[tuple[str, _Finding]]) -> None:
    if len(group) == 1:
        return
    paths = [f.path for _, f in group]
    if len({split for split, _ in group}) > 1:
        report.leaks.append(paths)
    else:
        report.duplicates.append(paths)
    if len({f.label for _, f in group}) > 1:
        report.conflicts.append(paths)

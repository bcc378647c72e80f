"""The data doctor for pictures with boxes: what is wrong with a set, all of it at once."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inception.data.images import UnreadableImageError
from inception.data.ordered import ordered_map
from inception.detection.datasets import DetectionSet, checked_set, classes_of, read_detection
from inception.errors import InputError


@dataclass
class BoxSplit:
    """What one split holds: objects by class, those ignored among them, pictures without any."""

    pictures: int = 0
    objects: int = 0
    ignored: int = 0
    empty_pictures: int = 0
    per_class: dict[str, int] = field(default_factory=dict)


@dataclass
class BoxReport:
    """What the doctor found.

    Attributes:
        faults: for which the set is refused, a line each.
        notes: what is clipped or left out, a line each.
        unreadable: path and reason.
        wrong_sizes: pictures whose annotation tells another size; theirs is used.
        leaks: groups of equal pictures in several splits.
        duplicates: groups of equal pictures within one split.
    """

    splits: dict[str, BoxSplit] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    wrong_sizes: list[str] = field(default_factory=list)
    leaks: list[list[str]] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Nothing that is refused or makes a result wrong."""
        return not (self.faults or self.unreadable or self.leaks)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "healthy": self.healthy}


def check_boxes(place: str | Path, *, threads: int) -> BoxReport:
    """Reads every annotation and picture of every split and reports what is odd.

    Equal pictures are those that decode to the same pixels.

    Raises:
        InputError: nothing there, or neither VOC nor COCO.
    """
    place, report = Path(place), BoxReport()
    found = read_detection(place)
    equal: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, split in found.items():
        if split.faults:
            report.faults += split.faults
            continue
        try:
            dataset = checked_set(place, name, split, classes_of(place, found))
        except InputError as error:
            report.faults.append(str(error))
            continue
        report.splits[name] = _counts(dataset)
        report.notes += dataset.notes
        for path, digest in _looked_at(dataset, report, threads):
            equal[digest].append((name, path))
    for group in (group for group in equal.values() if len(group) > 1):
        several = len({name for name, _ in group}) > 1
        (report.leaks if several else report.duplicates).append([path for _, path in group])
    return report


def _counts(dataset: DetectionSet) -> BoxSplit:
    objects = [dataset.objects(index) for index in range(len(dataset))]
    labels = Counter(dataset.classes[label] for each in objects for label in each.labels)
    return BoxSplit(
        pictures=len(dataset),
        objects=sum(map(len, objects)),
        ignored=sum(int(each.ignored.sum()) for each in objects),
        empty_pictures=sum(not len(each) for each in objects),
        per_class={name: labels[name] for name in dataset.classes},
    )


def _looked_at(dataset: DetectionSet, report: BoxReport, threads: int) -> list[tuple[str, str]]:
    """Path and digest of each picture that can be read; the others and odd sizes are noted."""

    def look(index: int) -> tuple[int, tuple[int, int], str] | UnreadableImageError:
        try:
            picture = dataset.read(index)
        except UnreadableImageError as error:
            return error
        content = repr(picture.shape).encode() + picture.tobytes()
        height, width = picture.shape[:2]
        return index, (height, width), hashlib.sha256(content).hexdigest()

    good = []
    for told in ordered_map(look, range(len(dataset)), threads=threads, ahead=4 * threads):
        if isinstance(told, UnreadableImageError):
            report.unreadable.append({"path": told.name, "reason": told.reason})
            continue
        index, size, digest = told
        stated = dataset.pictures[index].size
        if stated is not None and stated != size:
            both = (f"{width}x{height}" for height, width in (stated, size))
            report.wrong_sizes.append(f"{dataset.path(index)}: told {' but is '.join(both)}")
        good.append((dataset.path(index), digest))
    return good

"""Pictures with boxes: Pascal VOC folders and COCO JSON, as splits that share their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.classes import read_classes
from inception.data.dataset import content_hash
from inception.data.images import Picture, UnreadableImageError, image_size, read_image
from inception.data.listing import number, some
from inception.data.ordered import ordered_map
from inception.detection.annotated import Annotated, Found
from inception.detection.boxes import Boxes, Indices, area, clip
from inception.detection.coco import is_coco, read_coco
from inception.detection.voc import is_voc, read_voc
from inception.errors import InputError, unknown
from inception.files import read_bytes
from inception.machine import available_cores

HELD_OUT = 10  # one picture of so many, where no split is named
FOR_EVALUATION = ("val", "test", "all", "train")
SLACK_PX = 1.5  # beyond the picture's edge that is a way of counting, not worth a note


@dataclass(frozen=True)
class Objects:
    """The objects of one picture.

    Attributes:
        boxes_xyxy: ``[N, 4]`` float32, in pixels, inside the picture.
        labels: ``[N]`` class indices, int64.
        ignored: ``[N]``, where neither finding nor missing it counts: difficult, or a crowd.
    """

    boxes_xyxy: Boxes
    labels: Indices
    ignored: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DetectionSet:
    """One split: numbered pictures, each with its objects.

    Attributes:
        category_ids: COCO's numbers of the classes, where the set came with some.
        notes: what was left out, clipped or decided where the set was read, a line each.
    """

    place: Path
    split: str
    classes: tuple[str, ...]
    pictures: tuple[Annotated, ...]
    annotations: tuple[Objects, ...]
    category_ids: Mapping[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        objects = number(sum(map(len, self.annotations)), "object")
        return f"DetectionSet({str(self.place)!r}, {self.split!r}, {len(self)} pictures, {objects})"

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """What names the picture among the others."""
        return self.pictures[index].name

    def path(self, index: int) -> str:
        """Where the picture lies, for messages."""
        return str(self.pictures[index].path)

    def image_id(self, index: int) -> int | str:
        """COCO's number of the picture, its place from 1 where the set came without."""
        own = self.pictures[index].image_id
        return index + 1 if own is None else own

    def category_id(self, label: int) -> int | str:
        """COCO's number of a class, its place from 1 where the set came without."""
        return self.category_ids.get(self.classes[label], label + 1)

    def encoded(self, index: int) -> bytes:
        """The picture's bytes as stored. Raises ``UnreadableImageError``."""
        path = self.pictures[index].path
        try:
            return read_bytes(path)
        except OSError as error:
            raise UnreadableImageError(str(path), error.strerror or str(error)) from error

    def read(self, index: int) -> Picture:
        """The picture, ``uint8 [H, W, 3]``. Raises ``UnreadableImageError``."""
        return read_image(self.encoded(index), name=self.path(index))

    def objects(self, index: int) -> Objects:
        """The objects of a picture, none perhaps."""
        return self.annotations[index]

    def subset(self, chosen: Iterable[int]) -> DetectionSet:
        """The chosen pictures, by index, in that order."""
        rows = [int(i) for i in chosen]
        return replace(
            self,
            pictures=tuple(self.pictures[i] for i in rows),
            annotations=tuple(self.annotations[i] for i in rows),
        )

    def with_classes(self, classes: Sequence[str]) -> DetectionSet:
        """The same pictures with labels in the order of ``classes``, a detector's for example.

        Raises:
            InputError: a class of this set's objects is not among them.
        """
        places = {name: i for i, name in enumerate(classes)}
        present = sorted({int(label) for objects in self.annotations for label in objects.labels})
        strange = [self.classes[label] for label in present if self.classes[label] not in places]
        if strange:
            raise InputError(
                f"the {self.split} set of {self.place} has classes the detector does not know: "
                f"{some(strange, 8)}; the detector's are: {some(classes, 8)}"
            )
        order = np.array([places.get(name, -1) for name in self.classes], dtype=np.int64)
        annotations = tuple(replace(o, labels=order[o.labels]) for o in self.annotations)
        return replace(self, classes=tuple(classes), annotations=annotations)

    def digest(self) -> str:
        """A hash of classes, names, objects and the pictures as stored, in order."""
        digest = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogatepass"))
        for index, objects in enumerate(self.annotations):
            digest.update(f"\n{self.name(index)}\t".encode("utf-8", "surrogatepass"))
            for part in (objects.boxes_xyxy, objects.labels, objects.ignored):
                digest.update(part.tobytes())
            digest.update(content_hash(self.encoded, index))
        return digest.hexdigest()[:32]


def is_detection(place: str | Path) -> bool:
    """Whether a place holds pictures with boxes, VOC or COCO, rather than labelled pictures."""
    place = Path(place)
    return place.exists() and (is_coco(place) or is_voc(place))


def read_detection(place: str | Path) -> dict[str, Found]:
    """All splits at a place as they are, with their faults.

    Raises:
        InputError: nothing there, or neither VOC nor COCO.
    """
    place = Path(place)
    if not place.exists():
        raise InputError(f"no such file or folder: {place}")
    if is_coco(place):
        return read_coco(place)
    if is_voc(place):
        return read_voc(place)
    raise InputError(
        f"no pictures with boxes in {place}; wanted: a Pascal VOC folder (Annotations, JPEGImages, "
        f"ImageSets/Main) or COCO annotations (a .json file)"
    )


def open_detection(place: str | Path, split: str | None = None) -> DetectionSet:
    """Pictures with boxes at a Pascal VOC folder or of a COCO JSON file.

    Args:
        place: the folder, or the file.
        split: ``train``, ``val``, ``test`` or ``all``; by default val, else test, else all there
            is. Where the place names no splits, ``val`` is a tenth of it, ``train`` the rest.

    Raises:
        InputError: nothing there, no such split, no pictures, or annotations that are wrong: the
            message names the first.
    """
    place = Path(place)
    found = read_detection(place)
    name = split or next(name for name in FOR_EVALUATION if name in found)
    whole = found.get(name) or (found.get("all") if name in ("train", "val") else None)
    if whole is None:
        raise unknown("split", name, found)
    return checked_set(place, name, whole, classes_of(place, found), part=name not in found)


def checked_set(
    place: Path, split: str, found: Found, classes: tuple[str, ...], *, part: bool = False
) -> DetectionSet:
    """One split, made ready; ``part`` where it is to be drawn from all there is.

    Raises:
        InputError: a fault, or no pictures.
    """
    if strange := [o for p in found.pictures for o in p.objects if o.class_name not in classes]:
        found.faults.append(
            f"{place} has objects of {strange[0].class_name!r}; its classes.txt lists "
            f"{some(classes, 8)}"
        )
    if found.faults:
        more = len(found.faults) - 1
        rest = f"; {more} more: `inception data check` lists them" if more else ""
        raise InputError(found.faults[0] + rest)
    pictures = [p for p in found.pictures if not part or _is_held_out(p) == (split == "val")]
    if not pictures:
        raise InputError(f"no pictures in {place}, split {split}")
    notes = list(found.notes)
    if part:
        notes.append(f"no splits: {len(pictures)} of {len(found.pictures):,} pictures are {split}")
    sizes = ordered_map(_true_size, pictures, threads=available_cores(), ahead=64)
    made = tuple(_objects(p, size, classes, notes) for p, size in zip(pictures, sizes, strict=True))
    return DetectionSet(
        place, split, classes, tuple(pictures), made, found.category_ids, tuple(notes)
    )


def _is_held_out(picture: Annotated) -> bool:
    name = hashlib.sha256(picture.name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(name[:8], "big") % HELD_OUT == 0


def classes_of(place: Path, found: Mapping[str, Found]) -> tuple[str, ...]:
    """``classes.txt``, else COCO's order, else sorted: of all splits, so that they agree."""
    file = (place if place.is_dir() else place.parent) / "classes.txt"
    if file.exists() and not any(split.classes for split in found.values()):
        return tuple(dict.fromkeys(read_classes(file, _present(found)).names))
    ordered = sorted(found, key=lambda name: (*FOR_EVALUATION[::-1], name).index(name))
    listed = dict.fromkeys(name for split in ordered for name in found[split].classes)
    return tuple(listed) or tuple(sorted(_present(found)))


def _present(found: Mapping[str, Found]) -> set[str]:
    pictures = (picture for split in found.values() for picture in split.pictures)
    return {labelled.class_name for picture in pictures for labelled in picture.objects}


def _true_size(picture: Annotated) -> tuple[int, int] | None:
    """Height and width of the picture itself, since annotations are often wrong about them."""
    try:
        return image_size(picture.path)
    except UnreadableImageError:  # told when it is read
        return picture.size


def _objects(
    picture: Annotated, size: tuple[int, int] | None, classes: Sequence[str], notes: list[str]
) -> Objects:
    """A picture's objects, their boxes clipped to it; those wholly outside are left out."""
    stated = np.array([o.box for o in picture.objects], np.float32).reshape(-1, 4)
    labels = np.array([classes.index(o.class_name) for o in picture.objects], np.int64)
    ignored = np.array([o.ignored for o in picture.objects], np.bool_)
    if size is None:
        return Objects(stated, labels, ignored)
    boxes = clip(stated, *size)
    inside = area(boxes) > 0
    notes.extend(_clipping_notes(picture, stated, boxes, inside))
    return Objects(boxes[inside], labels[inside], ignored[inside])


def _clipping_notes(
    picture: Annotated, stated: Boxes, boxes: Boxes, inside: npt.NDArray[np.bool_]
) -> Iterator[str]:
    beyond = inside & (np.abs(stated - boxes) > SLACK_PX).any(axis=1)
    for what, which in {"clipped to": beyond, "left out, outside": ~inside}.items():
        for box in stated[which]:
            text = " ".join(f"{edge:g}" for edge in box)
            yield f"{picture.source}: a box of {picture.name} is {what} the picture: {text}"

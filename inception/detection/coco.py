"""COCO annotations: one JSON file a split, as COCO, CVAT, Roboflow and others write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from inception.data.listing import some
from inception.data.splits import split_of_shard
from inception.detection.annotated import Annotated, Edges, Found, Labelled, checked_box
from inception.errors import InputError
from inception.files import read_text

LISTS = ("images", "annotations", "categories")
NAMES = ("*.json", "annotations/*.json", "*/_annotations.coco.json")  # below a folder
START = 1 << 16  # bytes by which another JSON file is told from COCO's


def is_coco(place: Path) -> bool:
    """Whether a place is a COCO file, or a folder that has one where COCO's lie."""
    return bool(_files(place))


def read_coco(place: Path) -> dict[str, Found]:
    """The splits of a file or a folder, ``all`` where no name tells one.

    Raises:
        InputError: several files of one split.
    """
    splits: dict[str, Path] = {}
    for file in _files(place):
        split = _split(file)
        if split in splits:
            raise InputError(
                f"{place} has several COCO files of one split: {splits[split]} and {file}; name one"
            )
        splits[split] = file
    return {split: _read(file) for split, file in splits.items()}


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place] if place.suffix.lower() == ".json" else []
    found = [path for name in NAMES for path in sorted(place.glob(name)) if _looks_so(path)]
    instances = [path for path in found if path.name.startswith("instances_")]
    return instances or found  # COCO's own folder has captions and keypoints beside them


def _looks_so(path: Path) -> bool:
    """Whether a JSON file is COCO's by its first keys."""
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError:
        return False
    keys = [f'"{name}"'.encode() in start for name in LISTS]
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and any(keys)


def _split(file: Path) -> str:
    name = file.parent.name if file.name == "_annotations.coco.json" else file.stem
    return split_of_shard(name) or "all"


def _read(file: Path) -> Found:
    found = Found()
    try:
        content = _content(file)
        names = _categories(file, content["categories"], found)
        found.classes = list(dict.fromkeys(names.values()))
        pictures = _pictures(file, content["images"])
    except InputError as error:
        found.faults.append(str(error))
        return found
    objects: dict[int | str, list[Labelled]] = {key: [] for key in pictures}
    for entry in content["annotations"]:
        try:
            _note_object(file, entry, pictures, names, objects, found)
        except InputError as error:
            found.faults.append(str(error))
    folder = _folder(file, [picture["file_name"] for picture in pictures.values()])
    for key, picture in pictures.items():
        path = folder / picture["file_name"]
        if not path.is_file():
            found.faults.append(f"{file}: picture {key} is missing: no {path}")
        annotated = (picture["file_name"], path, file, tuple(objects[key]), _size(picture), key)
        found.pictures.append(Annotated(*annotated))
    return found


def _content(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(read_text(file, kind="COCO file"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not readable as JSON: {error}") from error
    lists = {name: content.get(name) if isinstance(content, dict) else None for name in LISTS}
    for name, found in lists.items():
        if not isinstance(found, list):
            raise InputError(f"{file}: no COCO annotations: it has no list of {name}")
    return lists  # type: ignore[return-value]  # just checked


def _categories(file: Path, entries: list[Any], found: Found) -> dict[int | str, str]:
    """Names by number; two numbers of one name are one class."""
    names: dict[int | str, str] = {}
    for place, entry in enumerate(entries, 1):
        key = _id(entry, "id", f"{file}: category {place}")
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{file}: category {key} has no name")
        if key in names:
            raise InputError(f"{file}: two categories have the number {key}")
        names[key] = name.strip()
        found.category_ids.setdefault(name.strip(), key)
    if not names:
        raise InputError(f"{file}: its list of categories is empty")
    return names


def _pictures(file: Path, entries: list[Any]) -> dict[int | str, dict[str, Any]]:
    pictures: dict[int | str, dict[str, Any]] = {}
    for place, entry in enumerate(entries, 1):
        key = _id(entry, "id", f"{file}: picture {place}")
        name = entry.get("file_name")
        if not isinstance(name, str) or not name or "\0" in name:
            raise InputError(f"{file}: picture {key} has no file_name")
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or path.drive:
            raise InputError(
                f"{file}: picture {key} lies elsewhere: {name}; wanted: a path below the folder"
            )
        if key in pictures:
            raise InputError(f"{file}: two pictures have the number {key}")
        pictures[key] = {**entry, "file_name": str(path)}
    return pictures


def _id(entry: Any, name: str, where: str) -> int | str:
    """A number, from 0, or a text that stands for one."""
    key = entry.get(name) if isinstance(entry, dict) else None
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise InputError(f"{where} has no {name}")
    return key


def _note_object(
    file: Path,
    entry: Any,
    pictures: dict[int | str, dict[str, Any]],
    names: dict[int | str, str],
    objects: dict[int | str, list[Labelled]],
    found: Found,
) -> None:
    """Adds what an entry of the annotations says to its picture's objects."""
    where = f"{file}: annotation {_id(entry, 'id', f'{file}: an annotation')}"
    picture = _id(entry, "image_id", where)
    if picture not in pictures:
        raise InputError(f"{where} is of picture {picture}, which is not among the images")
    where += f" ({pictures[picture]['file_name']})"
    category = _id(entry, "category_id", where)
    if category not in names:
        known = some([f"{key} {name}" for key, name in names.items()], 8)
        raise InputError(f"{where} has category {category}; the categories are: {known}")
    box = checked_box(list(_edges(entry, where)), where, found)
    if box is not None:
        ignored = entry.get("iscrowd") in (1, "1") or entry.get("ignore") in (1, "1")
        objects[picture].append(Labelled(names[category], box, ignored))


def _edges(entry: dict[str, Any], where: str) -> Iterator[float]:
    told = entry.get("bbox")
    numbers = isinstance(told, list) and all(
        isinstance(n, int | float) and not isinstance(n, bool) for n in told
    )
    if not isinstance(told, list) or not numbers or len(told) != 4:
        raise InputError(f"{where} has no box; wanted: bbox, as x, y, width, height in pixels")
    try:
        x, y, width, height = map(float, told)
    except OverflowError as error:
        raise InputError(f"{where}: a box has an edge that is too large") from error
    yield from Edges(x, y, x + width, y + height)


def _size(picture: dict[str, Any]) -> tuple[int, int] | None:
    height, width = picture.get("height"), picture.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None


def _folder(file: Path, names: Sequence[str]) -> Path:
    """Where the pictures lie: the first usual folder that has one of them, else beside the file."""
    above, split = file.parent.parent, file.stem.removeprefix("instances_")
    folders = [
        *(file.parent, file.parent / "images", file.parent / "data"),
        *(above, above / "images", above / split, above / "images" / split, above / "data"),
    ]
    return next(
        (f for f in folders if any((f / name).is_file() for name in names[:100])), folders[0]
    )

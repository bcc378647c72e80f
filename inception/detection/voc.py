"""Pascal VOC annotations: an XML file a picture, as labelImg, CVAT and Roboflow write them too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

from inception.data.images import EXTENSIONS
from inception.data.listing import list_folder, number, some
from inception.data.splits import WORD, split_of
from inception.detection.annotated import Annotated, Edges, Found, Labelled, checked_box
from inception.errors import InputError
from inception.files import read_bytes, read_text

PICTURES = ("JPEGImages", "images", "Images")  # beside Annotations
ANNOTATIONS = ("Annotations", "annotations")
MOST_BYTES = 1 << 24  # of an annotation, which has some hundreds an object
FLAGS = {"": False, "0": False, "1": True, "false": False, "true": True, "unspecified": False}


def is_voc(place: Path) -> bool:
    """Whether a folder holds VOC annotations in any layout that ``read_voc`` knows."""
    return place.is_dir() and bool(_root(place) or _flat_folders(place))


def read_voc(place: Path) -> dict[str, Found]:
    """The splits of a folder, ``all`` where it names none.

    Known are VOC's own folders (``Annotations``, ``JPEGImages``, ``ImageSets/Main/train.txt``),
    XML files beside their pictures, and folders ``train``, ``valid``, ``test`` of these.

    Raises:
        InputError: several sets, or a list of a split that cannot be read.
    """
    root = _root(place)
    if root is None:
        return {split: _flat(folder) for split, folder in _flat_folders(place).items()}
    annotations = next(root / name for name in ANNOTATIONS if (root / name).is_dir())
    pictures = next((root / name for name in PICTURES if (root / name).is_dir()), annotations)
    shelf = _Shelf(annotations, pictures)
    lists = _lists(root / "ImageSets" / "Main")
    if not lists:
        return {"all": shelf.everything()}
    return {split: shelf.listed(file) for split, file in lists.items()}


def _root(place: Path) -> Path | None:
    """The folder with ``Annotations``: the place, or the only ``VOC2012`` or the like below."""
    folders = [place, *sorted(p for p in place.iterdir() if p.name.startswith("VOC"))]
    roots = [f for f in folders if any((f / name).is_dir() for name in ANNOTATIONS)]
    roots = [f for f in roots if any(_xml_files(f / name) for name in ANNOTATIONS)]
    if place in roots:
        return place
    if len(roots) > 1:
        names = ", ".join(root.name for root in roots)
        raise InputError(f"{place} holds several sets: {names}; name one, {roots[0]} for example")
    return roots[0] if roots else None


def _flat_folders(place: Path) -> dict[str, Path]:
    """Folders with XML files beside pictures: by their splits, or the place itself as ``all``."""
    folders = {split_of(p.name): p for p in sorted(place.iterdir()) if p.is_dir()}
    found = {split: p for split, p in folders.items() if split is not None and _has_xml(p)}
    return found or ({"all": place} if _has_xml(place) else {})


def _has_xml(folder: Path) -> bool:
    """Whether an XML file in the folder has a picture's name."""
    paths = [PurePosixPath(entry.name) for entry in os.scandir(folder)]
    annotated = {path.stem for path in paths if path.suffix.lower() == ".xml"}
    return any(path.suffix.lower() in EXTENSIONS and path.stem in annotated for path in paths)


def _lists(folder: Path) -> dict[str, Path]:
    """The files that list a split's pictures; those of single classes are left alone."""
    if not folder.is_dir():
        return {}
    lists = {WORD[p.stem]: p for p in sorted(folder.glob("*.txt")) if p.stem in WORD}
    both = folder / "trainval.txt"
    return lists if lists or not both.exists() else {"all": both}


def _flat(folder: Path) -> Found:
    return _Shelf(folder, folder).everything()


def _xml_files(folder: Path) -> dict[str, Path]:
    """Annotations below a folder by their path without its ending, hidden ones left out."""
    found = {}
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(".xml") and not name.startswith("."):
                path = Path(base, name)
                found[path.relative_to(folder).with_suffix("").as_posix()] = path
    return found


class _Shelf:
    """A folder of annotations and one of pictures, told together by their names."""

    def __init__(self, annotations: Path, pictures: Path) -> None:
        self.xml = _xml_files(annotations)
        self.folder = pictures
        self.pictures: dict[str, list[str]] = {}
        for key in list_folder(pictures).keys:
            self.pictures.setdefault(str(PurePosixPath(key).with_suffix("")), []).append(key)

    def everything(self) -> Found:
        """All pictures that are annotated."""
        found = Found()
        for key, path in self.xml.items():
            self._read(key, path, found)
        if bare := [keys[0] for key, keys in self.pictures.items() if key not in self.xml]:
            count = number(len(bare), "picture")
            found.notes.append(f"left out: {count} without annotation ({some(bare, 3)})")
        return found

    def listed(self, file: Path) -> Found:
        """The pictures a list names, a line each."""
        found, seen = Found(), set[str]()
        for line in filter(None, map(str.strip, read_text(file).splitlines())):
            key = self._key(line)
            if key in seen:
                found.notes.append(f"{file} names {line} twice; it is read once")
            elif key in self.xml:
                self._read(key, self.xml[key], found)
            else:
                found.faults.append(
                    f"{file} names {line}, which has no annotation; a picture without objects "
                    f"has one without any"
                )
            seen.add(key)
        return found

    def _key(self, line: str) -> str:
        """A line's picture: names may have spaces, or stand before a ``1`` or ``-1``, or end."""
        for name in (line, line.split()[0]):
            stem = PurePosixPath(name)
            bare = str(stem.with_suffix("")) if stem.suffix.lower() in EXTENSIONS else name
            if bare in self.xml:
                return bare
        return line

    def _read(self, key: str, path: Path, found: Found) -> None:
        try:
            root = parsed(path)
        except InputError as error:
            found.faults.append(str(error))
            return
        picture = self._picture(key, (root.findtext("filename") or "").strip())
        if picture is None:
            found.faults.append(f"{path}: its picture is missing: no {key}.jpg in {self.folder}")
            return
        objects = tuple(_objects(root, path, found))
        found.pictures.append(Annotated(key, self.folder / picture, path, objects, _size(root)))

    def _picture(self, key: str, told: str) -> str | None:
        """The picture of an annotation's own name, else of the name it tells."""
        own = self.pictures.get(key, [])
        if own:
            return next((name for name in own if PurePosixPath(name).name == told), own[0])
        others = self.pictures.get(str(PurePosixPath(told).with_suffix("")), []) if told else []
        return next((name for name in others if name == told), None)


def parsed(path: Path) -> Element:
    """The root of a VOC annotation. Entities are refused: they can grow, or read other files.

    Raises:
        InputError: it cannot be read, or is none.
    """

    def refuse(*_: Any) -> None:
        raise ParseError("it defines entities, which no annotation needs")

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        data = read_bytes(path)
        if len(data) > MOST_BYTES:
            raise InputError(f"{path}: {len(data):,} bytes are too many for an annotation")
        parser.Parse(data, True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (expat.ExpatError, ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path}: not readable as XML: {error}") from error
    root = builder.close()
    if root.tag != "annotation":
        raise InputError(
            f"{path}: no VOC annotation, which begins with <annotation>; found <{root.tag}>"
        )
    return root


def _size(root: Element) -> tuple[int, int] | None:
    """Height and width where they are told; labelImg has been seen to write none, or 0."""
    sides = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    if not all(side.isascii() and side.isdecimal() and int(side) > 0 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def _objects(root: Element, path: Path, found: Found) -> Iterator[Labelled]:
    for place, element in enumerate(root.iterfind("object"), 1):
        name = " ".join((element.findtext("name") or "").split())
        where = f"{path}: object {place}" + (f" ({name})" if name else "")
        flag = (element.findtext("difficult") or "").strip().lower()
        if not name:
            found.faults.append(f"{where} has no name")
        elif flag not in FLAGS:
            found.faults.append(f"{where}: difficult is {flag!r}; wanted: 0 or 1")
        elif (box := _box(element, where, found)) is not None:
            yield Labelled(name, box, FLAGS[flag])


def _box(element: Element, where: str, found: Found) -> Edges | None:
    """The box by its edges: VOC names the first and the last pixel, counted from 1."""
    told = [element.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = (float(text or "") for text in told)
    except ValueError:
        missing = element.find("bndbox") is None
        what = "has no bndbox" if missing else f"has edges that are no numbers: {told}"
        found.faults.append(f"{where} {what}; wanted: xmin, ymin, xmax, ymax in pixels")
        return None
    box = checked_box((x1, y1, x2, y2), where, found)
    return box and Edges(x1 - 1, y1 - 1, x2, y2)

"""Pictures below a folder: every folder visited once, and a count of what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from inception.data.images import EXTENSIONS

Identity = tuple[int, int]  # device and inode: a folder's, whatever its names


@dataclass
class Listing:
    """What lies below a folder; hidden files and folders are not looked at.

    Attributes:
        keys: paths of the pictures, by their ending, relative to the folder, with ``/``; sorted.
        others: files in its subfolders that are no pictures, counted by their ending.
        empty: folders without any picture below, the topmost ones; sorted.
        closed: folders that may not be opened.
        again: links to folders that are visited anyway, or lie above.
        outward: links to pictures or folders elsewhere, which are followed.
    """

    keys: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    outward: int = 0

    def left_out(self) -> list[str]:
        """What is no picture of the set, each with its count."""
        files = [
            number(count, f"{ending} file" if ending else "file without an ending")
            for ending, count in sorted(self.others.items(), key=lambda item: (-item[1], item[0]))
        ]
        kinds = {
            "folder without pictures": self.empty,
            "folder that may not be opened": self.closed,
            "link to a folder that is read already": self.again,
        }
        return files + [
            f"{number(len(names), kind)} ({some(names, 3)})"
            for kind, names in kinds.items()
            if names
        ]


def number(count: int, what: str) -> str:
    """``1 file without an ending``, ``2,000 files without an ending``, ``2 .heic files``."""
    words = what.split(" ")
    noun = 1 if what.startswith(".") else 0
    if count != 1:
        words[noun] += "es" if words[noun].endswith("s") else "s"
    return f"{count:,} {' '.join(words)}"


def some(names: Sequence[str], most: int) -> str:
    """The first names, and that there are more."""
    return ", ".join(names[:most]) + ", …" * (len(names) > most)


def list_folder(folder: Path) -> Listing:
    """What lies below ``folder``. Folders come before links to them, so a name is never lost."""
    return _Walk(folder).listing


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does and is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root, self.real = root, os.path.realpath(root)
        self.listing = Listing()
        above = Path(self.real).parents
        self.seen: set[Identity] = {i for i in map(_identity, above) if i is not None}
        self.visited: list[str] = []
        folders, links = [""], list[str]()
        while folders or links:
            key = folders.pop() if folders else links.pop(0)
            found, linked = self._visit(key)
            folders += found
            links += sorted(linked)
        self.listing.keys.sort()
        self.listing.empty = _topmost_empty(self.visited, self.listing.keys)

    def _visit(self, key: str) -> tuple[list[str], list[str]]:
        """Notes the files of a folder; gives its folders, and its links to folders."""
        path = self.root / key
        identity = _identity(path)
        if identity in self.seen:
            self.listing.again.append(key)
            return [], []
        try:
            entries = [e for e in os.scandir(path) if not _is_hidden(e.name)]
        except OSError:
            self.listing.closed.append(key or str(self.root))
            return [], []
        if identity is not None:
            self.seen.add(identity)
        self.visited.append(key)
        self.listing.outward += bool(key) and path.is_symlink() and self._leads_out(path)
        places = {e: f"{key}/{e.name}".lstrip("/") for e in entries}
        folders = [place for e, place in places.items() if e.is_dir(follow_symlinks=False)]
        links = [place for e, place in places.items() if e.is_symlink() and _is_folder(e)]
        for entry, place in places.items():
            if not _is_folder(entry):
                self._note(entry, place)
        return folders, links

    def _note(self, entry: os.DirEntry[str], key: str) -> None:
        if is_picture(entry.name):
            self.listing.keys.append(key)
            self.listing.outward += entry.is_symlink() and self._leads_out(Path(entry.path))
        elif "/" in key:
            self.listing.others[PurePosixPath(key).suffix.lower()] += 1

    def _leads_out(self, path: Path) -> bool:
        return not os.path.realpath(path).startswith(self.real.rstrip("/") + "/")


def _identity(path: Path) -> Identity | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _topmost_empty(folders: list[str], keys: list[str]) -> list[str]:
    filled = {""}
    for key in keys:
        parent = key.rpartition("/")[0]
        while parent not in filled:
            filled.add(parent)
            parent = parent.rpartition("/")[0]
    return sorted(f for f in folders if f not in filled and f.rpartition("/")[0] in filled)

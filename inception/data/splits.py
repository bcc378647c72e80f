"""The names that splits go by, told from those of classes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inception.errors import InputError

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
GENERIC = {  # words beside a split's in a folder's name that make it no class
    *("data", "dataset", "folder", "image", "images", "img", "imgs", "photo", "photos", "pics"),
    *("picture", "pictures", "sample", "samples", "seg", "set", "split"),
}
WORD = {word: split for split, words in SPLITS.items() for word in words}


def split_of(name: str, beside: Iterable[str] = ()) -> str | None:
    """The split a name means: ``train`` for ``train2017``, ``Training_Set``, ``trainset``.

    None for any other name: a ``freight_train`` is none, unless ``freight`` is one of the words
    ``beside``, which all names share.
    """
    words = [word for word in _words(name) if not word.isdigit()]
    found = [WORD[word] for word in words if word in WORD]
    rest = {word for word in words if word not in WORD}
    return found[0] if len(found) == 1 and rest <= GENERIC | set(beside) else None


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """The split of each name that means one, where several may share a word: ``pets_train``."""
    words = {name: set(_words(name)) for name in names}
    with_split = {name: found for name, found in words.items() if len(found & set(WORD)) == 1}
    several = len({WORD[word] for found in with_split.values() for word in found & set(WORD)}) > 1
    shared = set.intersection(*with_split.values()) if several else set()
    splits = {name: split_of(name, shared) for name in words}
    return {name: split for name, split in splits.items() if split is not None}


def split_of_shard(name: str) -> str | None:
    """The split that a shard's file name speaks of, whatever else is in it.

    Raises:
        InputError: it speaks of two.
    """
    found = {WORD[word] for word in _words(name) if word in WORD}
    if len(found) > 1:
        raise InputError(f"{name} names more than one split: {', '.join(sorted(found))}")
    return next(iter(found), None)


def _words(name: str) -> list[str]:
    """Runs of letters and of digits, in lower case; ``trainSet`` and ``trainset`` are two."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for run in re.findall(r"[^\W\d_]+|\d+", parted) for part in _parts(run.lower())]


def _parts(run: str) -> list[str]:
    for end in GENERIC:
        if run.endswith(end) and run.removesuffix(end) in WORD:
            return [run.removesuffix(end), end]
    return [run]

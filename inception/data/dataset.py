"""A set of labelled pictures, and what lies at a place: splits that share their classes."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inception.data.blocks import Blocks, shuffled
from inception.data.holdout import Fold, held_out, in_fold
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.listing import number, some
from inception.data.sources import Source
from inception.errors import InputError, unknown
from inception.machine import available_cores
from inception.remote import Place

DIGESTED = 20_000  # pictures whose bytes a set's digest reads: seconds
DIGESTED_FAR = 2_000  # of a set that is far away or larger than memory
SPARSE = 4  # fewer than one in so many pictures of the blocks they lie in are read one by one


@dataclass(frozen=True)
class Dataset:
    """One split: numbered pictures with labels.

    Attributes:
        labels: ``[N]`` class indices, int64.
        rows: ``[N]`` where each picture stands in ``source``.
        notes: what was left out or decided where the set was read, a line each.
    """

    name: str
    source: Source
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        classes = reprlib.repr(self.classes)
        return f"Dataset({self.name!r}, {number(len(self), 'picture')}, classes={classes})"

    def __len__(self) -> int:
        return len(self.rows)

    def key(self, index: int) -> str:
        """What names the picture among the others, whatever the machine."""
        return self.source.keys[int(self.rows[index])]

    def path(self, index: int) -> str:
        """Where the picture lies, for messages."""
        return self.source.path(int(self.rows[index]))

    def encoded(self, index: int) -> bytes:
        """The picture's bytes as stored. Raises ``UnreadableImageError``."""
        return self.source.read(int(self.rows[index]))

    def read(self, index: int) -> Picture:
        """The picture, ``uint8 [H, W, 3]``. Raises ``UnreadableImageError``."""
        return read_image(self.encoded(index), name=self.path(index))

    def sample(self, index: int) -> bytes:
        """A digest of the picture's size and some of its bytes: equal where pictures are."""
        try:
            return self.source.sample(int(self.rows[index]))
        except UnreadableImageError:  # told when it is read
            return f"unreadable {self.key(index)}".encode("utf-8", "surrogatepass")

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64], name: str) -> Dataset:
        """The chosen pictures, by mask or by index."""
        return replace(self, name=name, labels=self.labels[chosen], rows=self.rows[chosen])

    def limited(self, limit: int | None, seed: int = 0) -> Dataset:
        """At most ``limit`` pictures, drawn by ``seed``, in their old order."""
        if limit is None or limit >= len(self):
            return self
        if limit < 1:
            raise InputError(f"a limit must be at least 1 picture; got {limit}")
        drawn = np.random.default_rng(seed).permutation(len(self))[:limit]
        return self.subset(np.sort(drawn), self.name)

    def with_classes(self, classes: Sequence[str]) -> Dataset:
        """The same pictures with labels in the order of ``classes``, a model's for example.

        Raises:
            InputError: a class of this set is not among them.
        """
        places = {name: i for i, name in enumerate(classes)}
        present = [self.classes[i] for i in np.unique(self.labels)]
        strange = [name for name in present if name not in places]
        if strange:
            raise InputError(
                f"the {self.name} set has classes the model does not know: {several(strange)}; "
                f"the model's are: {several(classes)}"
            )
        order = np.array([places.get(name, -1) for name in self.classes], dtype=np.int64)
        return replace(self, classes=tuple(classes), labels=order[self.labels])

    @property
    def blocks(self) -> Blocks | None:
        """Which of its pictures are read together; none where each may be read by itself."""
        of = self.source.blocks
        return None if of is None else Blocks(of.numbers[self.rows], of.window)

    def dealt(self, indices: npt.NDArray[np.int64], parts: int) -> list[npt.NDArray[np.int64]]:
        """Parts of nearly equal size, each with blocks of its own, but for those in between."""
        blocks = self.blocks if parts > 1 else None
        if blocks is not None:
            block = blocks.numbers[indices]
            indices = indices[np.lexsort((block, block % parts))]
        return np.array_split(indices, parts)

    def in_turn(self, indices: Sequence[int]) -> Iterator[int]:
        """The indices as they are; what those further on lie in is read meanwhile."""
        blocks = self.blocks
        if blocks is None or not len(indices):
            yield from indices
            return
        present, first = np.unique(blocks.numbers[np.asarray(indices)], return_index=True)
        there = np.isin(blocks.numbers, present).sum()
        ahead = len(indices) // len(present) + 1 if SPARSE * len(indices) >= there else 0
        due = iter(sorted(zip((first - ahead).tolist(), present.tolist(), strict=True)))
        upcoming = next(due, None) if ahead else None
        for place, index in enumerate(indices):
            while upcoming is not None and upcoming[0] <= place:
                self.source.expect(upcoming[1])
                upcoming = next(due, None)
            yield int(index)

    def fingerprint(self) -> str:
        """A hash of keys, labels and classes, in order."""
        digest = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogatepass"))
        for row, label in zip(self.rows, self.labels, strict=True):
            line = f"\n{self.source.keys[row]}\t{label}"
            digest.update(line.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def digest(self) -> str:
        """A hash of classes, labels, keys and the pictures as stored, in order.

        Of a set of more than ``DIGESTED`` pictures so many, evenly spread, are read; of one that
        lies in blocks, ``DIGESTED_FAR``.
        """
        digest = hashlib.sha256(self.fingerprint().encode())
        step = max(1, len(self) // DIGESTED)
        chosen: Sequence[int] = range(0, len(self), step)
        if (blocks := self.blocks) is not None:  # some of them whole, rather than a bit of each
            order = shuffled(np.arange(len(self)), np.random.default_rng(0), blocks)
            chosen = order[:DIGESTED_FAR].tolist()
        with ThreadPoolExecutor(available_cores(), thread_name_prefix="digest") as pool:
            for content in pool.map(self.content, self.in_turn(chosen)):
                digest.update(content)
        return digest.hexdigest()[:32]

    def content(self, index: int) -> bytes:
        """A hash of the picture's bytes as stored."""
        return content_hash(self.encoded, index)


def content_hash(encoded: Callable[[int], bytes], index: int) -> bytes:
    """A hash of one picture's bytes, the same of all that cannot be read."""
    try:
        return hashlib.sha256(encoded(index)).digest()
    except UnreadableImageError:
        return b"unreadable"


@dataclass(frozen=True)
class Data:
    """What lies at a place: splits by name, ``train``, ``val``, ``test`` or ``all``.

    Attributes:
        notes: what was left out, a line each.
    """

    place: Place
    classes: tuple[str, ...]
    splits: Mapping[str, Dataset]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Data({str(self.place)!r}, {list(self.splits.values())})"

    def for_training(self, seed: int, fold: Fold | None = None) -> tuple[Dataset, Dataset]:
        """The training and the validation set; a tenth is held out where there is no latter.

        A test set is never used to choose. What is held out: ``holdout.held_out``. With a fold it
        validates, and is cut out of the training pictures whatever other splits there are.

        Raises:
            InputError: no training pictures, only one class, or a fold without any.
        """
        train = self.splits.get("train") or self.splits.get("all")
        if train is None:
            raise InputError(
                f"no training set in {self.place}: found {several(self.splits)}"
                + "".join(f"; {note}" for note in self.notes)
            )
        if len(self.classes) < 2:
            raise InputError(
                f"training needs at least two classes; {self.place} has {several(self.classes)}"
            )
        if fold is not None:
            return self._folded(train, seed, fold)
        if "val" in self.splits:
            return replace(train, notes=self.notes), self.splits["val"]
        held = held_out(train.labels, [train.sample(i) for i in range(len(train))], seed)
        if not held.any():
            raise InputError(
                f"{self.place} has too few pictures ({len(train)}) to hold some out: each class "
                f"has only one, or copies of one"
            )
        notes = (*self.notes, *_holdout_notes(train, held))
        return replace(train.subset(~held, "train"), notes=notes), train.subset(held, "val")

    def _folded(self, train: Dataset, seed: int, fold: Fold) -> tuple[Dataset, Dataset]:
        samples = [train.sample(i) for i in range(len(train))]
        folds = [Fold(n, fold.of) for n in range(1, fold.of + 1)]
        parts = [in_fold(train.labels, samples, seed, each) for each in folds]
        held, classes = parts[fold.number - 1], len(np.unique(train.labels))
        if not all(p.any() and len(np.unique(train.labels[~p])) == classes for p in parts):
            raise InputError(
                f"{self.place} has too few pictures ({len(train)}) for {fold.of} folds: one would "
                "be empty, or leave a class nothing to learn from"
            )
        out = f"; {', '.join(n for n in self.splits if n != train.name)} left out"
        note = (
            f"fold {fold.number} of {fold.of}: {number(int(held.sum()), 'picture')} of "
            f"{len(train):,} validate{out if len(self.splits) > 1 else ''}"
        )
        learning = replace(train.subset(~held, "train"), notes=(*self.notes, note))
        return learning, train.subset(held, "val")

    def for_evaluation(self, split: str | None = None) -> Dataset:
        """The split of that name; else val, else test, else all there is.

        Raises:
            InputError: no such split.
        """
        if split is not None:
            if split not in self.splits:
                raise unknown("split", split, self.splits)
            return self.splits[split]
        return next(
            self.splits[name] for name in ("val", "test", "all", "train") if name in self.splits
        )


def _holdout_notes(train: Dataset, held: npt.NDArray[np.bool_]) -> list[str]:
    lines = [f"no validation set: {number(int(held.sum()), 'picture')} of {len(train):,} held out"]
    missing = np.setdiff1d(train.labels[~held], train.labels[held])
    if len(missing):
        names = some([train.classes[i] for i in missing], 4)
        lines.append(f"nothing held out of {number(len(missing), 'class')}, too small: {names}")
    return lines


def several(names: Mapping[str, object] | Sequence[str], most: int = 8) -> str:
    """The first of several names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

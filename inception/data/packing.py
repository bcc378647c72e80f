"""A data set as tar shards: shuffled, balanced, each with an index beside it that checks it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from inception.data.blocks import shuffled
from inception.data.dataset import Data, Dataset
from inception.data.images import FORMATS, UnreadableImageError, read_image
from inception.data.ordered import ordered_map
from inception.data.tar_index import HEADER
from inception.errors import InputError
from inception.files import replacing, write_text

INDEX = "index.json"  # what is to lie in the folder, and in the end what does
SUMS = "SHA256SUMS"  # the same for sha256sum --check
ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}
QUALITY = 95  # of JPEG files written in place of larger pictures


@dataclass(frozen=True)
class Packing:
    """How shards are made.

    Attributes:
        per_shard: at most so many pictures in one.
        resize: pictures with a longer shorter side are made that small, and JPEG; in pixels.
        seed: of the order.
    """

    per_shard: int = 5_000
    resize: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Shard:
    """A file to be: which pictures of a split it holds, in order; the first one's number."""

    name: str
    first: int
    dataset: Dataset
    rows: npt.NDArray[np.int64]


@dataclass
class Packed:
    """What lies in a folder of shards.

    Attributes:
        shards: of each its ``name``, ``pictures``, ``bytes`` and ``sha256``.
        unreadable: path and reason of pictures that are in none of them.
        left: shards that others have still to make.
    """

    shards: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    left: int = 0

    def __str__(self) -> str:
        pictures = sum(shard["pictures"] for shard in self.shards)
        size = sum(shard["bytes"] for shard in self.shards) / 1e6
        left = f"; {self.left:,} shards are left to other shares" * bool(self.left)
        return f"{pictures:,} pictures in {len(self.shards):,} shards, {size:,.1f} MB{left}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def plan_shards(data: Data, how: Packing) -> list[Shard]:
    """Every picture once, in shards of nearly equal size that each hold a like share of a class.

    Pictures that lie in blocks (``data.blocks``) are drawn from a few at a time, whatever class.
    """
    shards = []
    for split, dataset in data.splits.items():
        rng = np.random.default_rng(how.seed)
        count = math.ceil(len(dataset) / how.per_shard)
        blocks = dataset.blocks
        drawn = shuffled(np.arange(len(dataset)), rng, blocks)
        by_class = drawn[np.argsort(dataset.labels[drawn], kind="stable")]
        parts = [rng.permutation(by_class[number::count]) for number in range(count)]
        if blocks is not None:  # else every shard would read all of them
            parts = np.array_split(drawn, count)
        first = accumulate(map(len, parts), initial=0)
        shards += [
            Shard(f"{split}-{number:05d}", start, dataset, rows)
            for number, (start, rows) in enumerate(zip(first, parts, strict=False))
        ]
    return shards


def pack(
    data: Data,
    out: Path,
    how: Packing,
    *,
    threads: int,
    share: tuple[int, int] = (0, 1),
    done: Callable[[int, int], None] = lambda done, total: None,
) -> Packed:
    """Writes the shards that are missing; the folder is a data set when all are there.

    Args:
        data: what is packed.
        out: the folder, new or with what an earlier call with the same arguments left.
        how: settings, which decide every byte.
        threads: that read pictures.
        share: this process makes every so-manieth shard: its number, and that of all.
        done: told pictures done and in all, of this process.

    Raises:
        InputError: the folder holds something else, or cannot be written to.
    """
    plan = _plan(data, how)
    _claim(data, out, plan)
    shards = plan_shards(data, how)
    own = shards[share[0] :: share[1]]
    total, before = sum(len(shard.rows) for shard in own), 0
    for shard in own:
        if _made(out, shard.name, plan) is None:
            for number in _write(shard, out, plan, how, threads):
                done(before + number, total)
        before += len(shard.rows)
        done(before, total)
    return _conclude(data, out, plan, [shard.name for shard in shards])


def _plan(data: Data, how: Packing) -> str:
    """A hash of what will be written."""
    prints = {split: dataset.fingerprint() for split, dataset in data.splits.items()}
    return hashlib.sha256(json.dumps([prints, asdict(how)]).encode()).hexdigest()[:32]


def _claim(data: Data, out: Path, plan: str) -> None:
    """Makes the folder this packing's. Raises ``InputError`` where it is anything else's."""
    try:
        there = [name for name in os.listdir(out) if name[0] != "."] if out.exists() else []
    except OSError as error:
        raise InputError(f"{out} is no folder to write to ({error.strerror})") from error
    if INDEX not in there:
        if there:
            raise InputError(f"{out} holds other files: name another folder")
        _check_names(data.classes)
        write_text(out / INDEX, json.dumps({"plan": plan}))
    elif _json(out / INDEX).get("plan") != plan:
        raise InputError(f"{out} holds shards of other pictures or settings: name another folder")
    if "classes.txt" not in there:
        write_text(out / "classes.txt", "".join(f"{name}\n" for name in data.classes))


def _check_names(classes: Sequence[str]) -> None:
    for name in classes:
        if name != name.strip() or not name or len(name.splitlines()) > 1:
            raise InputError(f"class {name!r} cannot stand on a line of classes.txt: rename it")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _made(out: Path, name: str, plan: str) -> dict[str, Any] | None:
    """The index of a shard that is finished."""
    index, tar = _json(out / f"{name}.json"), out / f"{name}.tar"
    whole = index.get("plan") == plan and tar.exists() and tar.stat().st_size == index["bytes"]
    return index if whole else None


def _write(shard: Shard, out: Path, plan: str, how: Packing, threads: int) -> Iterator[int]:
    """Writes a shard, then the index that says it is whole; gives how many pictures are in."""
    index = _Index(shard)
    path = out / f"{shard.name}.tar"
    with replacing(path) as beside, beside.open("wb+") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for number, content in enumerate(_contents(shard, how, threads)):
                if isinstance(content, UnreadableImageError):
                    index.unreadable.append((content.name, content.reason))
                else:
                    index.add(number, content, tar, file)
                yield number + 1
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    values = {"plan": plan, "bytes": size, "sha256": digest, **index.to_json()}
    write_text(out / f"{shard.name}.json", json.dumps(values))


class _Index:
    """Where pictures stand in a shard, and what they were before."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.unreadable: list[tuple[str, str]] = []
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("keys", "labels", "offsets", "sizes", "headers", "paths")
        }

    def add(self, number: int, content: bytes, tar: tarfile.TarFile, file: Any) -> None:
        """Writes a picture and its label."""
        row = int(self.shard.rows[number])
        dataset, stem = self.shard.dataset, f"{self.shard.first + number:09d}"
        label, key = str(dataset.labels[row]), f"{stem}.{_ending(content)}"
        start = tar.offset
        for name, data in ((key, content), (f"{stem}.cls", label.encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        end = file.tell()
        file.seek(start)
        values = (key, label, start + HEADER, len(content), zlib.crc32(file.read(HEADER)))
        file.seek(end)
        for column, value in zip(self.columns.values(), (*values, dataset.key(row)), strict=True):
            column.append(value)

    def to_json(self) -> dict[str, Any]:
        return {"unreadable": self.unreadable, **self.columns}


def _contents(shard: Shard, how: Packing, threads: int) -> Iterator[bytes | UnreadableImageError]:
    def content(row: int) -> bytes | UnreadableImageError:
        try:
            return _resized(shard.dataset.encoded(row), shard.dataset.path(row), how)
        except UnreadableImageError as error:
            return error

    rows = shard.dataset.in_turn(shard.rows.tolist())
    return ordered_map(content, rows, threads=threads, ahead=4 * threads)


def _resized(data: bytes, name: str, how: Packing) -> bytes:
    """The picture as it goes into a shard. Raises ``UnreadableImageError`` where it is none."""
    if how.resize is None:
        _ending(data, name)
        return data
    picture = read_image(data, name=name)
    height, width = picture.shape[:2]
    if min(height, width) <= how.resize:
        return data
    scale = how.resize / min(height, width)
    image = Image.fromarray(picture).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
    )
    written = io.BytesIO()
    image.save(written, "JPEG", quality=QUALITY, subsampling=0)
    return written.getvalue()


def _ending(data: bytes, name: str = "") -> str:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            kind = image.format or ""
    except Exception as error:  # a decoder's failure of any kind is the picture's
        raise UnreadableImageError(name, "not a picture in any known format") from error
    return ENDINGS.get(kind, kind.lower())


def _conclude(data: Data, out: Path, plan: str, names: Sequence[str]) -> Packed:
    """What is there; written down once all of it is."""
    packed = Packed()
    for name in names:
        if (index := _made(out, name, plan)) is None:
            packed.left += 1
            continue
        tar = {"name": f"{name}.tar", "pictures": len(index["keys"])}
        packed.shards.append({**tar, "bytes": index["bytes"], "sha256": index["sha256"]})
        packed.unreadable += [(path, reason) for path, reason in index["unreadable"]]
    if not packed.left:
        sums = "".join(f"{shard['sha256']}  {shard['name']}\n" for shard in packed.shards)
        write_text(out / SUMS, sums)
        values = {"plan": plan, "classes": data.classes, **packed.to_json()}
        write_text(out / INDEX, json.dumps(values))
    return packed

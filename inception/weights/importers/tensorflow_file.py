"""TensorFlow's checkpoints, of one file (the first form) or of index and data; frozen graphs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inception.errors import InputError
from inception.weights.importers.wire import (
    Damaged,
    Value,
    cut,
    fields,
    float32,
    map_file,
    submessage,
    text,
    varint,
    varints,
)

MAGIC = bytes.fromhex("57fb808b247547db")  # the last bytes of a table
FOOTER, TRAILER = 48, 5  # bytes of a table; after each block: its compression and a checksum
FLOAT = 1  # the number of float32 among TensorFlow's types
LARGEST_RANK, LARGEST_SIZE, LONGEST_KEY = 8, 1 << 40, 4096
MOST_ENTRIES, LONGEST_KEYS = 1 << 17, 1 << 24  # of a table; the longest of ours has 908
MOST_PIECES = 1 << 16  # of a tensor whose values are kept one by one
EMPTY = memoryview(b"")


def is_table(path: Path) -> bool:
    """Whether a file is a table of keys and values: a checkpoint, or the index of one."""
    with path.open("rb") as file:
        file.seek(0, 2)
        if file.tell() < FOOTER:
            return False
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The float variables of a checkpoint by name, views of the mapped files.

    Args:
        path: the one file, the ``.index``, or what the names of index and data have in common.

    Raises:
        InputError: a file is missing or damaged, or a variable is split over several slices.
    """
    try:
        entries = list(_table(map_file(path)))
        if any(key == b"" and _has_slices(value) for key, value in entries):
            return _first_form(entries)
        return _second_form(entries, path)
    except Damaged as error:
        raise InputError(f"{path}: a damaged checkpoint ({error})") from error


def _table(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a table, in order: TensorFlow's and LevelDB's format.

    Raises:
        Damaged: it breaks off, or gives more than it holds by telling the same bytes again.
    """
    footer = cut(data, len(data) - FOOTER, FOOTER)
    _, position = _handle(footer, 0)
    (start, size), _ = _handle(footer, position)
    entries = told = keys = 0
    for _, handle in _block(data, start, size):
        (start, size), _ = _handle(handle, 0)
        told += size
        for key, value in _block(data, start, size):
            entries, keys = entries + 1, keys + len(key)
            if told > len(data) or entries > MOST_ENTRIES or keys > LONGEST_KEYS:
                raise Damaged("it tells the same bytes again and again")
            yield key, value


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    start, position = varint(data, position)
    size, position = varint(data, position)
    return (start, size), position


def _block(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """A block's entries; each key is told by what it shares with the one before."""
    block = cut(data, start, size + TRAILER)
    if block[size] != 0:
        raise Damaged("its blocks are compressed, which TensorFlow's savers never do")
    restarts = int.from_bytes(cut(block, size - 4, 4), "little")
    end, position, key = size - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise Damaged("a block is shorter than its own index")
    while position < end:
        shared, position = varint(block, position)
        unshared, position = varint(block, position)
        length, position = varint(block, position)
        key = key[:shared] + bytes(cut(block[:end], position, unshared))
        if len(key) > LONGEST_KEY:  # short entries can make each other's keys ever longer
            raise Damaged(f"a name of {len(key):,} characters")
        yield key, cut(block[:end], position + unshared, length)
        position += unshared + length


def _has_slices(header: memoryview) -> bool:
    """Whether the entry without a key is a SavedTensorSlices: its first field holds messages."""
    return any(number == 1 and not isinstance(value, int) for number, value in fields(header))


def _first_form(entries: list[tuple[bytes, memoryview]]) -> dict[str, Tensor]:
    """The entry without a key has shapes; each other holds the values of one variable."""
    shapes, values = {}, {}
    for key, entry in entries:
        for number, value in fields(entry):
            if key == b"" and number == 1:
                metas = [submessage(v) for n, v in fields(submessage(value)) if n == 1]
                shapes = {
                    name: shape for name, kind, shape in map(_saved_meta, metas) if kind == FLOAT
                }
            elif key != b"" and number == 2:
                saved = dict(fields(submessage(value)))
                name = text(saved.get(1, EMPTY))
                values[name] = submessage(saved.get(3, EMPTY))
    for name in shapes.keys() - values.keys():
        raise Damaged(f"{name} has no values")
    return {name: _values(values[name], shape, name) for name, shape in shapes.items()}


def _saved_meta(message: memoryview) -> tuple[str, Value, list[int]]:
    """Name, type and shape of a SavedSliceMeta."""
    meta = dict(fields(message))
    return text(meta.get(1, EMPTY)), meta.get(3, 0), _shape(submessage(meta.get(2, EMPTY)))


def _second_form(entries: list[tuple[bytes, memoryview]], path: Path) -> dict[str, Tensor]:
    """The table is an index: where in which shard a variable lies."""
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    header = next((value for key, value in entries if key == b""), EMPTY)
    head = dict(fields(header))
    shards, tensors = head.get(1, 0), {}
    if not isinstance(shards, int) or not shards or head.get(2, 0) != 0:
        raise Damaged("its header names no shards, or is of a big-endian machine")
    data: dict[int, memoryview] = {}
    told: Counter[int] = Counter()
    for key, value in entries:
        if key == b"":
            continue
        entry = dict(fields(value))
        name, shard = text(memoryview(key)), entry.get(3, 0)
        if entry.get(1) != FLOAT:
            continue
        if 7 in entry:
            raise Damaged(f"{name} is split into slices, which is not read")
        if not isinstance(shard, int) or shard >= shards:
            raise Damaged(f"{name} lies in a shard that there is not")
        if shard not in data:
            data[shard] = _map_shard(prefix, shard, shards)
        start, size = (entry.get(n, 0) for n in (4, 5))
        if not isinstance(start, int) or not isinstance(size, int):
            raise Damaged(f"{name} has no place")
        values = cut(data[shard], start, size)
        told[shard] += size
        if told[shard] > len(data[shard]):
            raise Damaged(f"{name} lies where others do")
        tensors[name] = _floats(values, _shape(submessage(entry.get(2, EMPTY))), name)
    return tensors


def _map_shard(prefix: Path, shard: int, shards: int) -> memoryview:
    path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    if not path.is_file():
        raise Damaged(f"{path.name} is missing beside it")
    return map_file(path)


def read_graph(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The constants of a frozen graph by node, and the attributes of its other nodes.

    Raises:
        InputError: the file is no graph, or is damaged.
    """
    tensors: dict[str, Tensor] = {}
    nodes: dict[str, Any] = {}
    try:
        for number, value in fields(map_file(path)):
            if number != 1:
                continue
            name, operation, attributes = _node(submessage(value))
            if len(tensors) + len(nodes) > MOST_ENTRIES:
                raise Damaged(f"more than {MOST_ENTRIES:,} nodes")
            if operation != "Const":
                nodes[name] = {"op": operation, **_attributes(attributes)}
                continue
            tensor = _tensor(_constant(attributes), name)
            if tensor is not None and tensor.ndim:
                tensors[name] = tensor
    except Damaged as error:
        raise InputError(f"{path}: damaged, or no frozen graph ({error})") from error
    if not tensors:
        raise InputError(f"{path}: no constants, so no frozen graph")
    return tensors, nodes


def _node(message: memoryview) -> tuple[str, str, dict[str, memoryview]]:
    """Name, operation and attributes of a NodeDef."""
    name, operation, attributes = "", "", {}
    for number, value in fields(message):
        if number == 1:
            name = text(value)
        elif number == 2:
            operation = text(value)
        elif number == 5:
            entry = dict(fields(submessage(value)))
            key = text(entry.get(1, EMPTY))
            attributes[key] = submessage(entry.get(2, EMPTY))
    return name, operation, attributes


def _attributes(attributes: dict[str, memoryview]) -> dict[str, str | int | float | list[int]]:
    """Attributes of the kinds that layers have: strings, integers, floats, lists of integers."""
    read: dict[str, str | int | float | list[int]] = {}
    for name, message in attributes.items():
        for number, value in fields(message):
            if number == 2:
                read[name] = text(value)
            elif number == 3 and isinstance(value, int):
                read[name] = value
            elif number == 4:
                read[name] = float32(value)
            elif number == 1:
                read[name] = [i for n, v in fields(submessage(value)) if n == 3 for i in varints(v)]
    return read


def _constant(attributes: dict[str, memoryview]) -> memoryview:
    for number, value in fields(attributes.get("value", EMPTY)):
        if number == 8:
            return submessage(value)
    return EMPTY


def _tensor(message: memoryview, name: str) -> Tensor | None:
    """A TensorProto of floats; ``None`` for other types."""
    head = dict(fields(message))
    if head.get(1) != FLOAT:
        return None
    return _values(message, _shape(submessage(head.get(2, EMPTY))), name)


def _values(message: memoryview, shape: list[int], name: str) -> Tensor:
    """The floats of a TensorProto: raw, one by one, or one for all."""
    found = (submessage(value) for number, value in fields(message) if number in (4, 5))
    pieces = list(islice(found, MOST_PIECES + 1))
    if len(pieces) > MOST_PIECES:
        raise Damaged(f"{name} is in more than {MOST_PIECES:,} pieces")
    data = pieces[0] if len(pieces) == 1 else memoryview(bytearray(b"".join(pieces)))
    if len(data) == 4 and math.prod(shape) > 1:
        return _floats(data, [1], name).expand(tuple(shape))
    return _floats(data, shape, name)


def _floats(data: memoryview, shape: list[int], name: str) -> Tensor:
    if len(data) != 4 * math.prod(shape):
        raise Damaged(f"{name} has {len(data):,} bytes for a shape of {shape}")
    if not len(data):
        return torch.empty(0)
    return torch.frombuffer(data, dtype=torch.float32).reshape(tuple(shape))


def _shape(message: memoryview) -> list[int]:
    """A TensorShapeProto."""
    sizes: list[int] = []
    for number, value in fields(message):
        if number == 2:
            size = dict(fields(submessage(value))).get(1, 0)
            if not isinstance(size, int) or len(sizes) == LARGEST_RANK:
                raise Damaged("a shape that no tensor has")
            sizes.append(size)
    if math.prod(sizes) > LARGEST_SIZE:
        raise Damaged("a shape that no tensor has")
    return sizes

"""Protocol buffers as bytes: fields by number, values as views of the mapped file.

Forty lines instead of the protobuf package, because nothing here is copied or allocated by what a
message claims (protobuf parses half a gigabyte of VGG twice over), no schema has to be compiled,
and TensorFlow's tables, which are no protocol buffers, need the same numbers.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from inception.errors import InputError

Value: TypeAlias = int | memoryview
LARGEST_VARINT = 10  # bytes


class Damaged(InputError):
    """Bytes that break off or make no sense; whoever opened the file adds its name."""


def map_file(path: Path) -> memoryview:
    """A file's bytes, read when they are looked at."""
    if path.stat().st_size == 0:
        raise Damaged("the file is empty")
    with path.open("rb") as file:
        # a private copy-on-write map: torch warns about memory that it must not write to
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Every field of a message in order: its number, and an integer or its bytes.

    Raises:
        Damaged: a field breaks off, or has a wire type that is not in use.
    """
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = varint(message, position)
            yield number, value
            continue
        if wire_type == 2:
            size, position = varint(message, position)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise Damaged(f"byte {position} is no field of a protocol buffer")
        yield number, cut(message, position, size)
        position += size


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """An integer of variable length at a place, and the place after it."""
    number = 0
    for i, byte in enumerate(data[position : position + LARGEST_VARINT]):
        number |= (byte & 127) << (7 * i)
        if byte < 128:
            return number, position + i + 1
    raise Damaged("an integer breaks off")


def cut(data: memoryview, start: int, size: int) -> memoryview:
    """``size`` bytes from ``start``, or an error where there are fewer."""
    if start + size > len(data):
        raise Damaged(f"{size:,} bytes are promised where {max(len(data) - start, 0):,} are left")
    return data[start : start + size]


def varints(value: Value) -> list[int]:
    """A repeated integer, packed or single."""
    if isinstance(value, int):
        return [value]
    numbers, position = [], 0
    while position < len(value):
        number, position = varint(value, position)
        numbers.append(number)
    return numbers


def text(value: Value) -> str:
    """A string."""
    if isinstance(value, int):
        raise Damaged("a number stands where a name should")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise Damaged("a name is not text") from error


def submessage(value: Value) -> memoryview:
    """The bytes of a message within a message."""
    if isinstance(value, int):
        raise Damaged("a number stands where a message should")
    return value


def float32(value: Value) -> float:
    """A single float, as its shortest decimal: 0.0001 and not 0.00009999999747."""
    data = submessage(value)
    if len(data) != 4:
        raise Damaged("a number has the wrong size")
    return float(str(np.frombuffer(data, "<f4")[0]))

"""``.caffemodel``: layers and their blobs, of the format since 2014 and of the one before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from inception.errors import InputError
from inception.weights.importers.wire import (
    Damaged,
    Value,
    fields,
    map_file,
    submessage,
    text,
    varints,
)

# numbers of the fields in BVLC's caffe.proto
NET_LAYERS_V1, NET_LAYER = 2, 100
NAME, BLOBS = {NET_LAYER: 1, NET_LAYERS_V1: 4}, {NET_LAYER: 7, NET_LAYERS_V1: 6}
BLOB_OLD_SHAPE, BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLES = (1, 2, 3, 4), 5, 7, 8
SHAPE_DIM = 1
PARTS = ("weight", "bias")  # of a convolution's or a linear layer's blobs

LONGEST_NAME, MOST_BLOBS, LARGEST_RANK = 4096, 8, 8  # the networks we read have two blobs a layer


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Blobs as ``layer/weight`` and ``layer/bias``, views of the mapped file.

    Raises:
        InputError: the file is no Caffe network with weights, or is damaged.
    """
    try:
        tensors = {}
        for number, value in fields(map_file(path)):
            if number in NAME:
                name, blobs = _layer(submessage(value), NAME[number], BLOBS[number])
                if len(name) > LONGEST_NAME or len(blobs) > MOST_BLOBS:
                    raise Damaged(f"{name[:40]}: {len(blobs):,} blobs")
                for i, blob in enumerate(blobs):
                    part = PARTS[i] if i < len(PARTS) else f"blob {i}"
                    tensors[f"{name}/{part}"] = _blob(blob, name)
    except Damaged as error:
        raise InputError(f"{path}: damaged, or no Caffe model ({error})") from error
    if not tensors:
        raise InputError(f"{path}: no layer with weights, so no Caffe model")
    return tensors


def _layer(message: memoryview, name: int, blobs: int) -> tuple[str, list[memoryview]]:
    found, values = "", []
    for number, value in fields(message):
        if number == name:
            found = text(value)
        elif number == blobs:
            values.append(submessage(value))
    return found, values


def _blob(message: memoryview, layer: str) -> Tensor:
    shape: list[int] = []
    old = dict.fromkeys(BLOB_OLD_SHAPE, 1)
    pieces: list[memoryview] = []
    for number, value in fields(message):
        if number in old and isinstance(value, int):
            old[number] = value
        elif number == BLOB_SHAPE:
            shape = _shape(submessage(value))
        elif number == BLOB_DATA:
            pieces.append(submessage(value))
        elif number == BLOB_DOUBLES:
            raise Damaged(f"{layer} is in double precision, which no published model is")
    return floats(pieces, shape or _without_ones(list(old.values())), layer)


def floats(pieces: Sequence[memoryview], shape: Sequence[int], name: str) -> Tensor:
    """A float32 tensor over bytes; copied only where they lie in pieces."""
    data = pieces[0] if len(pieces) == 1 else bytearray(b"".join(pieces))
    if len(data) != 4 * math.prod(shape):
        raise Damaged(f"{name} has {len(data):,} bytes for a shape of {list(shape)}")
    if not len(data):
        return torch.empty(0)
    return torch.frombuffer(data, dtype=torch.float32).reshape(tuple(shape))


def _shape(message: memoryview) -> list[int]:
    dims: list[Value] = [value for number, value in fields(message) if number == SHAPE_DIM]
    shape = [size for value in dims for size in varints(value)]
    if len(shape) > LARGEST_RANK:
        raise Damaged("a shape that no blob has")
    return shape


def _without_ones(shape: list[int]) -> list[int]:
    """The old form has four axes always: a matrix is 1x1xNxM, a bias 1x1x1xN."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape

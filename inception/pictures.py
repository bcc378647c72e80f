"""What a caller may give as pictures: places, addresses, bytes, Pillow's, arrays and tensors."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt
from PIL import Image

from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.sources import pictures_at
from inception.data.tars import check_not_compressed
from inception.errors import InputError
from inception.remote import Place, Remote, is_remote

if TYPE_CHECKING:
    from torch import Tensor

# A path (file, folder, glob, tar), an address (http, https), encoded bytes, Pillow's picture, an
# array uint8 [H, W, 3], a tensor [3, H, W] of uint8 or of real numbers from 0 to 1; of the last
# two also several at once, along a first axis
One: TypeAlias = Union[str, Path, bytes, Picture, Image.Image, "Tensor"]
Pictures: TypeAlias = One | Iterable[One]

MOST_BYTES = 1 << 26  # of a picture behind an address
_ADDRESS = re.compile("https?://")


@dataclass(frozen=True)
class Item:
    """A picture with what it is called.

    Attributes:
        source: a ``Source`` and an index, an address, bytes, Pillow's picture, an array, a tensor,
            or an error.
    """

    path: str
    source: Any


def is_one(pictures: Pictures) -> bool:
    """Whether that is one picture or place, rather than several."""
    return isinstance(pictures, str | Path | bytes | np.ndarray | Image.Image) or _tensor(pictures)


def is_address(name: str) -> bool:
    """Whether a picture is to be fetched from there."""
    return _ADDRESS.match(name) is not None and Remote(name).suffix != ".tar"


def check_paths(paths: Iterable[str]) -> None:
    """Raises ``InputError`` for the first path at which there is nothing that could be read."""
    for path in paths:
        if is_address(path):
            continue
        first = expanded(path)[0]
        if not _exists(first):
            raise InputError(f"no such file or folder: {path}")
        check_not_compressed(first)


def named(pictures: Iterable[One | Item]) -> Iterator[Item]:
    """The pictures; places without any wait for the first picture, and are an error without one."""
    empty: list[tuple[str, InputError]] | None = []
    for path, found in _found(pictures):
        if empty is not None and isinstance(found, InputError):
            empty.append((path, found))
            continue
        for place, error in empty or ():
            yield Item(place, error)
        empty = None
        yield Item(path, found)
    if empty:
        raise empty[0][1]


def _found(pictures: Iterable[One | Item]) -> Iterator[tuple[str, Any]]:
    for number, picture in enumerate(pictures):
        name = f"picture {number}"
        if isinstance(picture, Item):  # found already
            yield picture.path, picture.source
        elif isinstance(picture, str | Path):
            yield from _found_at(str(picture))
        elif isinstance(picture, bytes | Image.Image):
            yield name, picture
        elif isinstance(picture, np.ndarray) or _tensor(picture):
            many = enumerate(picture) if picture.ndim == 4 else ()
            yield from ((f"{name}[{at}]", each) for at, each in many)
            if picture.ndim != 4:
                yield name, picture
        else:
            kind = type(picture).__name__
            raise InputError(
                f"a picture is Pillow's, a path, an address, bytes, a uint8 array or a tensor; got "
                f"a {kind}"
            )


def _found_at(path: str) -> Iterator[tuple[str, Any]]:
    if is_address(path):
        yield path, path
        return
    try:
        places = expanded(path)
    except InputError as error:
        yield path, error
        return
    for place in places:
        try:
            yield from ((s.path(i), (s, i)) for s, i in pictures_at(place))
        except InputError as error:
            yield str(place), error
        except OSError as error:  # of a URL
            yield str(place), InputError(f"{place}: {error.strerror or error}")


def _exists(place: Place) -> bool:
    try:
        return place.exists()
    except OSError as error:
        raise InputError(f"{place} cannot be opened: {error.strerror or error}") from error


def expanded(path: str) -> Sequence[Place]:
    """The places a name stands for. Raises ``InputError`` where a pattern fits none."""
    if is_remote(path):
        return [Remote(path)]
    if Path(path).exists() or not any(sign in path for sign in "*?["):
        return [Path(path)]
    found = sorted(glob(path, recursive=True))
    if not found:
        raise InputError(f"no file matches {path}")
    return [Path(name) for name in found]


def read(item: Item, *, least_side: int | None = None) -> Picture:
    """The picture, ``uint8 [H, W, 3]``. Raises ``UnreadableImageError``."""
    if isinstance(item.source, InputError):
        told = str(item.source).removeprefix(f"{item.path}: ")
        nothing = told.startswith(f"no pictures in {item.path}")
        raise UnreadableImageError(item.path, "no pictures in it" if nothing else told)
    if isinstance(item.source, bytes | Image.Image):
        return read_image(item.source, name=item.path, least_side=least_side)
    if isinstance(item.source, str):
        return read_image(_fetched(item.source), name=item.path, least_side=least_side)
    if isinstance(item.source, np.ndarray):
        return _checked(item.source, item.path)
    if _tensor(item.source):
        return _checked(_array(item.source, item.path), item.path)
    source, index = item.source
    return read_image(source.read(index), name=item.path, least_side=least_side)


def _checked(picture: Picture, name: str) -> Picture:
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
        shape = f"{picture.dtype} {list(picture.shape)}"
        raise UnreadableImageError(name, f"an array must be uint8 [H, W, 3]; got {shape}")
    return picture


def _fetched(address: str) -> bytes:
    from inception.downloads import fetch  # and with it all that speaks to a network

    try:
        return fetch(address, most=MOST_BYTES)
    except InputError as error:
        raise UnreadableImageError(address, str(error)) from error


def _tensor(value: Any) -> bool:
    """Whether it is torch's, which only where torch is imported can be."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _array(tensor: Tensor, name: str) -> npt.NDArray[Any]:
    """A tensor as an array ``[H, W, 3]``, channels first or last; grey as RGB."""
    values = tensor.detach().cpu()
    if values.is_floating_point():
        values = values.float()
        if not bool(((values >= 0) & (values <= 1)).all()):  # NaN neither
            raise UnreadableImageError(
                name,
                "a tensor of real numbers is a picture from 0 to 1, not yet normalised; got "
                f"{values.min():.3g} to {values.max():.3g}",
            )
        values = (255 * values).round().byte()
    array = values.numpy()
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    return array.repeat(3, axis=2) if array.shape[2:] == (1,) else array

"""Keras' files: ``.h5`` of all ages, ``.weights.h5`` and the ``.keras`` archive around one.

Tensors are called ``layer/part``. Layers that were never named carry a number that goes up with
every layer Keras makes in a session, so they are numbered anew from 0, in the order of creation.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor

from inception.errors import InputError, not_installed

if TYPE_CHECKING:
    import h5py

AUTOMATIC = re.compile(r"(conv2d|batch_normalization|separable_conv2d|dense)(?:_(\d+))?")
NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
# parts of a layer that Keras 3 only numbers, by the class in the layer's place, longest name first
NUMBERED_PARTS: dict[str, tuple[str, ...]] = {
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
}
WEIGHTS, OPTIMISER = "model.weights.h5", "optimizer"


def read_h5(source: Path | IO[bytes], path: Path | None = None) -> dict[str, Tensor]:
    """The weights of an HDF5 file by layer and part.

    Args:
        source: the file, or an archive's member as a file.
        path: the file on disk, where that is not the source.

    Raises:
        InputError: h5py is not installed, or the file is damaged, or data lies outside it.
    """
    path = Path(str(source)) if path is None else path
    h5py = _h5py()
    try:
        with h5py.File(source, "r") as file:
            size = path.stat().st_size
            return _renumbered({n: _read(d, path, size) for n, d in _datasets(file, path)})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: a damaged HDF5 file ({error})") from error


def read_archive(path: Path) -> dict[str, Tensor]:
    """The weights in a ``.keras`` archive, which stores them plain."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(WEIGHTS)
            if member.compress_type != zipfile.ZIP_STORED:
                raise InputError(f"{path}: packed; unpack it and convert its {WEIGHTS}")
            with archive.open(member) as packed, TemporaryFile() as plain:
                shutil.copyfileobj(packed, plain)  # HDF5 jumps back and forth, an archive cannot
                return read_h5(plain, path)
    except (zipfile.BadZipFile, NotImplementedError, KeyError, OSError, ValueError) as error:
        raise InputError(f"{path}: no Keras archive with {WEIGHTS} ({error})") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise not_installed("h5py") from error
    return h5py


def _datasets(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every layer's weights as ``layer/part``."""
    for group, datasets in _groups(file, path):
        if not group.name.endswith("/vars"):  # Keras until 2, and 3 where it writes the old form
            places = (part for part in group.name.split("/") if part not in ("", "model_weights"))
            layer = next(places, "")
            yield from ((f"{layer}/{name.split(':')[0]}", d) for name, d in datasets.items())
            continue
        layer = group.attrs.get("name")
        if not isinstance(layer, str):
            raise InputError(f"{path}: the layers' names are not in it; save the model as .h5")
        parts = (f"{layer}/{part}" for part in _parts(group.name, len(datasets)))
        yield from zip(parts, (datasets[n] for n in sorted(datasets, key=int)), strict=True)


def _parts(place: str, count: int) -> Iterable[str]:
    """Names of numbered weights, by the layer's class in ``layers/conv2d_3/vars``."""
    kind = place.split("/")[-2]
    if kind.startswith("batch_normalization"):
        return NORM_PARTS[-count:]  # three where there is no gamma
    for name, parts in NUMBERED_PARTS.items():
        if kind.startswith(name):
            return parts[:count]
    return map(str, range(count))


def _groups(file: h5py.File, path: Path) -> Iterator[tuple[h5py.Group, dict[str, h5py.Dataset]]]:
    """Every group with datasets in it; links that lead elsewhere are refused, not followed."""
    import h5py

    waiting, seen = [file.get("model_weights", file)], set()
    while waiting:
        group, datasets = waiting.pop(), {}
        if group.id in seen:  # a group may be linked into itself
            raise InputError(f"{path}: {group.name} is there twice")
        seen.add(group.id)
        for name in group:
            if name == OPTIMISER:
                continue
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{path}: {name} is a link to elsewhere, which is not followed")
            child = group[name]
            if isinstance(child, h5py.Group):
                waiting.append(child)
            else:
                datasets[name] = child
        if datasets:
            yield group, datasets


def _read(dataset: h5py.Dataset, path: Path, size: int) -> Tensor:
    """A dataset that lies in the file whole and plain, as Keras writes them."""
    start = dataset.id.get_offset()
    if dataset.is_virtual or dataset.external or start is None:
        raise InputError(f"{path}: {dataset.name} does not lie in the file as a plain array")
    if start + dataset.nbytes > size:
        raise InputError(f"{path}: {dataset.name} claims more values than the file holds")
    return torch.from_numpy(dataset[()])


def _renumbered(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Automatic names counted from 0 as a fresh session does: ``conv2d``, ``conv2d_1``, ..."""
    numbers: dict[str, set[int]] = {}
    for name in tensors:
        if match := AUTOMATIC.fullmatch(name.split("/")[0]):
            numbers.setdefault(match[1], set()).add(int(match[2] or 0))
    rank = {
        (kind, number): i for kind, all_ in numbers.items() for i, number in enumerate(sorted(all_))
    }

    def renamed(name: str) -> str:
        layer, _, part = name.partition("/")
        match = AUTOMATIC.fullmatch(layer)
        if match is None:
            return name
        i = rank[match[1], int(match[2] or 0)]
        return f"{match[1]}_{i}/{part}" if i else f"{match[1]}/{part}"

    return {renamed(name): tensor for name, tensor in tensors.items()}

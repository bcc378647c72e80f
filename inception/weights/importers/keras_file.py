"""Keras' files: ``.h5`` of all ages, ``.weights.h5`` and the ``.keras`` archive around one.

Arrays are called ``layer/part``, and ``model/layer/part`` in a model within the model. Layers that
were never named carry a number that goes up with every layer Keras makes in a session, so they are
numbered anew from 0, in the order of creation.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inception.errors import InputError

if TYPE_CHECKING:
    import h5py

AUTOMATIC = re.compile(
    r"((?:.*/)?(?:conv2d|batch_normalization|separable_conv2d|dense))(?:_(\d+))?/([^/]*)"
)
NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
# parts of a layer that Keras 3 only numbers, by the class in the layer's place, longest name first
NUMBERED_PARTS: dict[str, tuple[str, ...]] = {
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
}
WEIGHTS, CONFIG, OPTIMISER = "model.weights.h5", "config.json", "optimizer"
LARGEST_CONFIG = 1 << 24  # bytes
CUT = (RuntimeError, EOFError, zlib.error)  # encrypted, packed some other way, cut short
# groups that hold a model's layers, in Keras' forms, beside the layers' own groups
CONTAINERS = ("", "model_weights", "layers", "_layer_checkpoint_dependencies")
Names = Mapping[tuple[str, ...], str]
Array = npt.NDArray[np.generic]


def read_h5(
    source: Path | IO[bytes], path: Path | None = None, names: Names | None = None
) -> dict[str, Array]:
    """The weights of an HDF5 file by layer and part.

    Args:
        source: the file, or an archive's member as a file.
        path: the file on disk, where that is not the source.
        names: of layers by their groups, for files that do not say them.

    Raises:
        InputError: the file is damaged, or data lies outside it.
    """
    import h5py  # which ``apart`` has looked for

    path = Path(str(source)) if path is None else path
    try:
        with h5py.File(source, "r") as file:
            size = path.stat().st_size
            found = _datasets(file, path, names or {})
            return _renumbered(_read_all(found, path, size))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: a damaged HDF5 file ({error})") from error


def read_archive(path: Path) -> dict[str, Array]:
    """The weights in a ``.keras`` archive, which stores them plain."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(WEIGHTS)
            if member.compress_type != zipfile.ZIP_STORED:
                raise InputError(f"{path}: packed; unpack it and convert its {WEIGHTS}")
            with archive.open(member) as packed, TemporaryFile() as plain:
                shutil.copyfileobj(packed, plain)  # HDF5 jumps back and forth, an archive cannot
                return read_h5(plain, path, dict(_layer_names(_config(archive))))
    except (*CUT, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise InputError(f"{path}: no Keras archive with {WEIGHTS} ({error})") from error


def _config(archive: zipfile.ZipFile) -> Any:
    """What the archive says of its model; nothing where it does not."""
    if CONFIG not in archive.namelist() or archive.getinfo(CONFIG).file_size > LARGEST_CONFIG:
        return None
    try:
        return json.loads(archive.read(CONFIG))
    except RecursionError as error:
        raise ValueError(f"{CONFIG} is nested too deep") from error


def _layer_names(model: Any, groups: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Layers' names by their groups, which Keras 3.0 to 3.3 call by class and count."""
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    counts: Counter[str] = Counter()
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            continue
        kind = _snake_case(str(layer.get("class_name")))
        group = (*groups, f"{kind}_{counts[kind]}" if counts[kind] else kind)
        counts[kind] += 1
        yield group, str(layer["config"].get("name"))
        yield from _layer_names(layer, group)


def _snake_case(name: str) -> str:
    """As Keras makes the name of a group of that of a class."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _datasets(file: h5py.File, path: Path, names: Names) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every layer's weights as ``layer/part``, or ``model/layer/part``."""
    groups = list(_groups(file, path))
    places = [tuple(p for p in g.name.split("/") if p not in CONTAINERS) for g, _ in groups]
    within = Counter(place[0] for place in places if place)
    for (group, datasets), place in zip(groups, places, strict=True):
        if not group.name.endswith("/vars"):  # Keras until 2, and 3 where it writes the old form
            # a layer's group holds one of the same name, a model's as many as it has layers
            layer = "/".join(place if within[place[0]] > 1 else place[:1]) if place else ""
            yield from ((f"{layer}/{name.split(':')[0]}", d) for name, d in datasets.items())
            continue
        layer = group.attrs.get("name", names.get(place[:-1]))
        if not isinstance(layer, str):
            raise InputError(f"{path}: the layers' names are not in it; save the model as .h5")
        layer = "/".join((*place[:-2], layer))
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


def _read_all(
    datasets: Iterable[tuple[str, h5py.Dataset]], path: Path, size: int
) -> dict[str, Array]:
    """All of them, which together take no more than the file: links can name one many times."""
    tensors, left = {}, size
    for name, dataset in datasets:
        _check_place(dataset, path, size)
        left -= dataset.nbytes
        if left < 0:
            raise InputError(f"{path}: at {name} it claims more values than the file holds")
        tensors[name] = dataset[()]
    return tensors


def _check_place(dataset: h5py.Dataset, path: Path, size: int) -> None:
    """Whether a dataset lies in the file whole and plain, as Keras writes them."""
    start = dataset.id.get_offset()
    if dataset.is_virtual or dataset.external or start is None:
        raise InputError(f"{path}: {dataset.name} does not lie in the file as a plain array")
    if start + dataset.nbytes > size:
        raise InputError(f"{path}: {dataset.name} claims more values than the file holds")


def _renumbered(tensors: dict[str, Array]) -> dict[str, Array]:
    """Automatic names counted from 0 as a fresh session does: ``conv2d``, ``conv2d_1``, ..."""
    numbers: dict[str, set[int]] = {}
    for name in tensors:
        if match := AUTOMATIC.fullmatch(name):
            numbers.setdefault(match[1], set()).add(int(match[2] or 0))
    rank = {
        (kind, number): i for kind, all_ in numbers.items() for i, number in enumerate(sorted(all_))
    }

    def renamed(name: str) -> str:
        match = AUTOMATIC.fullmatch(name)
        if match is None:
            return name
        i = rank[match[1], int(match[2] or 0)]
        return f"{match[1]}_{i}/{match[3]}" if i else f"{match[1]}/{match[3]}"

    return {renamed(name): tensor for name, tensor in tensors.items()}

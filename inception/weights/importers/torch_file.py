"""Files of torch: ``.pth`` and ``.pt``, whose pickles may hold tensors only, and safetensors."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inception.errors import InputError
from inception.weights.importers.importer import ZIP

# what training scripts keep beside the tensors: read as records that do nothing
RECORDS = (
    *("argparse.Namespace", "types.SimpleNamespace", "easydict.EasyDict"),
    *(f"pathlib.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"pathlib._local.{kind}" for kind in ("PosixPath", "WindowsPath")),
    *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
    *(f"numpy.{kind}" for kind in ("dtype", "dtypes.Float32DType", "dtypes.Float64DType")),
    *("numpy.dtypes.Int64DType", "numpy.dtypes.Int32DType", "numpy.dtypes.BoolDType"),
    *("lightning.fabric.utilities.data.AttributeDict", "_codecs.encode"),
    *("lightning_fabric.utilities.data.AttributeDict", "datetime.datetime"),
    *("pytorch_lightning.utilities.parsing.AttributeDict", "collections.deque"),
)
DEEPEST = 20  # levels of what is nested
DAMAGE = (  # what torch's reader says of damaged files, found by damaging them
    *(RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError),
    *(AssertionError, MemoryError, OverflowError, struct.error),
)
SAVE = "save its tensors alone: torch.save(network.state_dict(), FILE)"


class _Record(dict[Any, Any]):
    """Stands for a stranger's object, whose own code never runs."""

    def __new__(cls, *_: Any, **__: Any) -> _Record:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Forgets it."""


_RECORDS: list[Any] = [(_Record, name) for name in RECORDS]


def _stranger(error: pickle.UnpicklingError) -> str:
    """What torch would not read, by its own message."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"{found[1]}, which is no tensor" if found else "more than tensors"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as views of the mapped file."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth``; nothing else in it is run or read.

    Raises:
        InputError: it holds more than tensors, is damaged, or claims more than it holds.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == ZIP
    if zipped:
        _check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_RECORDS):
            # the warnings wonder aloud about damaged files
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: refused, for it holds {_stranger(error)}; {SAVE}") from error
    except DAMAGE as error:
        raise InputError(f"{path}: damaged, or not a file of torch's") from error
    return {name: _checked(name, tensor, path) for name, tensor in _state(loaded, path).items()}


def _check_archive(path: Path) -> None:
    """Refuses a packed archive: torch stores its tensors plain, so sizes cannot lie."""
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, *DAMAGE) as error:
        raise InputError(f"{path}: a damaged archive ({error})") from error
    if claimed > path.stat().st_size:
        raise InputError(f"{path}: claims {claimed:,} bytes, more than the file holds")


def _state(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Every tensor, by its way from the root: ``state_dict.model.conv1.weight``."""
    tensors: dict[str, Tensor] = {}

    def gather(value: Any, way: tuple[str, ...]) -> None:
        if torch.is_tensor(value):
            tensors[".".join(way)] = value
        elif isinstance(value, Mapping) and len(way) < DEEPEST:
            for name, inner in value.items():
                gather(inner, (*way, str(name)))

    gather(loaded, ())
    if not tensors or "" in tensors:
        raise InputError(f"{path}: not tensors by name; {SAVE}")
    return tensors


def _checked(name: str, tensor: Tensor, path: Path) -> Tensor:
    """Refuses a tensor that repeats its values: it may claim any size and hold four bytes."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"{path}: {name} is no plain tensor")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(f"{path}: {name} claims more values than the file holds")
    return tensor

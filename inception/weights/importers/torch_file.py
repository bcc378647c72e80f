"""Files of torch: ``.pth`` and ``.pt``, whose pickles may hold tensors only, and safetensors."""

from __future__ import annotations

import pickle
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

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys that training scripts save under
DAMAGE = (  # what torch's reader says of damaged files, found by damaging them
    *(RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError),
    *(AssertionError, MemoryError, OverflowError, struct.error),
)


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
        with warnings.catch_warnings(action="ignore"):  # it wonders aloud about damaged files
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: refused, for it holds more than tensors") from error
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


def _state(loaded: Any, path: Path) -> Mapping[str, Tensor]:
    """The tensors by name, out of what a training script may have put around them."""
    if isinstance(loaded, Mapping):
        for wrapper in WRAPPERS:
            if isinstance(loaded.get(wrapper), Mapping):
                loaded = loaded[wrapper]
                break
        if loaded and all(isinstance(n, str) and torch.is_tensor(t) for n, t in loaded.items()):
            if all(name.startswith("module.") for name in loaded):  # torch's DataParallel
                return {name.removeprefix("module."): tensor for name, tensor in loaded.items()}
            return dict(loaded)
    raise InputError(f"{path}: not tensors by name, which is what state_dict() gives")


def _checked(name: str, tensor: Tensor, path: Path) -> Tensor:
    """Refuses a tensor that repeats its values: it may claim any size and hold four bytes."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"{path}: {name} is no plain tensor")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(f"{path}: {name} claims more values than the file holds")
    return tensor

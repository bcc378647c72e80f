"""Measuring beside what a user would pick instead. So far: getting torchvision imported."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from inception.errors import InputError


def import_torchvision() -> ModuleType:
    """Torchvision, also beside a torch whose build its compiled operators do not fit.

    Its wheel then fails to register shape rules for operators that do not exist; declaring them
    first lets the import through. Models and transforms work, the operators themselves do not.

    Raises:
        InputError: torchvision is not installed.
    """
    import torch

    found = find_spec("torchvision")
    if found is None or found.origin is None:
        raise InputError("torchvision is not installed: pip install --no-deps torchvision==0.28.0")
    try:
        return import_module("torchvision")
    except RuntimeError:
        source = (Path(found.origin).parent / "_meta_registrations.py").read_text("utf-8")
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in sorted(set(re.findall(r"torchvision::(\w+)", source))):
            library.define(f"{name}(Tensor x) -> Tensor")
        _KEPT.append(library)  # the declarations go when the library does
        return import_module("torchvision")


_KEPT: list[object] = []

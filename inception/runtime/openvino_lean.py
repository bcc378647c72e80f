"""OpenVINO without its converters of other programs' models, which take half of its import."""

import sys
from importlib import import_module
from typing import Any

CONVERTERS = "openvino.tools.ovc"

_left_out = "openvino" not in sys.modules and CONVERTERS not in sys.modules
if _left_out:
    sys.modules[CONVERTERS] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402


def _asked(name: str) -> Any:
    """``openvino.convert_model``, for whoever uses both of us: imported when it is asked for."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    return import_module(CONVERTERS).convert_model


if _left_out:
    del sys.modules[CONVERTERS]
    ov.__getattr__ = _asked

__all__ = ["ov"]

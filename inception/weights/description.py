"""What a model file says of itself, as JSON values: read from all kinds of files. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from safetensors import SafetensorError, safe_open

from inception.errors import InputError, not_installed
from inception.fields import shown

KEY = "inception"  # the one metadata key of a model file
DETECTOR = "detector"  # in a description: it is a detector's (``detection.detector_file``)
FORMAT = 1


def read_description(path: Path) -> Any:
    """The JSON values under ``inception`` in a model file, whatever kind of model it holds.

    Raises:
        InputError: no such file, not safetensors, or not one of ours.
    """
    return parsed(description_text(path), path)


def description_text(path: Path) -> str:
    """A model file's description as it stands there. What is raised: ``read_description``."""
    if not path.is_file():
        raise InputError(f"no such model file: {path}")
    metadata = _METADATA.get(path.suffix, _safetensors_metadata)(path)
    if KEY not in metadata:
        raise InputError(
            f"{path} does not say which network it holds, as files of inception's do; "
            "say it with --as MODEL where that is taken, or make one: inception weights convert"
        )
    return metadata[KEY]


def parsed(description: str, path: Path) -> Any:
    """The JSON values of a description. Raises ``InputError``, which names the file."""
    try:
        return json.loads(description)
    except RecursionError:
        raise InputError(f"{path}: its description is nested too deep") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def check_format(number: Any) -> None:
    """Raises ``InputError`` where a description's format is none, or newer than this package."""
    if type(number) is not int or number < 1:
        raise InputError(f"not a model's description: its format is {shown(number)}")
    if number > FORMAT:
        raise InputError(
            f"format {shown(number)} is newer than this inception reads, which is {FORMAT}: "
            "bring the package inception-nets up to date"
        )


def is_exported(path: Path) -> bool:
    """Whether a model's file was exported: it holds a graph instead of weights by name."""
    return path.suffix in _METADATA


def _safetensors_metadata(path: Path) -> Mapping[str, str]:
    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error


def _openvino_metadata(path: Path) -> Mapping[str, str]:
    """What lies in the ``rt_info`` of the whole model."""
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise InputError(f"{path}: not an OpenVINO model ({error})") from error
    return {entry.tag: entry.get("value", "") for entry in root.findall("rt_info/*")}


def _onnx_metadata(path: Path) -> Mapping[str, str]:
    if find_spec("onnx") is None:
        raise not_installed("onnx")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise InputError(f"{path}: not an ONNX model ({error})") from error
    return {entry.key: entry.value for entry in model.metadata_props}


_METADATA = {".xml": _openvino_metadata, ".onnx": _onnx_metadata}

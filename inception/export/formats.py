"""The formats: how each is written from a program, and opened again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from inception.data.images import Picture
from inception.errors import InputError, unknown
from inception.runtime import Engine, check_installed
from inception.runtime.program import Floats, Program
from inception.weights.description import KEY
from inception.weights.model_file import Described

Precision = Literal["fp32", "fp16", "int8"]
# Elsewise processors that have bfloat16 compute in it, and probabilities differ by some 0.01
OPTIONS = (("INFERENCE_PRECISION_HINT", "f32"),)


@dataclass(frozen=True)
class Content:
    """What goes into a file.

    Attributes:
        calibration: squares to measure int8 ranges on, each ``uint8 [1, size, size, 3]``.
    """

    program: Program
    info: Described
    precision: Precision
    calibration: Sequence[Picture] = ()

    @property
    def metadata(self) -> dict[str, str]:
        """The description as a model file has it, under the same key."""
        return {KEY: json.dumps(self.info.to_json())}


class Format(NamedTuple):
    """A format: its suffix, precisions, what it needs, how it is written and opened.

    Attributes:
        options: of whatever runs the file, under which its certificate holds.
    """

    suffix: str
    precisions: tuple[Precision, ...]
    needs: tuple[str, ...]
    write: Callable[[Content, Path], None]
    open: Callable[[Path, int | None], Engine]
    options: tuple[tuple[str, str], ...] = ()


def write_openvino(content: Content, path: Path) -> None:
    """An ``.xml`` with the graph, and a ``.bin`` of the same name with the weights."""
    import openvino as ov

    from inception.export.int8 import quantise_openvino
    from inception.runtime.openvino_engine import WEIGHTS_DIGEST, digest_of
    from inception.runtime.openvino_graph import openvino_model

    model = openvino_model(content.program, content.metadata)
    if content.precision == "int8":
        model = quantise_openvino(model, content.program, content.calibration)
        for key, value in content.metadata.items():
            model.set_rt_info(value, [key])
    for key, value in OPTIONS:
        model.set_rt_info(value, ["runtime_options", key])
    half = content.precision == "fp16"
    ov.save_model(model, path, compress_to_fp16=half)
    model.set_rt_info(digest_of(path.with_suffix(".bin")), [WEIGHTS_DIGEST])
    ov.save_model(model, path, compress_to_fp16=half)


def open_openvino(path: Path, threads: int | None) -> Engine:
    """The engine that runs it."""
    from inception.runtime.openvino_engine import OpenVINOEngine, read_openvino

    return OpenVINOEngine(read_openvino(path), threads=threads)


def write_onnx(content: Content, path: Path) -> None:
    """One file; a network of more than 2 GB does not fit into the format."""
    import onnx

    from inception.export.int8 import quantise_onnx
    from inception.runtime.onnx_graph import onnx_model

    half = content.precision == "fp16"
    model = onnx_model(content.program, content.metadata, half=half)
    if content.precision == "int8":
        quantise_onnx(model, content.program, content.calibration, path)
    else:
        onnx.save(model, path)


def open_onnx(path: Path, threads: int | None) -> Engine:
    """The engine that runs it."""
    from inception.runtime.onnx_engine import ONNXEngine

    return ONNXEngine(path, threads=threads)


def write_pt2(content: Content, path: Path) -> None:
    """A ``torch.export`` archive; ``torch.export.load(path).module()`` runs it."""
    import torch

    from inception.runtime.torch_graph import ProgramModule

    kept = torch.float16 if content.precision == "fp16" else torch.float32
    module = ProgramModule(content.program, kept=kept).eval()
    size = content.program.size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = {0: torch.export.Dim("N", min=1)}
    exported = torch.export.export(module, (example,), dynamic_shapes=(batch,))
    torch.export.save(exported, path, extra_files=content.metadata)


def open_pt2(path: Path, threads: int | None) -> Engine:
    """The engine that runs it."""
    return _PT2Engine(path)


class _PT2Engine:
    """Runs a ``torch.export`` archive that was just written; no engine of ``create_engine``."""

    name = "pt2"

    def __init__(self, path: Path) -> None:
        import torch

        self._module = torch.export.load(path).module()

    def run(self, pictures: Picture) -> dict[str, Floats]:
        """``probabilities`` of ``uint8 [N, size, size, 3]``."""
        import torch

        with torch.inference_mode():
            (probabilities,) = self._module(torch.from_numpy(pictures))
        return {"probabilities": probabilities.numpy()}


FORMATS = {
    "openvino": Format(
        ".xml", get_args(Precision), ("openvino",), write_openvino, open_openvino, OPTIONS
    ),
    "onnx": Format(".onnx", get_args(Precision), ("onnx",), write_onnx, open_onnx),
    "pt2": Format(".pt2", ("fp32", "fp16"), (), write_pt2, open_pt2),
}


def find_format(name: str, precision: str, path: Path) -> Format:
    """The format of that name.

    Raises:
        InputError: no such format or precision, another suffix, or a package that is missing.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    chosen = FORMATS[name]
    if precision not in get_args(Precision):
        raise unknown("precision", precision, get_args(Precision))
    if precision not in chosen.precisions:
        raise InputError(f"{name} has no {precision}; it has {', '.join(chosen.precisions)}")
    if path.suffix != chosen.suffix:
        raise InputError(f"{name} is written to a {chosen.suffix} file; got --out {path}")
    for package in chosen.needs:
        check_installed(package)
    if precision == "int8" and name == "openvino":
        check_installed("int8")
    return chosen

"""What the scripts share: pictures, models, how a result is printed. Timing is the package's."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inception.benchmark.rounds import Timing
from inception.cli.output import console, table
from inception.data.crops import views
from inception.data.images import Picture, read_image
from inception.machine import available_cores
from inception.models import MODELS, create_model
from inception.models.spec import Spec
from inception.runtime import read_program
from inception.runtime.openvino_graph import openvino_model
from inception.weights.model_file import ModelInfo, save_model

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("INCEPTION_DATA", ROOT.parent / "shared" / "data"))


class Own(NamedTuple):
    """A script's own option: text where its default is, else a whole number."""

    name: str
    default: int | str | None
    help: str


def arguments(
    what: str | None,
    *own: Own,
    rounds: int | None = None,
    model: str | None = None,
    parts: Sequence[str] = (),
) -> argparse.Namespace:
    """The options of scripts that time, with their ``clock``.

    Args:
        what: the script's docstring.
        own: options that others do not have.
        rounds: turns by default, where there are several.
        model: the default network, where there is a choice.
        parts: of the script, where it may run some of them; all by default.
    """
    parser = argparse.ArgumentParser(description=what)
    for name, default, about in own:
        kind = str if isinstance(default, str) else int
        parser.add_argument(name, type=kind, default=default, help=about)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help="turns of each")
    if parts:
        parser.add_argument("--parts", nargs="*", choices=parts, default=list(parts))
    if model:
        parser.add_argument("--model", default=model, help="an architecture, with fresh weights")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="time of all threads on the cores, where others use the machine too",
    )
    options = parser.parse_args()
    options.clock = time.process_time if options.processor_time else time.perf_counter
    return options


def photographs(count: int = 280) -> list[str]:
    """Files of imagenet-sample, again and again until there are so many."""
    files = sorted(str(path) for path in (DATA / "imagenet-sample").glob("*.JPEG"))
    return (files * (count // len(files) + 1))[:count]


def squares(count: int, spec: Spec) -> Picture:
    """Photographs as the network is shown them, ``uint8 [count, size, size, 3]``."""
    how = spec.preprocessing
    return np.concatenate([views(read_image(name), how) for name in photographs(count)])


def fresh(spec: str | Spec, folder: str) -> Path:
    """A model file with fresh weights, without auxiliary heads."""
    import torch

    torch.manual_seed(0)
    spec = replace(MODELS[spec] if isinstance(spec, str) else spec, aux={})
    network = create_model(spec)
    path = Path(folder) / f"{spec.name}.safetensors"
    classes = tuple(map(str, range(spec.num_classes)))
    save_model(path, network.state_dict(), ModelInfo(network.spec, classes))
    return path


def int8(model: Path, spec: Spec) -> Path:
    """The model in int8 for OpenVINO, calibrated on 64 of the photographs."""
    import nncf
    import openvino as ov

    pictures = nncf.Dataset(list(squares(64, spec)[:, None]))
    quantised = nncf.quantize(openvino_model(read_program(model)), pictures, subset_size=64)
    path = model.with_suffix(".int8.xml")
    ov.save_model(quantised, path, compress_to_fp16=False)
    return path


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table under its title, above the machine and the commit."""
    out = console()
    out.print(title)
    out.print(table(columns, rows))
    out.print(f"{available_cores()} cores of {_processor()}, commit {_commit()}", style="dim")


def rates(timings: Mapping[str, Timing], pictures: int) -> list[list[str]]:
    """Rows of a name, pictures a second by the median, and the spread."""
    return [
        [name, f"{pictures / timing.median:,.1f}", f"± {100 * timing.spread:.1f} %"]
        for name, timing in timings.items()
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    named = (line for line in info.read_text().splitlines() if line.startswith("model name"))
    return next(named, platform.machine()).split(": ")[-1]


def _commit() -> str:
    command: list[Any] = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

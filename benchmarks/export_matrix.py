"""Every network as ONNX and OpenVINO files beside torch: odd and even sizes, batches of 1 and 5."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from inception.cli.output import console, table
from inception.export.formats import FORMATS, Content
from inception.export.original import Original
from inception.models import MODELS, create_model
from inception.models.cost import smallest_size
from inception.models.spec import Spec
from inception.runtime.lower import lower
from inception.weights.model_file import COUNTERS, Model, ModelInfo

TOLERANCE = 1e-4
CLASSES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help="all by default")
    rows, worst = [], 0.0
    for name in parser.parse_args().models:
        for size in sizes(MODELS[name]):
            differences = list(compared(name, size))
            worst = max(worst, *differences)
            rows.append([name, str(size), *(f"{d:.1e}" for d in differences)])
            print(*rows[-1], flush=True)
    columns = ["network", "px", *(f"{f}, batch {n}" for f in ("onnx", "openvino") for n in (5, 1))]
    console().print(table(columns, rows))
    print(f"largest difference of a probability: {worst:.1e}, wanted {TOLERANCE:g}")
    raise SystemExit(worst > TOLERANCE)


def sizes(spec: Spec) -> tuple[int, int]:
    """Half of the network's own size, or its smallest, and one pixel more: one of them is odd."""
    size = max(smallest_size(spec), spec.image_size // 2)
    return size, size + 1


def compared(name: str, size: int) -> Iterator[float]:
    """The largest differences of a probability: ONNX for batch 5 and 1, OpenVINO for 5 and 1."""
    torch.manual_seed(0)
    how = replace(MODELS[name].preprocessing, size=size)
    spec = replace(MODELS[name], preprocessing=how, num_classes=CLASSES, aux={})
    network = create_model(spec).eval()
    settle(network)
    model = Model(network, ModelInfo(spec, tuple(map(str, range(CLASSES)))))
    pictures = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    wanted = Original(model).run(pictures)["probabilities"]
    tensors = network.state_dict().items()
    weights = {n: t.numpy() for n, t in tensors if not n.endswith(COUNTERS)}
    content = Content(lower(spec, weights), model.info, "fp32")
    for format in ("onnx", "openvino"):
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"m{FORMATS[format].suffix}"
            FORMATS[format].write(content, path)
            engine = FORMATS[format].open(path, None)
            for count in (5, 1):
                got = engine.run(pictures[:count])["probabilities"]
                yield float(np.abs(got - wanted[:count]).max())


def settle(network: nn.Module) -> None:
    """Statistics of batch norm as after training, so that folding them is put to the test."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.7, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.bias, std=0.1)


if __name__ == "__main__":
    main()

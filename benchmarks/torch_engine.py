"""Our torch engine against torchvision: eager with its defaults, and with all that is known.

The latter is channels last, with every batch norm folded into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import torch
from setting import arguments, fresh, rates, show, squares
from torch.nn.utils import fuse_conv_bn_eval

from inception.benchmark import import_torchvision
from inception.benchmark.rounds import interleave
from inception.machine import available_cores
from inception.models import MODELS
from inception.models.network import Normalise
from inception.runtime import create_engine

BATCH = 32


def main() -> None:
    options = arguments(__doc__, rounds=9)
    torch.set_num_threads(available_cores())
    spec = MODELS["googlenet_tv"]
    pictures = squares(BATCH, spec)
    x = Normalise(spec.preprocessing)(torch.from_numpy(pictures)).contiguous()
    with TemporaryDirectory() as folder:
        engine = create_engine(fresh(spec, folder), "torch")
        ways = {
            "torchvision, defaults": eager(googlenet(), x),
            "torchvision, channels last, folded": eager(
                folded(googlenet()).to(memory_format=torch.channels_last),
                x.to(memory_format=torch.channels_last),
            ),
            "ours": lambda: engine.run(pictures),
        }
        timings = interleave(ways, rounds=options.rounds, clock=options.clock)
    rows = rates(timings, BATCH)
    ours = timings["ours"].median
    for row, timing in zip(rows, timings.values(), strict=True):
        row.append(f"{timing.median / ours:.2f}")
    columns = ["", "pictures/s", "spread", "ours times as fast"]
    show(f"torch engine, googlenet_tv, batch {BATCH}", columns, rows)


def googlenet() -> Any:
    options = {"weights": None, "aux_logits": False, "init_weights": False}
    return import_torchvision().models.googlenet(**options).eval()


def eager(model: Any, x: torch.Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def run() -> object:
        return model(x).softmax(dim=1)

    return run


def folded(model: Any) -> Any:
    """Each of torchvision's blocks of convolution and norm as one convolution."""
    for module in model.modules():
        if hasattr(module, "conv") and hasattr(module, "bn"):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = torch.nn.Identity()
    return model


if __name__ == "__main__":
    main()

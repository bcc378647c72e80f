"""The usual way, to compare with: torchvision, and how it gets imported beside any torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from inception.benchmark.rounds import Run
from inception.errors import InputError
from inception.machine import torch_threads
from inception.preprocessing import Preprocessing


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


@dataclass(frozen=True)
class UsualWay:
    """torchvision as its documentation has it: PIL, its transforms, the eager model.

    Attributes:
        name: what torchvision calls the model.
        files: pictures to classify; without any the model alone is timed, on normalised noise.
    """

    name: str
    batch: int
    preprocessing: Preprocessing
    num_classes: int = 1000
    files: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None

    def prepare(self) -> Run:
        """Times one batch, or all the files."""
        import torch

        from inception.runtime.torch_engine import pick_device

        device = pick_device(self.device)
        model = torchvision_model(self.name, self.num_classes).eval().to(device)
        size = self.preprocessing.size

        @torch.inference_mode()
        def classify(x: torch.Tensor) -> list[int]:
            with torch_threads(self.threads):
                labels: list[int] = model(x.to(device)).softmax(dim=1).argmax(dim=1).tolist()
            return labels

        if not self.files:
            x = torch.randn(self.batch, 3, size, size)
            return lambda: classify(x)
        transform = _transform(self.preprocessing)

        def run() -> list[int]:
            labels: list[int] = []
            for start in range(0, len(self.files), self.batch):
                names = self.files[start : start + self.batch]
                labels += classify(torch.stack([transform(name) for name in names]))
            return labels

        return run


SAME = {  # networks of ours that take torchvision's weights, and its names for them
    "googlenet_tv": "googlenet",
    "inception_v3_tv": "inception_v3",
    "alexnet_tv": "alexnet",
    **{name: name for name in ("vgg16", "vgg16_bn", "vgg19", "vgg19_bn")},
}
ALIKE = {"inception_v3": "inception_v3", "alexnet": "alexnet"}  # as much work, other weights
HEADED = ("googlenet", "inception_v3")


def counterpart(name: str) -> str | None:
    """What torchvision calls a network to compare ours with for speed, if it has one."""
    if name.startswith("googlenet") and name != "googlenet_small":
        return "googlenet"
    return (SAME | ALIKE).get(name)


def torchvision_model(name: str, num_classes: int) -> Any:
    """Its network without heads, with fresh weights, on normalised pictures."""
    options: dict[str, Any] = {"weights": None, "num_classes": num_classes}
    if name in HEADED:
        options |= {"aux_logits": False, "transform_input": False, "init_weights": False}
    return getattr(import_torchvision().models, name)(**options)


def _transform(preprocessing: Preprocessing) -> Callable[[str], Any]:
    import_torchvision()
    transforms = import_module("torchvision.transforms")
    prepared = transforms.Compose(
        [
            transforms.Resize(preprocessing.resized),
            transforms.CenterCrop(preprocessing.size),
            transforms.ToTensor(),
            transforms.Normalize(
                [m / 255 for m in preprocessing.mean], [s / 255 for s in preprocessing.std]
            ),
        ]
    )

    def read(name: str) -> Any:
        with Image.open(name) as image:
            return prepared(image.convert("RGB"))

    return read

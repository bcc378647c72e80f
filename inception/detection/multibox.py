"""MultiBox: a network that says where objects are, whatever they are. Prediction; no torch.

After Erhan et al., arXiv:1312.2249: K boxes and K confidences against priors from k-means. What is
unlike theirs is told in docs/detection.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from inception.data.crops import FILTERS
from inception.data.images import Picture
from inception.detection.boxes import Boxes, clip, decode
from inception.detection.priors import GRID, pooling
from inception.detection.proposals import Proposed
from inception.errors import InputError, command, unknown
from inception.fields import Range, check_fields, known_fields
from inception.models.check import check
from inception.models.cost import cost
from inception.models.spec import Flatten, Pool, Spec
from inception.runtime import pick_engine
from inception.runtime.lower import lower
from inception.runtime.program import Floats
from inception.weights.description import read_description
from inception.weights.model_file import read_weights

FORMAT = 1
MULTIBOX = "multibox"  # in a file's description, and before the names of its head's tensors
DEVIATIONS = (0.1, 0.1, 0.2, 0.2)  # of offsets, by which they are divided to be learnt
SIZE = 224  # px to which pictures are squashed, or the network's own size if larger


@dataclass(frozen=True)
class MultiBox:
    """A network with a class-agnostic head.

    Attributes:
        network: the stages up to ``stage``, at the size that pictures are shown in.
        stage: whose features the head sees.
        boxes: how many it predicts, K.
        reduced: channels to which a 1×1 convolution brings the features first.
        hidden: numbers between what is pooled around a prior and its four offsets and confidence.
        training: how it came about.
    """

    network: Spec
    stage: str
    boxes: Annotated[int, Range(1, 10_000)] = 200
    reduced: Annotated[int, Range(1, 4096)] = 32
    hidden: Annotated[int, Range(1, 65_536)] = 128
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "a MultiBox")
        check(self.network)
        if self.stage != list(self.network.stages)[-1]:
            raise InputError(f"a MultiBox sees its last stage; {self.stage} is another")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the head's tensors, by name."""
        channels = self.network.num_classes  # the classifier is the mean of the last stage
        return {
            "priors": (self.boxes, 4),
            "reduce.weight": (self.reduced, channels),
            "reduce.bias": (self.reduced,),
            "hidden.weight": (self.hidden, self.reduced * GRID**2 + 4),
            "hidden.bias": (self.hidden,),
            "out.weight": (5, self.hidden),
            "out.bias": (5,),
        }

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""
        own = {name: getattr(self, name) for name in ("stage", "boxes", "reduced", "hidden")}
        described = {"network": self.network.to_json(), **own, "training": dict(self.training)}
        return {"format": FORMAT, MULTIBOX: described}

    @classmethod
    def from_json(cls, values: Any) -> MultiBox:
        """The inverse of ``to_json``. Raises ``InputError`` where it describes none."""
        if not isinstance(values, Mapping) or MULTIBOX not in values:
            make = command("detect", "multibox", "DATA", "--out", "multibox.safetensors")
            raise InputError(f"no MultiBox; one is made by {make}")
        if values.get("format") != FORMAT:
            raise InputError(
                f"its format is {values.get('format')!r}; this inception reads {FORMAT}"
            )
        given = known_fields(values[MULTIBOX], cls, "a MultiBox")
        return cls(**{**given, "network": Spec.from_json(given["network"])})


def design(spec: Spec, stage: str | None = None, *, boxes: int = 200) -> MultiBox:
    """A MultiBox on a network's stages, its head not trained yet.

    Args:
        spec: any network of the family.
        stage: whose features are pooled; by default the last before the grid is halved for the
            last time.
        boxes: how many it predicts.

    Raises:
        InputError: no such stage, or one that has no grid.
    """
    size = max(SIZE, spec.image_size)
    grids = [each for each in cost(spec).stages[:-1] if not each.end.flat]
    finer = [each.name for each in grids if each.end.stride < grids[-1].end.stride]
    stage = stage or (finer or [grids[-1].name])[-1]
    if stage not in {each.name for each in grids}:
        raise unknown("stage with a grid", stage, [each.name for each in grids])
    width = next(each.end.shape.channels for each in grids if each.name == stage)
    names = list(spec.stages)
    network = replace(
        spec,
        stages={name: spec.stages[name] for name in names[: names.index(stage) + 1]},
        aux={},
        classifier={"pool": Pool("average", grid=1), "flatten": Flatten()},
        num_classes=width,
        preprocessing=replace(spec.preprocessing, size=size),
    )
    return MultiBox(network, stage, boxes)


class FeatureEngine(Protocol):
    """What runs the stages."""

    def run(self, pictures: Picture) -> dict[str, Floats]:
        """The features of ``uint8 [N, size, size, 3]``, by ``features:STAGE``."""


def feature_engine(
    made: MultiBox,
    weights: Mapping[str, npt.NDArray[Any]],
    *,
    device: str = "auto",
    threads: int | None = None,
) -> FeatureEngine:
    """The stages of a MultiBox in the fastest engine: OpenVINO on a CPU, else torch."""
    stages = tuple(f"{name}." for name in made.network.stages)
    own = {name: values for name, values in weights.items() if name.startswith(stages)}
    program = lower(made.network, own, [f"features:{made.stage}"])
    if pick_engine("auto", Path(MULTIBOX), device) == "openvino":
        from inception.runtime.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(program, tuple(program.outputs), threads=threads)
    from inception.runtime.torch_engine import TorchEngine  # torch

    return TorchEngine(program, device=device, threads=threads)


def squashed(picture: Picture, made: MultiBox) -> Picture:
    """A picture as the network sees it, its proportions given up: ``[size, size, 3]``."""
    how = made.network.preprocessing
    if picture.shape[:2] == (how.size, how.size):
        return picture
    image = Image.fromarray(picture).resize((how.size, how.size), FILTERS[how.interpolation])
    return np.asarray(image)


class Proposer:
    """Proposes boxes for pictures by a trained MultiBox.

    Args:
        path: its file.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.

    Raises:
        InputError: no such file, no MultiBox, or tensors that do not fit it.
    """

    def __init__(
        self, path: str | Path, *, device: str = "auto", threads: int | None = None
    ) -> None:
        path = Path(path)
        self.multibox = read_multibox(path)
        weights = read_weights(path)
        self._head = {}
        for name, shape in self.multibox.shapes.items():
            values = weights.get(f"{MULTIBOX}.{name}")
            if values is None or values.shape != shape:
                raise InputError(f"{path}: {MULTIBOX}.{name} is missing or not of shape {shape}")
            self._head[name] = values.astype(np.float32)
        try:
            self._engine = feature_engine(self.multibox, weights, device=device, threads=threads)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def propose(self, picture: Picture) -> Proposed:
        """All its boxes in a picture's own pixels, the surest first."""
        started = time.perf_counter()
        shown = squashed(picture, self.multibox)[None]
        features = self._engine.run(shown)[f"features:{self.multibox.stage}"][0]
        told = head(features, self._head)
        order = np.argsort(-told[:, 4], kind="stable")
        boxes = located(told, self._head["priors"], picture.shape[:2])[order]
        return Proposed(
            boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)], time.perf_counter() - started
        )


def head(features: Floats, weights: Mapping[str, Floats]) -> Floats:
    """``[K, 5]``: for each prior its four offsets and the logit of its confidence.

    Args:
        features: ``[C, H, W]``.
        weights: of the head.
    """
    channels, height, width = features.shape
    priors = weights["priors"]
    flat = weights["reduce.weight"] @ features.reshape(channels, -1)
    reduced = np.maximum(flat + weights["reduce.bias"][:, None], 0).reshape(-1, height, width)
    rows, columns = pooling(priors, height, width)
    high = np.tensordot(rows, reduced, axes=([2], [1]))  # [K, GRID, R, W]
    cells = high @ columns[:, None].swapaxes(2, 3)  # [K, GRID, R, GRID]
    seen = np.concatenate([cells.reshape(len(priors), -1), priors], axis=1)
    hidden = np.maximum(seen @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
    return np.asarray(hidden @ weights["out.weight"].T + weights["out.bias"], np.float32)


def located(told: Floats, priors: Floats, shape: tuple[int, int]) -> Boxes:
    """``[K, 4]`` boxes in a picture of ``shape``, from what the head says of each prior."""
    height, width = shape
    edges = np.array([width, height, width, height])
    return clip(decode(told[:, :4] * DEVIATIONS, priors * edges).astype(np.float32), height, width)


def read_multibox(path: Path) -> MultiBox:
    """What a MultiBox's file says of itself.

    Raises:
        InputError: no such file, or it holds none.
    """
    values = read_description(path)
    try:
        return MultiBox.from_json(values)
    except (InputError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error


def check_out(path: Path) -> None:
    """Raises ``InputError`` where a MultiBox would be written over what is none."""
    if path.suffix != ".safetensors":
        raise InputError(f"a MultiBox is a .safetensors; got {path}")
    if path.exists():
        try:
            read_multibox(path)
        except InputError as error:
            raise InputError(f"{path} is there and stays; name another file ({error})") from error

"""Class activation maps: where a class's logit comes from, exactly and without gradients.

In a network that ends in an average over the whole grid and linear layers, a logit is the mean of
a map plus a bias. One run of any engine gives it, so there is no torch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inception.data.crops import seen, views
from inception.data.images import Picture
from inception.errors import InputError
from inception.explanation.answer import Explanation, class_index
from inception.explanation.grid import cells
from inception.models.shapes import Position, Shape, Windows, end, pair, pool_windows
from inception.models.spec import (
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    LocalResponseNorm,
    Pool,
    Spec,
    concrete,
)
from inception.prediction import find_model
from inception.runtime import create_engine
from inception.runtime.linear import Affine, read_affines
from inception.runtime.program import PROBABILITIES, STEP, Floats, ResponseNorm
from inception.weights.model_file import read_info


class ClassActivation:
    """A model made ready to explain pictures; any number of threads may ask it at once.

    Args:
        model: a MODEL (``prediction.find_model``), exported ones too.
        engine: ``auto`` picks.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.

    Raises:
        InputError: no such model, engine or device; or a network whose logits are no means.
    """

    def __init__(
        self,
        model: str | Path,
        engine: str = "auto",
        *,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        path = find_model(model)
        info = read_info(path)
        self.classes, self.preprocessing = info.classes, info.preprocessing
        self._spec, self._tail = info.spec, find_tail(info.spec)
        self._affines = read_affines(path, self._tail.weighted)
        self._value = f"{STEP}{self._tail.value}"
        outputs = (PROBABILITIES, self._value)
        self._engine = create_engine(
            path, engine, device=device, threads=threads, mode="latency", outputs=outputs
        )

    def explain(self, picture: Picture, classes: Sequence[int | str] | None = None) -> Explanation:
        """Maps of the classes, by name or index; by default of the likeliest one.

        Args:
            picture: ``uint8 [H, W, 3]``, RGB, of any size.
            classes: which to explain.

        Raises:
            InputError: no such class.
        """
        chosen = None if classes is None else [class_index(self.classes, c) for c in classes]
        answers = self._engine.run(views(picture, self.preprocessing))
        probabilities, values = answers[PROBABILITIES][0], answers[self._value][0]
        if chosen is None:
            chosen = [int(probabilities.argmax())]
        maps, biases, logits = self._tail.maps(values, self._affines, chosen)
        crop = seen(picture.shape[0], picture.shape[1], self.preprocessing)
        grid = cells(self._spec, self._tail.stage, crop)
        return Explanation(tuple(chosen), maps, logits, probabilities, crop, grid, biases)

    def compare(self, picture: Picture, first: int | str, second: int | str) -> Explanation:
        """One map, signed: what speaks for the first class rather than for the second.

        Its mean plus its bias is the difference of the two logits.
        """
        told = self.explain(picture, [first, second])
        maps, biases = (v[:1] - v[1:] for v in (told.maps, np.asarray(told.biases)))
        return replace(told, maps=maps, biases=biases)


@dataclass(frozen=True)
class Tail:
    """How a network goes from a grid of values to its logits.

    Attributes:
        value: the step of the program whose values are averaged over the grid.
        stage: the last stage that has this grid.
        layers: what follows the average, by the names of their steps: linear ones, and response
            norms, which for one picture are a factor a channel.
    """

    value: str
    stage: str
    layers: Mapping[str, Layers]

    @property
    def weighted(self) -> tuple[str, ...]:
        """The steps that have weights."""
        return tuple(n for n, layer in self.layers.items() if isinstance(layer, Linear | Conv))

    def maps(
        self, values: Floats, affines: Mapping[str, Affine], classes: Sequence[int]
    ) -> tuple[Floats, Floats, Floats]:
        """Maps ``[classes, h, w]`` and biases of some classes, and the logits of all.

        Args:
            values: ``[C, h, w]`` of the step ``value``.
            affines: the layers with weights.
            classes: indices.
        """
        logits, run = values.mean(axis=(1, 2)), []
        for name, layer in self.layers.items():
            run.append(
                _factors(layer, logits) if isinstance(layer, LocalResponseNorm) else affines[name]
            )
            logits = run[-1].of(logits)
        rows = np.zeros((len(classes), len(logits)), np.float32)
        rows[np.arange(len(classes)), list(classes)] = 1
        biases = np.zeros(len(classes), np.float32)
        for affine in reversed(run):
            biases += rows @ affine.bias
            rows = rows @ affine.weight.T if affine.weight.ndim == 2 else rows * affine.weight
        return np.tensordot(rows, values, axes=1), biases, logits


def _factors(layer: LocalResponseNorm, x: Floats) -> Affine:
    """What the norm multiplies the channels of this picture with."""
    step = ResponseNorm("", (), len(x), layer.size, layer.alpha, layer.beta, layer.k)
    factors = (layer.k + step.band[:, :, 0, 0] @ x**2) ** -layer.beta
    return Affine(factors.astype(np.float32), np.zeros_like(x))


def find_tail(spec: Spec) -> Tail:
    """How the network goes from its last grid to its logits.

    Raises:
        InputError: not by an average over the whole grid and linear layers; the message says
            what stands in the way, and which method works instead.
    """
    start = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
    layers = concrete({**spec.stages, "classifier": spec.classifier}, spec.num_classes)
    value, tail, obstacle = "", None, "no average over the whole grid"
    for name, layer, at in _walk(layers, start):
        if tail is None and _averages_all(layer, at):
            stage = value.partition(".")[0]
            tail = Tail(value, stage if stage in spec.stages else list(spec.stages)[-1], {})
        elif tail is not None and _is_affine(layer):
            tail = replace(tail, layers={**tail.layers, name: layer})
        elif tail is not None and not (isinstance(layer, Flatten) or _gives_no_step(layer, at)):
            tail, obstacle = None, f"{name} after its average over the grid"
        value = value if _gives_no_step(layer, at) else name
    if tail is None:
        raise InputError(
            f"class activation maps need logits that are averages over the grid, and {spec.name} "
            f"has {obstacle}; take --method gradcam, which any network allows"
        )
    return tail


def _walk(layers: Layers, at: Position, name: str = "") -> Iterator[tuple[str, Layers, Position]]:
    """The layers one after the other, modules whole, with their names and where they start."""
    if not isinstance(layers, Mapping):
        yield name, layers, at
        return
    for inner_name, inner in layers.items():
        yield from _walk(inner, at, f"{name}.{inner_name}" if name else inner_name)
        at = end(inner, at)


def _averages_all(layer: Layers, at: Position) -> bool:
    if not isinstance(layer, Pool) or layer.kind != "average":
        return False
    _, height, width = at.shape
    found = pool_windows(layer, (height, width))
    if not isinstance(found, Windows) or any(map(any, found.pads)):
        return False
    return found.kernel == (height, width)


def _is_affine(layer: Layers) -> bool:
    """Whether it is a sum over the channels of an averaged value, for one picture at least."""
    if isinstance(layer, Conv):
        return pair(layer.kernel) == (1, 1) and layer.groups == 1 and layer.activation is None
    if isinstance(layer, Linear):
        return layer.activation is None
    return isinstance(layer, LocalResponseNorm)


def _gives_no_step(layer: Layers, at: Position) -> bool:
    """Whether inference leaves the layer out, as ``runtime.lower`` does."""
    if isinstance(layer, Pool):
        return at.shape[1:] == (1, 1) == end(layer, at).shape[1:]
    return isinstance(layer, Dropout)

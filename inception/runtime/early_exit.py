"""An engine that stops early: the first head that is sure enough answers for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from inception.data.images import Picture
from inception.errors import InputError
from inception.models.cost import cost
from inception.models.exits import CLASSIFIER, exit_names
from inception.models.spec import Spec
from inception.runtime import Floats, as_batch, pick_engine
from inception.runtime.lower import Weights, lower
from inception.runtime.program import AUX, PROBABILITIES, START, Program, needed
from inception.weights.model_file import is_exported, read_info, read_weights

TOLD, FEATURES = "told", "features"  # what a part of the network gives


class ExitAnswers(NamedTuple):
    """Answers, and where each came from.

    Attributes:
        probabilities: ``[N, classes]``.
        exits: ``[N]``, indices into the engine's ``exits``.
    """

    probabilities: Floats
    exits: npt.NDArray[np.int64]


class Part(Protocol):
    """Runs a network from one exit to the next."""

    def run(self, x: npt.NDArray[Any], /) -> Mapping[str, Floats]:
        """``told [N, classes]``, probabilities; and ``features`` for the part that follows."""


class EarlyExitEngine:
    """Runs a network exit by exit; a picture that has its answer drops out of the batch.

    A head answers where its largest probability is above the confidence. That is never 0 and never
    above 1, so at confidence 0 every picture leaves at the first head, and at 1 none leaves early,
    not even one for which a head's probability rounds to 1: heads are then not run at all. A
    picture of which nothing is sure, not even a number, goes to the end.

    Attributes:
        spec: the network.
        exits: names, in order of depth; the classifier last.
        answered: pictures so far, by exit.

    Args:
        spec: the network.
        parts: it, from exit to exit.
        whole: it, without heads; given where none stops early, at confidence 1.
        confidence: from 0 to 1.
        name: of what runs the parts.
    """

    def __init__(
        self,
        spec: Spec,
        parts: Sequence[Part],
        whole: Part | None,
        *,
        confidence: float,
        name: str,
    ) -> None:
        self.spec, self.confidence, self.name = spec, confidence, name
        self.exits = exit_names(spec)
        self.answered = dict.fromkeys(self.exits, 0)
        self._parts, self._whole = parts, whole

    def run(self, pictures: ArrayLike) -> dict[str, Floats]:
        """``probabilities [N, classes]`` of pictures (``as_batch``), whoever answers."""
        return {PROBABILITIES: self.answer(pictures).probabilities}

    def answer(self, pictures: ArrayLike) -> ExitAnswers:
        """Answers for pictures (``as_batch``), each from the first exit that is sure."""
        batch = as_batch(pictures, self.spec.image_size)
        if self._whole is None:
            answers = self._stopping(batch)
        else:
            last = np.full(len(batch), len(self.exits) - 1)
            answers = ExitAnswers(self._whole.run(batch)[TOLD], last)
        counts = np.bincount(answers.exits, minlength=len(self.exits))
        for name, count in zip(self.exits, counts.tolist(), strict=True):
            self.answered[name] += count
        return answers

    def answer_all(self, pictures: ArrayLike) -> Floats:
        """What every exit says, ``[N, exits, classes]``, from one run to the end."""
        x: npt.NDArray[Any] = as_batch(pictures, self.spec.image_size)
        told = []
        for part in self._parts:
            given = part.run(x)
            told.append(given[TOLD])
            x = given.get(FEATURES, x)
        return np.stack(told, axis=1)

    def _stopping(self, pictures: Picture) -> ExitAnswers:
        x: npt.NDArray[Any] = pictures
        waiting = np.arange(len(pictures))
        probabilities = np.empty((len(pictures), self.spec.num_classes), np.float32)
        exits = np.full(len(pictures), len(self.exits) - 1)
        for number, part in enumerate(self._parts):
            given = part.run(x)
            told = given[TOLD]
            sure = told.max(axis=1) > self.confidence
            if self.exits[number] == CLASSIFIER:
                sure[:] = True
            probabilities[waiting[sure]] = told[sure]
            exits[waiting[sure]] = number
            if sure.all():
                break
            waiting, x = waiting[~sure], given[FEATURES][~sure] if sure.any() else given[FEATURES]
        return ExitAnswers(probabilities, exits)


def check_confidence(confidence: float) -> None:
    """Raises ``InputError`` unless it is from 0 to 1."""
    if not 0 <= confidence <= 1:
        raise InputError(f"--exit-confidence is a probability, from 0 to 1; got {confidence:g}")


def create_exit_engine(
    model: Path,
    confidence: float,
    engine: str = "auto",
    *,
    device: str = "auto",
    threads: int | None = None,
) -> EarlyExitEngine:
    """An engine that stops early, with a model file's network and heads in it.

    Raises:
        InputError: no such engine or device, or a model without heads.
    """
    check_confidence(confidence)
    engine = pick_engine(engine, model, device)
    without = (
        f"{model} has no auxiliary heads to leave at: shipped and exported files leave them out; "
        "take a run folder whose network has heads"
    )
    if is_exported(model):
        raise InputError(without)
    if engine == "onnx":
        raise InputError("only torch and openvino stop early, not onnx; leave out --engine")
    info, weights = read_info(model), read_weights(model)
    if not info.spec.aux or not any(name.startswith("aux.") for name in weights):
        raise InputError(without)
    return exit_engine(
        info.spec, weights, confidence,
        temperature=info.temperature, aux_temperatures=info.aux_temperatures,
        engine=engine, device=device, threads=threads,
    )  # fmt: skip


def exit_engine(
    spec: Spec,
    weights: Weights,
    confidence: float,
    *,
    temperature: float = 1.0,
    aux_temperatures: Mapping[str, float] | None = None,
    engine: str = "torch",
    device: str = "auto",
    threads: int | None = None,
) -> EarlyExitEngine:
    """An engine that stops early, of a network and its tensors by name.

    Every exit has a temperature of its own: the classifier's says nothing of the heads.

    Raises:
        InputError: no such device, or weights that do not fit the network.
    """
    check_confidence(confidence)

    def part(program: Program) -> Part:
        return _part(program, engine, device, threads)

    parts = [part(program) for program in parts_of(spec, weights, temperature, aux_temperatures)]
    whole = part(whole_of(spec, weights, temperature)) if confidence >= 1 else None
    return EarlyExitEngine(spec, parts, whole, confidence=confidence, name=engine)


def whole_of(spec: Spec, weights: Weights, temperature: float) -> Program:
    """The network without heads, from pictures to what the classifier says."""
    program = lower(spec, weights, temperature=temperature)
    return Program(program.size, program.steps, {TOLD: program.outputs[PROBABILITIES]})


def parts_of(
    spec: Spec,
    weights: Weights,
    temperature: float,
    aux_temperatures: Mapping[str, float] | None = None,
) -> list[Program]:
    """The network in as many programs as it has exits, each from the one before."""
    *heads, _ = exit_names(spec)
    wanted = [f"{kind}{head}" for head in heads for kind in (AUX, f"{FEATURES}:")]
    program = lower(
        spec,
        weights,
        [*wanted, PROBABILITIES],
        temperature=temperature,
        aux_temperatures=aux_temperatures,
    )
    shapes = {stage.name: stage.end.shape for stage in cost(spec).stages}
    parts, start, shape = [], START, None
    for head in heads:
        features = program.outputs[f"{FEATURES}:{head}"]
        outputs = {TOLD: program.outputs[f"{AUX}{head}"], FEATURES: features}
        parts.append(_piece(program, outputs, start, shape))
        start, shape = features, shapes[head]
    outputs = {TOLD: program.outputs[PROBABILITIES]}
    return [*parts, _piece(program, outputs, start, shape)]


def _piece(
    program: Program, outputs: Mapping[str, str], start: str, shape: tuple[int, int, int] | None
) -> Program:
    steps = needed(program.steps, outputs.values(), start)
    return Program(program.size, steps, outputs, start, shape)


def _part(program: Program, engine: str, device: str, threads: int | None) -> Part:
    if engine == "openvino":
        from inception.runtime.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(program, tuple(program.outputs), threads=threads)
    from inception.runtime.torch_engine import TorchEngine

    return TorchEngine(program, device=device, threads=threads, fast=True)

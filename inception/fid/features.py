"""What FID's network sees in pictures, through the fast engine. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.embedding.embed import backbone_digest
from inception.errors import InputError, unknown
from inception.evaluation.counting import check_unreadable
from inception.fid.resize import RESIZES
from inception.machine import available_cores
from inception.models import MODELS
from inception.models.shapes import Shape
from inception.models.spec import layers_to_json
from inception.pictures import Item, named, read
from inception.prediction import find_model
from inception.runtime import Floats, pick_engine, read_program
from inception.runtime.pipeline import check_finite
from inception.runtime.program import (
    EMBEDDING,
    LOGITS,
    Convolve,
    Multiply,
    Normalise,
    Program,
    needed,
)
from inception.weights.model_file import is_exported, read_info

WEIGHTS = "inception_v3_fid.google_in1k"  # the file on which FID is defined
OWN = "inception_v3_fid"


@dataclass(frozen=True)
class Features:
    """What the network saw in a set of pictures.

    Attributes:
        values: ``[N, features]``, float32.
        logits: ``[N, classes]`` without their bias, as the Inception Score is defined.
        unreadable: path and reason of pictures left out.
    """

    values: Floats
    logits: Floats
    unreadable: tuple[tuple[str, str], ...] = ()


class Extractor:
    """A network made ready to see pictures as FID programs show them.

    Attributes:
        resize: one of ``RESIZES``.
        published: whether it is the network of published scores, if not its weights.
        digest: of weights and network: statistics of equal ones may be compared.

    Args:
        weights: a MODEL (``find_model``), no exported one; FID's own by default.
        resize: how pictures come to the network's size.
        engine: ``auto`` picks; torch or openvino.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: pictures in one run of the network.
        threads: by default as many as there are cores.

    Raises:
        InputError: no such weights, resize, engine or device.
    """

    def __init__(
        self,
        weights: str | Path = WEIGHTS,
        resize: str = "pytorch",
        *,
        engine: str = "auto",
        device: str = "auto",
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        if resize not in RESIZES:
            raise unknown("resize", resize, RESIZES)
        path = find_model(weights)
        if is_exported(path):
            raise InputError(f"{path} was exported with its probabilities alone: give its original")
        spec = read_info(path).spec
        self.resize, self.weights, self.network = resize, str(weights), spec.name
        self.published = layers_to_json(spec.stages) == layers_to_json(MODELS[OWN].stages)
        self.digest = backbone_digest(path, EMBEDDING)
        self._side, self._batch_size = spec.image_size, batch_size
        self._threads = threads or available_cores()
        program = read_program(path, (EMBEDDING, LOGITS))
        self._bias = _bias(program)
        self._normalise, rest = _divided(program, spec.in_channels)
        if self.published and resize == "pytorch":
            grey = np.full(3, RESIZES[resize].grey, np.float32)
            self._normalise = replace(self._normalise, mean=grey, std=grey)
        self._engine = _engine(rest, pick_engine(engine, path, device), device, threads)
        self.engine = self._engine.name

    def see(self, pictures: Iterable[Any], *, max_unreadable: float = 0.01) -> Features:
        """What the network sees in pictures (``pictures.Pictures``, several).

        Raises:
            InputError: no pictures, or too many unreadable.
        """
        told = list(self._batches(named(pictures)))
        unreadable = tuple(pair for _, _, missed in told for pair in missed)
        good = [(values, logits) for values, logits, _ in told if len(values)]
        count = sum(len(values) for values, _ in good)
        check_unreadable(len(unreadable), count + len(unreadable), unreadable, max_unreadable)
        values, logits = (np.concatenate(parts) for parts in zip(*good, strict=True))
        return Features(values, logits - self._bias, unreadable)

    def _batches(
        self, items: Iterable[Item]
    ) -> Iterator[tuple[Floats, Floats, list[tuple[str, str]]]]:
        ahead = self._batch_size + 2 * self._threads
        prepared = ordered_map(self._prepared, items, threads=self._threads, ahead=ahead)
        while batch := list(islice(prepared, self._batch_size)):
            good = [x for x in batch if not isinstance(x, UnreadableImageError)]
            missed = [(x.name, x.reason) for x in batch if isinstance(x, UnreadableImageError)]
            if good:
                told = self._engine.run(np.stack(good))
                check_finite(told[EMBEDDING], self.weights, "one of the pictures")
                yield told[EMBEDDING], told[LOGITS], missed
            else:
                yield np.empty((0, 0), np.float32), np.empty((0, 0), np.float32), missed

    def _prepared(self, item: Item) -> Floats | UnreadableImageError:
        """``[C, side, side]``, normalised."""
        try:
            picture: Picture = read(item)
        except UnreadableImageError as error:
            return error
        x = RESIZES[self.resize].act(picture, self._side)
        if self._normalise.order == "bgr":
            x = x[..., ::-1]
        x = (x - self._normalise.mean) / self._normalise.std
        return np.ascontiguousarray(x.transpose(2, 0, 1))


def _divided(program: Program, channels: int) -> tuple[Normalise, Program]:
    """The normalisation, and the program that starts from what it gives."""
    first = program.steps[0]
    if not isinstance(first, Normalise) or first.order == "grey":
        raise InputError("FID is of colour pictures, and this network takes grey ones")
    shape = Shape(channels, program.size, program.size)
    steps = needed(program.steps, program.outputs.values(), first.name)
    return first, Program(program.size, steps, program.outputs, first.name, shape)


def _bias(program: Program) -> Floats:
    """The last layer's, without which the Inception Score takes its logits."""
    steps = {step.name: step for step in program.steps}
    last = steps[program.outputs[LOGITS]]
    if isinstance(last, Multiply | Convolve):
        return last.bias
    return np.zeros(1, np.float32)


def _engine(program: Program, engine: str, device: str, threads: int | None) -> Any:
    outputs = tuple(program.outputs)
    if engine == "openvino":
        from inception.runtime.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(program, outputs, threads=threads)
    if engine == "onnx":
        raise InputError("features for FID come from torch or openvino, not onnx")
    from inception.runtime.torch_engine import TorchEngine

    return TorchEngine(program, device=device, threads=threads)

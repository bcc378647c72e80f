"""An engine that stops early: the first head that is sure enough answers for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inception.data.images import Picture
from inception.data.loading import available_cores
from inception.errors import InputError
from inception.models.exits import CLASSIFIER, exit_names
from inception.models.network import InceptionNet, Normalise
from inception.runtime import Floats, check_threads
from inception.runtime.torch_engine import pick_device
from inception.weights.model_file import load_model


class ExitAnswers(NamedTuple):
    """Answers, and where each came from.

    Attributes:
        probabilities: ``[N, classes]``.
        exits: ``[N]``, indices into the engine's ``exits``.
    """

    probabilities: Floats
    exits: npt.NDArray[np.int64]


class EarlyExitEngine:
    """Runs a network stage by stage; a picture that has its answer drops out of the batch.

    A head answers where its largest probability is above the confidence. That is never 0 and never
    above 1, so at confidence 0 every picture leaves at the first head, and at 1 none leaves early,
    not even one for which a head's probability rounds to 1: heads are then not run at all. A
    picture of which nothing is sure, not even a number, goes to the end.

    Attributes:
        exits: names, in order of depth; the classifier last.
        answered: pictures so far, by exit.
    """

    name = "torch"

    def __init__(
        self,
        network: InceptionNet,
        *,
        confidence: float,
        temperature: float = 1.0,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        check_confidence(confidence)
        check_threads(threads)
        self.confidence, self.temperature = confidence, temperature
        self.device = pick_device(device)
        if self.device.type == "cpu":
            torch.set_num_threads(threads or available_cores())
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalise = Normalise(network.spec.preprocessing).to(self.device)
        self.exits = exit_names(network.spec)
        self.answered = dict.fromkeys(self.exits, 0)

    def run(self, pictures: Picture) -> dict[str, Floats]:
        """``probabilities [N, classes]`` of ``uint8 [N, H, W, 3]``, whoever answers."""
        return {"probabilities": self.answer(pictures).probabilities}

    @torch.inference_mode()
    def answer(self, pictures: Picture) -> ExitAnswers:
        """Answers of ``uint8 [N, H, W, 3]``, each from the first exit that is sure."""
        x = self._input(pictures)
        waiting = torch.arange(len(x), device=x.device)
        probabilities = x.new_empty(len(x), self.network.spec.num_classes)
        exits = torch.full_like(waiting, len(self.exits) - 1)
        for stage in self.network.spec.stages:
            x = self.network.get_submodule(stage)(x)
            if stage not in self.network.aux or self.confidence >= 1:
                continue
            told = self._told(stage, x)
            sure = told.amax(dim=1) > self.confidence
            probabilities[waiting[sure]] = told[sure]
            exits[waiting[sure]] = self.exits.index(stage)
            if not sure.any():
                continue
            waiting, x = waiting[~sure], x[~sure].contiguous(memory_format=torch.channels_last)
            if not len(waiting):
                break
        else:
            probabilities[waiting] = self._told(CLASSIFIER, x)
        counts = torch.bincount(exits, minlength=len(self.exits))
        for name, count in zip(self.exits, counts.tolist(), strict=True):
            self.answered[name] += count
        return ExitAnswers(probabilities.cpu().numpy(), exits.cpu().numpy())

    @torch.inference_mode()
    def answer_all(self, pictures: Picture) -> Floats:
        """What every exit says, ``[N, exits, classes]``, from one run to the end."""
        x, told = self._input(pictures), []
        for stage in self.network.spec.stages:
            x = self.network.get_submodule(stage)(x)
            if stage in self.network.aux:
                told.append(self._told(stage, x))
        told.append(self._told(CLASSIFIER, x))
        every: Floats = torch.stack(told, dim=1).cpu().numpy()
        return every

    def _input(self, pictures: Picture) -> Tensor:
        x: Tensor = self.normalise(torch.from_numpy(pictures).to(self.device))
        return x

    def _told(self, name: str, features: Tensor) -> Tensor:
        """Probabilities ``[N, classes]`` of an exit."""
        if name == CLASSIFIER:  # the temperature was fitted to its logits, not to the heads'
            logits = self.network.classifier(features).float() / self.temperature
        else:
            logits = self.network.aux[name](features).float()
        probabilities: Tensor = logits.softmax(dim=1)
        return probabilities


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
        InputError: another engine than torch, no such device, or a model without heads.
    """
    check_confidence(confidence)
    if engine not in ("auto", "torch"):
        raise InputError(f"only the torch engine stops early, not {engine}; leave out --engine")
    loaded = load_model(model)
    if not loaded.network.aux:
        raise InputError(
            f"{model} has no auxiliary heads to leave at: shipped and exported files leave them "
            "out; take a run folder whose network has heads"
        )
    return EarlyExitEngine(
        loaded.network,
        confidence=confidence,
        temperature=loaded.info.temperature,
        device=device,
        threads=threads,
    )

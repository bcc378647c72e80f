"""What gradients say of an answer: Grad-CAM, integrated gradients and occlusion; in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inception.data.crops import seen, views
from inception.data.images import Picture
from inception.errors import unknown
from inception.explanation.answer import Explanation, class_index
from inception.explanation.branches import ModuleShares, branch_shares
from inception.explanation.grid import cells
from inception.models.cost import cost
from inception.models.network import Normalise
from inception.prediction import find_model
from inception.runtime import check_installed
from inception.weights.model_file import load_model

STEPS = 32  # of integrated gradients: more changed no picture that was looked at
WINDOW = 6  # windows to a side in occlusion, each moved by half of itself


class Attributor:
    """A model's own network, made ready to be differentiated.

    ``classes`` of its methods are indices or names: one to explain, by default the likeliest, or
    two, for what speaks for the first rather than for the second.

    Args:
        model: a MODEL that was not exported.

    Raises:
        InputError: no such model, or an exported one, which has no gradients.
    """

    def __init__(self, model: str | Path) -> None:
        loaded = load_model(find_model(model), aux=False)
        self.classes, self.preprocessing = loaded.classes, loaded.preprocessing
        self.network = loaded.network.requires_grad_(False)
        self._temperature = loaded.info.temperature
        self._normalise = Normalise(loaded.preprocessing)

    def grad_cam(
        self, picture: Picture, classes: Sequence[int | str] = (), *, stage: str | None = None
    ) -> Explanation:
        """A stage's channels added up, each as much as the logit rises with its mean; 0 and more.

        Args:
            picture: ``uint8 [H, W, 3]``.
            classes: one or two.
            stage: by default the last that has a grid.

        Raises:
            InputError: no such class or stage.
        """
        stage = self._stage(stage)
        x = self._input(picture)
        with torch.enable_grad():
            features = self.network.features(x.requires_grad_())
            values, last = features[stage], list(features.values())[-1]
            logits = self.network.classifier(last)
            told = self._told(picture, logits, classes)
            (slopes,) = torch.autograd.grad(_score(logits, told.classes), values)
        heat = (slopes.mean((2, 3), keepdim=True) * values).sum(1).relu()
        grid = cells(self.network.spec, stage, told.crop)
        return replace(told, maps=heat.numpy(force=True), grid=grid)

    def integrated_gradients(
        self, picture: Picture, classes: Sequence[int | str] = (), *, steps: int = STEPS
    ) -> Explanation:
        """Signed, a value a pixel; they add up to the logit's rise from a picture of the mean.

        Raises:
            InputError: no such class, or Captum is not installed.
        """
        check_installed("explain")
        from captum.attr import IntegratedGradients

        x = self._input(picture)
        told = self._told(picture, self._logits(x), classes)
        method = IntegratedGradients(self._scorer(told.classes))
        found = method.attribute(x, n_steps=steps, internal_batch_size=8)
        return replace(told, maps=found.sum(1).numpy(force=True).astype(np.float32))

    def occlusion(self, picture: Picture, classes: Sequence[int | str] = ()) -> Explanation:
        """Signed: how far the logit falls where a square of the mean hides the picture.

        Raises:
            InputError: no such class, or Captum is not installed.
        """
        check_installed("explain")
        from captum.attr import Occlusion

        x = self._input(picture)
        told = self._told(picture, self._logits(x), classes)
        side = max(x.shape[2] // WINDOW, 1)
        window, stride = (x.shape[1], side, side), (x.shape[1], *[max(side // 2, 1)] * 2)
        method = Occlusion(self._scorer(told.classes))
        found = method.attribute(x, sliding_window_shapes=window, strides=stride)
        return replace(told, maps=found.sum(1).numpy(force=True).astype(np.float32))

    def branches(
        self, picture: Picture, classes: Sequence[int | str] = ()
    ) -> tuple[Explanation, list[ModuleShares]]:
        """What each branch of each module adds (``branches.branch_shares``); and the answer.

        Raises:
            InputError: no such class, or a network without branches.
        """
        x = self._input(picture)
        told = self._told(picture, self._logits(x), classes)
        shares = branch_shares(self.network, x, lambda logits: _score(logits, told.classes))
        return told, shares

    def _input(self, picture: Picture) -> Tensor:
        shown: Tensor = self._normalise(torch.from_numpy(views(picture, self.preprocessing)))
        return shown.contiguous()

    def _logits(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.network(x)
        return logits

    def _scorer(self, classes: Sequence[int]) -> Callable[[Tensor], Tensor]:
        return lambda x: _score(self.network(x), classes)

    def _told(self, picture: Picture, logits: Tensor, classes: Sequence[int | str]) -> Explanation:
        """The answer, with a map that is still empty."""
        values = logits.detach()[0]
        chosen = tuple(class_index(self.classes, c) for c in classes) or (int(values.argmax()),)
        crop = seen(picture.shape[0], picture.shape[1], self.preprocessing)
        return Explanation(
            chosen,
            np.zeros((1, 1, 1), np.float32),
            values.numpy(),
            (values / self._temperature).softmax(0).numpy(),
            crop,
            crop,
        )

    def _stage(self, stage: str | None) -> str:
        ends = cost(self.network.spec).stages[:-1]
        if stage is None:
            return [end.name for end in ends if end.end.shape.height > 1][-1]
        if stage not in self.network.spec.stages:
            raise unknown("stage", stage, self.network.spec.stages)
        return stage


def _score(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """``[N]``: the first class's logit, less the second's where there is one."""
    first, *second = classes
    return logits[:, first] - logits[:, second[0]] if second else logits[:, first]

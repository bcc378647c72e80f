"""``InceptionNet``: a spec's stages, auxiliary heads and classifier as one torch module."""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from inception.models.cost import Position, cost, smallest_size
from inception.models.initialise import Weighted, draw_logits
from inception.models.layers import MapsLayer, statistics_untouched
from inception.models.spec import Spec, layers_to_json, pooling_of
from inception.preprocessing import LUMA, Preprocessing


class InceptionNet(nn.Module):
    """A network of the family. Stages are attributes under their own names, in order.

    Attributes:
        spec: the network as data.
        smallest_size: side in pixels of the smallest square picture it takes.
        checkpoint_activations: in training keep only what passes between stages and compute the
            rest again for the gradients: far less memory, a third more time.
    """

    checkpoint_activations = False

    def __init__(
        self,
        spec: Spec,
        *,
        stages: Mapping[str, nn.Module],
        aux: Mapping[str, nn.Module],
        classifier: nn.Module,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.smallest_size = smallest_size(spec)
        self._taken: set[tuple[int, int]] = set()  # lower pictures that it takes all the same
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.aux = nn.ModuleDict(aux)
        self.classifier = classifier

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures the network was designed or trained for."""
        return self.spec.image_size

    @property
    def num_features(self) -> int:
        """How many numbers ``embed`` gives for a picture of the network's own size."""
        *_, last, classifier = cost(self.spec).stages
        pooled = classifier.layers[: len(self._pooling())]
        return math.prod((pooled[-1] if pooled else last).end.shape)

    @property
    def stage_channels(self) -> dict[str, int]:
        """Channels that each stage of ``features`` gives, by its name."""
        return {name: end.shape.channels for name, end in self._ends().items()}

    @property
    def stage_strides(self) -> dict[str, int]:
        """Pixels between neighbouring values of each stage of ``features``, by its name."""
        return {name: end.stride for name, end in self._ends().items()}

    def _ends(self) -> dict[str, Position]:
        return {stage.name: stage.end for stage in cost(self.spec).stages[:-1]}

    @overload
    def forward(self, x: Tensor, aux: Literal[False] = False) -> Tensor: ...

    @overload
    def forward(self, x: Tensor, aux: Literal[True]) -> tuple[Tensor, dict[str, Tensor]]: ...

    def forward(self, x: Tensor, aux: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits ``[N, classes]``; with ``aux`` also those of each head by its stage.

        Args:
            x: normalised pictures ``[N, C, H, W]``.
            aux: the mapping is empty where the network has no heads.

        Raises:
            InputError: pictures smaller than ``smallest_size``.
        """
        heads: dict[str, Tensor] = {}
        for name, features in self._stages(x):
            if aux and name in self.aux:
                heads[name] = self.aux[name](features)
        logits: Tensor = self.classifier(features)
        return (logits, heads) if aux else logits

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """What every stage gives, ``[N, C, H, W]`` by stage name, in order."""
        return dict(self._stages(x))

    def embed(self, x: Tensor) -> Tensor:
        """What the classifier's trained part sees, ``[N, num_features]``.

        That is the last stage pooled; its whole maps where the classifier pools only at its end,
        as Network in Network's does.
        """
        for _, features in self._stages(x):
            x = features
        for layer in self._pooling():
            x = layer(x)
        return x.flatten(1)

    def trained_classifier(self) -> nn.Sequential:
        """The classifier without its pooling: ``embed``'s features to logits; shares weights."""
        pooling, layers = self._pooling(), list(self.classifier.children())
        unflattened = [] if pooling else [MapsLayer(list(self.stage_channels.values())[-1])]
        return nn.Sequential(*unflattened, *layers[len(pooling) :])

    def reset_classifier(self, num_classes: int) -> None:
        """Fresh logits for another number of classes, those of the heads too; the rest stays."""
        self.spec = replace(self.spec, num_classes=num_classes)
        for layer in self.logits_layers():
            shape = (num_classes, *layer.weight.shape[1:])
            layer.weight = nn.Parameter(layer.weight.new_empty(shape))
            if layer.bias is not None:
                layer.bias = nn.Parameter(layer.bias.new_empty(num_classes))
            if isinstance(layer, nn.Linear):
                layer.out_features = num_classes
            else:
                layer.out_channels = num_classes
            draw_logits(layer, self.spec.initialisation)

    def _pooling(self) -> list[nn.Module]:
        return list(self.classifier.children())[: len(pooling_of(self.spec.classifier))]

    def pooling_json(self) -> list[dict[str, Any]]:
        """What stands between the last stage and ``embed``'s features, as JSON values."""
        return [layers_to_json(layer) for layer in pooling_of(self.spec.classifier).values()]

    def logits_layers(self) -> Iterator[Weighted]:
        """The last weighted layer of the classifier and of each head: those that know classes."""
        for part in (self.classifier, *self.aux.values()):
            weighted = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
            yield from weighted[-1:]

    def _stages(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        if min(x.shape[2:]) < self.smallest_size:
            self._check_sides((x.shape[2], x.shape[3]))
        for name in self.spec.stages:
            x = self._stage(self.get_submodule(name), x)
            yield name, x

    def _check_sides(self, sides: tuple[int, int]) -> None:
        """Whether there is room for every window, as in a signal of 1 px for windows as high."""
        if sides not in self._taken:
            cost(self.spec, sides)
            self._taken.add(sides)

    def _stage(self, stage: nn.Module, x: Tensor) -> Tensor:
        if not (self.checkpoint_activations and self.training and torch.is_grad_enabled()):
            return stage(x)  # type: ignore[no-any-return]

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), statistics_untouched(stage)  # of the first pass, of the second

        return checkpoint(stage, x, use_reentrant=False, context_fn=contexts)  # type: ignore[no-any-return]


class Normalise(nn.Module):
    """From pictures as decoded to a network's input: ``uint8 [N, H, W, 3]`` to ``[N, C, H, W]``."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.order = preprocessing.channel_order
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name), dtype=torch.float32)
            self.register_buffer(name, values, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures; uint8 or float, 0 to 255."""
        x = pictures.to(torch.float32)
        if self.order == "bgr":
            x = x.flip(-1)
        elif self.order == "grey":
            x = (x * x.new_tensor(LUMA)).sum(dim=-1, keepdim=True)
        return ((x - self.mean) / self.std).permute(0, 3, 1, 2)  # [N, C, H, W], channels last

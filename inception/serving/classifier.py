"""A classifier as it is served: made ready once, asked by many requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.errors import InputError
from inception.explanation.answer import Explanation
from inception.explanation.cam import ClassActivation, find_tail
from inception.models.cost import cost, end
from inception.models.spec import (
    Branches,
    Flatten,
    Layers,
    LocalResponseNorm,
    Pool,
    Residual,
    Spec,
)
from inception.runtime import Floats
from inception.runtime.program import PROBABILITIES, STEP
from inception.serving.batching import Batcher
from inception.serving.uploads import Upload
from inception.serving.workshop import Workshop
from inception.weights.model_file import ModelInfo, is_exported, read_info

if TYPE_CHECKING:
    from inception.explanation.branches import ModuleShares
    from inception.explanation.gradients import Attributor

Result = TypeVar("Result")
Contributions: TypeAlias = "tuple[Explanation, list[ModuleShares]]"


class Size(NamedTuple):
    """Of a picture, in pixels."""

    height: int
    width: int


def embedding_output(spec: Spec) -> str:
    """The output that the classifier's trained part sees, which ``InceptionNet.embed`` gives."""
    *_, last = cost(spec).stages[:-1]
    output, at = f"features:{last.name}", last.end
    layers = spec.classifier if isinstance(spec.classifier, Mapping) else {}
    for name, layer in layers.items():
        if not isinstance(layer, Pool | LocalResponseNorm | Flatten):
            break
        if not isinstance(layer, Pool) or at.shape[1:] != (1, 1):  # one cell is not pooled
            output = f"{STEP}classifier.{name}"
        at = end(layer, at)
    return output


def has_branches(layers: Layers) -> bool:
    """Whether something is concatenated anywhere in them."""
    if isinstance(layers, Mapping):
        return any(map(has_branches, layers.values()))
    if isinstance(layers, Residual):
        return has_branches(layers.body) or has_branches(layers.shortcut)
    return isinstance(layers, Branches)


class ServedClassifier:
    """One classifier: what it says of itself, and an engine that has run once.

    What else it can do, maps and branches for example, is made ready when first asked for.

    Args:
        name: by which it is asked for.
        source: as it was given.
        path: its file.
        workshop: where it works.

    Raises:
        InputError: as ``read_info`` and ``create_engine``, or the model gives no numbers.
    """

    def __init__(self, name: str, source: str | Path, path: Path, workshop: Workshop) -> None:
        self.name, self.source, self.path = name, source, path
        self.info: ModelInfo = read_info(path)
        self._workshop = workshop
        self._parts: dict[str, asyncio.Task[Any]] = {}
        self.engine, self._predicting = self._batcher(PROBABILITIES)

    @property
    def spec(self) -> Spec:
        """Its network."""
        return self.info.spec

    @property
    def explains(self) -> bool:
        """Whether its logits are means of maps, so that ``explain`` works."""
        try:
            find_tail(self.info.spec)
        except InputError:
            return False
        return True

    @property
    def attributes(self) -> bool:
        """Whether ``branches`` works: it needs gradients, and branches to attribute to."""
        return not is_exported(self.path) and has_branches(self.info.spec.stages)

    async def predict(self, upload: Upload) -> Floats:
        """``[classes]``, the probabilities for a picture.

        Raises:
            UnreadableImageError: the picture cannot be read, or the network gave no numbers.
        """
        return await self._ask(self._predicting, upload)

    async def embed(self, upload: Upload) -> Floats:
        """What the classifier's trained part sees of a picture.

        Raises:
            UnreadableImageError: as ``predict``.
            InputError: an exported network in which that is nowhere.
        """
        output = embedding_output(self.info.spec)
        _, batcher = await self._part("embed", lambda: self._batcher(output))
        return await self._ask(batcher, upload)

    async def explain(self, upload: Upload) -> tuple[Explanation, Size]:
        """Maps of all classes for a picture, and its size.

        Raises:
            UnreadableImageError: the picture cannot be read.
            InputError: the network's logits are no means of maps.
        """
        how, classes = self._workshop.choice, range(len(self.info.classes))
        maps = await self._part(
            "maps",
            lambda: ClassActivation(self.path, how.engine, device=how.device, threads=how.threads),
        )
        async with self._workshop.whole:
            picture = await self._workshop.decode(lambda: _read(upload))
            told = await self._workshop.run(lambda: maps.explain(picture, classes))
        return told, Size(*picture.shape[:2])

    async def branches(self, classes: Sequence[int], upload: Upload) -> Contributions:
        """What each branch adds to the first class's logit, less the second's where there is one.

        Raises:
            UnreadableImageError: the picture cannot be read.
            InputError: an exported model, or a network without branches.
        """
        attributor = await self._part("branches", self._attributing)
        async with self._workshop.whole:
            picture = await self._workshop.decode(lambda: _read(upload))
            return await self._workshop.run(lambda: attributor.branches(picture, classes))

    async def _part(self, name: str, make: Callable[[], Result]) -> Result:
        """What ``make`` gives, made once, in a thread; whoever gives up does not stop it."""
        part = self._parts.get(name)
        if part is None or (part.done() and part.exception() is not None):
            part = self._parts[name] = asyncio.create_task(asyncio.to_thread(make))
        made: Result = await asyncio.shield(part)
        return made

    async def _ask(self, batcher: Batcher, upload: Upload) -> Floats:
        with batcher.coming():
            square = await self._workshop.decode(
                lambda: views(_read(upload), self.info.preprocessing)
            )
        values = await batcher.ask(square)
        if not np.isfinite(values).all():
            raise UnreadableImageError(upload.name, "the network gave no finite numbers for it")
        return values

    def _batcher(self, output: str) -> tuple[str, Batcher]:
        """An engine's name, and itself for that output, run once with every size of run."""
        shop = self._workshop
        engine = shop.choice.create(self.path, output)
        size = self.info.preprocessing.size
        for count in dict.fromkeys((1, *shop.batching.runs)):  # one and most are the most frequent
            values = engine.run(np.zeros((count, size, size, 3), np.uint8))[output]
        if not np.isfinite(values).all():
            raise InputError(f"{self.source}: the network gives no finite numbers")
        return engine.name, Batcher(engine, output, shop.batching, shop.engines, shop.ran)

    def _attributing(self) -> Attributor:
        from inception.explanation.gradients import Attributor  # torch

        return Attributor(self.path)


def _read(upload: Upload) -> Picture:
    return read_image(upload.data, name=upload.name)

"""Models as they are served: made ready once, asked by many requests, replaced when changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.errors import InputError, unknown
from inception.explanation.answer import Explanation
from inception.explanation.cam import ClassActivation, find_tail
from inception.machine import available_cores
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
from inception.prediction import MODEL_FILES, SHIPPED, find_model
from inception.runtime import Engine, Floats, create_engine
from inception.runtime.program import PROBABILITIES, STEP
from inception.serving.batching import Batcher, Batching
from inception.serving.uploads import Upload
from inception.weights.model_file import ModelInfo, is_exported, read_info

if TYPE_CHECKING:
    from inception.explanation.branches import ModuleShares
    from inception.explanation.gradients import Attributor

Result = TypeVar("Result")
Contributions: TypeAlias = "tuple[Explanation, list[ModuleShares]]"


@dataclass(frozen=True)
class EngineChoice:
    """How engines are made, as ``create_engine`` takes it."""

    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None

    def create(self, path: Path, output: str) -> Engine:
        """An engine that gives one output."""
        return create_engine(
            path, self.engine, device=self.device, threads=self.threads, outputs=(output,)
        )


class Workshop:
    """Where the work is done, shared by all models: threads that decode, one that runs engines.

    Args:
        batching: how squares are gathered.
        choice: which engine.
        ran: told the squares of every run of an engine.
    """

    def __init__(
        self, batching: Batching, choice: EngineChoice, ran: Callable[[int], None]
    ) -> None:
        self.batching, self.choice, self.ran = batching, choice, ran
        self.decoders = ThreadPoolExecutor(available_cores(), "decode")
        self.engines = ThreadPoolExecutor(1, "engine")

    async def decode(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, in a thread that decodes."""
        return await asyncio.get_running_loop().run_in_executor(self.decoders, work)

    async def run(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, in the thread that engines run in."""
        return await asyncio.get_running_loop().run_in_executor(self.engines, work)

    def close(self) -> None:
        """Waits for the threads."""
        self.decoders.shutdown(cancel_futures=True)
        self.engines.shutdown(cancel_futures=True)


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


class Served:
    """One model: what it says of itself, and an engine that has run once.

    What else it can do, maps and branches for example, is made ready when first asked for.

    Raises:
        InputError: as ``find_model`` and ``create_engine``, or the model gives no numbers.
    """

    def __init__(self, name: str, source: str | Path, workshop: Workshop) -> None:
        self.name, self.source = name, source
        self.path = find_model(source)
        self.info: ModelInfo = read_info(self.path)
        self._workshop = workshop
        self._parts: dict[str, asyncio.Task[Any]] = {}
        self.engine, self._predicting = self._batcher(PROBABILITIES)

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

    async def explain(self, upload: Upload) -> tuple[Explanation, Picture]:
        """Maps of all classes for a picture, and the picture.

        Raises:
            UnreadableImageError: the picture cannot be read.
            InputError: the network's logits are no means of maps.
        """
        how, classes = self._workshop.choice, range(len(self.info.classes))
        maps = await self._part(
            "maps",
            lambda: ClassActivation(self.path, how.engine, device=how.device, threads=how.threads),
        )
        picture = await self._workshop.decode(lambda: _read(upload))
        return await self._workshop.run(lambda: maps.explain(picture, classes)), picture

    async def branches(self, classes: Sequence[int], upload: Upload) -> Contributions:
        """What each branch adds to the first class's logit, less the second's where there is one.

        Raises:
            UnreadableImageError: the picture cannot be read.
            InputError: an exported model, or a network without branches.
        """
        attributor = await self._part("branches", self._attributing)
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
        """An engine's name, and itself for that output, run with the batches that matter."""
        shop = self._workshop
        engine = shop.choice.create(self.path, output)
        size = self.info.preprocessing.size
        for count in dict.fromkeys((1, shop.batching.size, min(3, shop.batching.size))):
            values = engine.run(np.zeros((count, size, size, 3), np.uint8))[output]
        if not np.isfinite(values).all():
            raise InputError(f"{self.source}: the network gives no finite numbers")
        return engine.name, Batcher(engine, output, shop.batching, shop.engines, shop.ran)

    def _attributing(self) -> Attributor:
        from inception.explanation.gradients import Attributor  # torch

        return Attributor(self.path)


def _read(upload: Upload) -> Picture:
    return read_image(upload.data, name=upload.name)


class Shelf:
    """The models that are served, by name; the first is the one meant where none is named."""

    def __init__(self, sources: Mapping[str, str | Path], workshop: Workshop) -> None:
        self.workshop = workshop
        self._models = {name: Served(name, source, workshop) for name, source in sources.items()}

    @property
    def names(self) -> list[str]:
        """The models' names in their order."""
        return list(self._models)

    def find(self, name: str | None) -> Served:
        """The model of that name.

        Raises:
            InputError: there is none.
        """
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise unknown("model", name, self._models)
        return self._models[name]

    async def reload(self, name: str) -> Served:
        """Reads a model's file again; requests under way keep the one they began with.

        Raises:
            InputError: the file is no model any more; the one that was read before stays.
        """
        old = self.find(name)
        fresh = await asyncio.to_thread(Served, name, old.source, self.workshop)
        self._models[name] = fresh
        return fresh


def named(model: str | None, more: Sequence[str]) -> dict[str, str]:
    """A MODEL for each name, the first by its file's or folder's own; the shipped one if none.

    Raises:
        InputError: not NAME=PATH, or a name given twice.
    """
    sources: dict[str, str] = {}
    if model is not None:
        given = Path(model)
        sources[given.stem if given.suffix in MODEL_FILES else given.resolve().name] = model
    for entry in more:
        name, equals, path = entry.partition("=")
        if not (name and equals and path):
            raise InputError(f"--model takes NAME=PATH; got {entry}")
        if name in sources:
            raise InputError(f"two models named {name}; give them as --model NAME=PATH")
        sources[name] = path
    return sources or {SHIPPED: SHIPPED}

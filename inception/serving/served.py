"""Models as they are served: made ready once, asked by many requests, replaced when changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.errors import InputError, unknown
from inception.explanation.cam import ClassActivation, Explanation, find_tail
from inception.machine import available_cores
from inception.models.cost import cost, end
from inception.models.spec import Flatten, LocalResponseNorm, Pool, Spec
from inception.prediction import MODEL_FILES, SHIPPED, find_model
from inception.runtime import Engine, Floats, create_engine
from inception.runtime.program import PROBABILITIES, STEP
from inception.serving.batching import Batcher, Batching
from inception.serving.uploads import Upload
from inception.weights.model_file import ModelInfo, read_info

Result = TypeVar("Result")


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


class Served:
    """One model: what it says of itself, and an engine that has run once.

    Raises:
        InputError: as ``find_model`` and ``create_engine``, or the model gives no numbers.
    """

    def __init__(self, name: str, source: str | Path, workshop: Workshop) -> None:
        self.name, self.source = name, source
        self.path = find_model(source)
        self.info: ModelInfo = read_info(self.path)
        self._workshop = workshop
        self._batchers: dict[str, Batcher] = {}
        self._opening = asyncio.Lock()
        self._maps: ClassActivation | None = None
        self._open(PROBABILITIES)

    @property
    def explains(self) -> bool:
        """Whether its logits are means of maps, so that ``explain`` works."""
        try:
            find_tail(self.info.spec)
        except InputError:
            return False
        return True

    async def explain(self, upload: Upload) -> tuple[Explanation, Picture]:
        """Maps of all classes for a picture, and the picture.

        Raises:
            UnreadableImageError: the picture cannot be read.
            InputError: the network's logits are no means of maps.
        """
        async with self._opening:
            if self._maps is None:
                self._maps = await asyncio.to_thread(self._explaining)
        maps, shop = self._maps, self._workshop
        picture = await shop.decode(lambda: read_image(upload.data, name=upload.name))
        classes = range(len(self.info.classes))
        return await shop.run(lambda: maps.explain(picture, classes)), picture

    def _explaining(self) -> ClassActivation:
        choice = self._workshop.choice
        return ClassActivation(
            self.path, choice.engine, device=choice.device, threads=choice.threads
        )

    async def output(self, name: str, upload: Upload) -> Floats:
        """An output of the network for a picture.

        Raises:
            UnreadableImageError: the picture cannot be read, or the network gave no numbers.
            InputError: the network has no such output.
        """
        async with self._opening:
            if name not in self._batchers:
                await asyncio.to_thread(self._open, name)
        batcher = self._batchers[name]
        with batcher.coming():
            square = await self._workshop.decode(lambda: self._square(upload))
        values = await batcher.ask(square)
        if not np.isfinite(values).all():
            raise UnreadableImageError(upload.name, "the network gave no finite numbers for it")
        return values

    def _square(self, upload: Upload) -> Picture:
        picture = read_image(upload.data, name=upload.name)
        return views(picture, self.info.preprocessing)

    def _open(self, output: str) -> None:
        """Makes an engine for that output and runs it with the sizes of batches that matter."""
        shop = self._workshop
        engine = shop.choice.create(self.path, output)
        size = self.info.preprocessing.size
        for count in dict.fromkeys((1, shop.batching.size, min(3, shop.batching.size))):
            values = engine.run(np.zeros((count, size, size, 3), np.uint8))[output]
        if not np.isfinite(values).all():
            raise InputError(f"{self.source}: the network gives no finite numbers")
        self.engine = engine.name
        self._batchers[output] = Batcher(engine, output, shop.batching, shop.engines, shop.ran)


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

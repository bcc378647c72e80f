"""What a stage sees: its channels on one picture, strongest first. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.crops import views
from inception.data.images import Picture
from inception.errors import InputError, unknown
from inception.prediction import find_model
from inception.runtime import create_engine
from inception.runtime.program import Floats
from inception.weights.model_file import is_exported, read_info


@dataclass(frozen=True)
class Channels:
    """Channels of a stage on a picture.

    Attributes:
        indices: which, the strongest mean first.
        maps: ``[channels, h, w]``.
        shown: the crop as the network saw it, ``uint8 [size, size, 3]``.
    """

    stage: str
    indices: npt.NDArray[np.int64]
    maps: Floats
    shown: Picture


def strongest_channels(
    model: str | Path,
    picture: Picture,
    stage: str | None = None,
    *,
    count: int = 31,
    engine: str = "auto",
    threads: int | None = None,
) -> Channels:
    """The channels of a stage, by default one in the middle, that answer most on average.

    Raises:
        InputError: no such model or stage, or an exported one, which has no stages by name.
    """
    path = find_model(model)
    info = read_info(path)
    if is_exported(path):
        raise InputError(f"{path} was exported without its stages; take what it came from")
    stages = list(info.spec.stages)
    if stage is None:
        stage = stages[len(stages) // 2]
    if stage not in stages:
        raise unknown("stage", stage, stages)
    output = f"features:{stage}"
    made = create_engine(path, engine, device="cpu", threads=threads, outputs=[output])
    shown = views(picture, info.preprocessing)
    maps = made.run(shown)[output][0]
    order = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:count]
    return Channels(stage, order, maps[order], shown[0])

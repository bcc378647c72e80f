"""A network measured on a validation set, by all processes of a run together."""

from __future__ import annotations

import time
from contextlib import suppress

from inception.data.datasets import Dataset
from inception.evaluation.evaluate import Evaluation, conclude, evaluate_share
from inception.evaluation.request import Progress, no_progress
from inception.models.network import InceptionNet
from inception.runtime.torch_engine import TorchEngine
from inception.training.config import TrainConfig
from inception.training.group import Group, Interrupted


def validate(
    network: InceptionNet,
    dataset: Dataset,
    config: TrainConfig,
    group: Group,
    *,
    progress: Progress = no_progress,
) -> Evaluation:
    """What all come to together, each process having looked at its share, no picture twice.

    ``network`` is the same in all of them, ``dataset`` the whole set. ``progress`` is told of this
    process's share and may raise ``Interrupted``.

    Raises:
        InputError: too many unreadable pictures.
        Interrupted: ``progress`` did, in one of the processes.
    """
    spec, began = network.spec, time.perf_counter()
    engine = TorchEngine(network, device=config.device, threads=config.threads)
    share = None
    with suppress(Interrupted):  # the others learn of it below
        share = evaluate_share(
            engine,
            dataset,
            spec.preprocessing,
            group.share(range(len(dataset))),
            threads=config.threads,
            progress=progress,
        )
    shares = [each for each in group.gather(share) if each is not None]
    if len(shares) < group.size:
        raise Interrupted
    return conclude(
        shares,
        dataset,
        models=(spec.name,),
        engine=engine.name,
        seconds=time.perf_counter() - began,
        max_unreadable=config.max_unreadable,
    )

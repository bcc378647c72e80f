"""One network that holds all candidates of the same modules: trained once, it scores each of them.

A candidate's weights are the first channels of each of its convolutions (slimmable networks,
arXiv:1812.08928). In every step the widest, the narrowest and two by chance learn, all but the
widest what that one answers (the sandwich rule, arXiv:1903.05134).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from inception.data.loading import Batch, epoch_plan, steps_per_epoch, training_batches
from inception.machine import available_cores
from inception.models.build import build, build_empty
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import Spec
from inception.search.narrowing import Narrowed, narrowed, prunable
from inception.search.sampling import Dice, Draw, Edge, Space, draw
from inception.search.space import decode
from inception.search.trainer import Task
from inception.training.group import Group, Interrupted
from inception.training.optimisers import create_optimiser, rate_at, set_rate
from inception.training.validation import validate
from inception.training.weight_gradients import cheap_weight_gradients
from inception.weights.model_file import transplant

BY_CHANCE: Final = 2  # candidates that learn in every step, beside the widest and the narrowest
CALIBRATED_ON: Final = 4  # batches, for batch norm's statistics, which no two candidates share
JUDGED_ON: Final = 256  # pictures of the choosing half
DRAWS: Final = 0x73757065  # keeps these draws apart from those that are scored


class Supernet:
    """The widest network of a space whose candidates differ in their widths alone.

    Args:
        space: with ``only_widths``.
        task: what it is trained and judged on.
    """

    def __init__(self, space: Space, task: Task) -> None:
        self.space, self.task = space, task
        self.device = torch.device(task.config.device)
        torch.manual_seed(task.config.seed)
        widest = self._spec(Edge(most=True))
        network = build(widest).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: InceptionNet = network.to(self.device)
        self.normalise = Normalise(widest.preprocessing).to(self.device)
        self.choosing = task.choosing.limited(JUDGED_ON, task.config.seed)

    def part(self, spec: Spec) -> Narrowed:
        """A candidate's own tensors, cut out of the supernet's; gradients flow back into those."""
        own, wanted = self.network.spec, prunable(spec)
        keep = {
            path: np.arange(int(conv.width or 0)) < int(wanted[path].width or 0)
            for path, conv in prunable(own).items()
        }
        return narrowed(own, dict(self.network.state_dict(keep_vars=True)), keep)

    def accuracy(self, spec: Spec) -> float:
        """Validation top-1 of a candidate with the shared weights, on some of the choosing half."""
        network = build_empty(spec).to_empty(device=self.device)
        transplant(network, {name: each.detach() for name, each in self.part(spec).weights.items()})
        self._calibrate(network)
        return validate(network, self.choosing, self.task.config, Group()).top1_accuracy

    def step(self, batch: Batch, by: Draw) -> None:
        """Leaves the gradients of the sandwich's losses, the mean over its networks."""
        pictures, answers = self._shown(batch), torch.from_numpy(batch.labels).to(self.device)
        specs = [self.network.spec, self._spec(Edge(most=False))]
        specs += [self._spec(by) for _ in range(BY_CHANCE)]
        for number, spec in enumerate(specs):
            with cheap_weight_gradients(self.device, "fp32"):
                logits = self._logits(spec, pictures)
                torch.autograd.backward(F.cross_entropy(logits, answers) / len(specs))
            if number == 0:
                answers = logits.detach().softmax(dim=1)

    def _logits(self, spec: Spec, pictures: Tensor) -> Tensor:
        if spec is self.network.spec:
            own: Tensor = self.network(pictures)
            return own
        weights = self.part(spec).weights
        shared: Tensor = functional_call(build_empty(spec).train(), weights, (pictures,))
        return shared

    def _calibrate(self, network: InceptionNet) -> None:
        """Batch norm's statistics are the mean over some batches to learn from."""
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        network.train()
        with torch.no_grad():
            for batch in _batches(self.task, network.spec.image_size, 0, CALIBRATED_ON):
                network(self._shown(batch))
        network.eval()

    def _shown(self, batch: Batch) -> Tensor:
        shown: Tensor = self.normalise(torch.from_numpy(batch.pictures).to(self.device))
        return shown

    def _spec(self, by: Draw) -> Spec:
        spec = decode(draw(self.space, by), len(self.task.train.classes))
        return replace(spec, aux={})


def train_supernet(
    space: Space,
    task: Task,
    *,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda step, steps: None,
) -> Supernet:
    """A supernet that has learnt for as many epochs as a candidate would.

    Raises:
        Interrupted: ``stopping`` said so; nothing is kept.
    """
    made, config = Supernet(space, task), task.config
    made.network.train()
    optimiser = create_optimiser(made.network, config)
    steps = steps_per_epoch(len(task.train), config.batch_size)
    total, done = config.epochs * steps, 0
    for epoch in range(config.epochs):
        for batch in _batches(task, made.network.spec.image_size, epoch, steps):
            if stopping():
                raise Interrupted
            set_rate(optimiser, rate_at(config, done, total, steps))
            optimiser.zero_grad()
            made.step(batch, Dice([config.seed, DRAWS, done]))
            if config.clip_norm is not None:
                nn.utils.clip_grad_norm_(made.network.parameters(), config.clip_norm)
            optimiser.step()
            done += 1
            progress(done, total)
    return made


def _batches(task: Task, size: int, epoch: int, most: int) -> Iterator[Batch]:
    config = task.config
    plan = epoch_plan(len(task.train), config.batch_size, config.seed, epoch)[:most]
    threads = config.threads or available_cores()
    return training_batches(
        task.train, plan, config.augmentation(),
        size=size, seed=config.seed, epoch=epoch, threads=threads,
    )  # fmt: skip

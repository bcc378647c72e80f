"""The training loop: what happens to a batch, an epoch, a run."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from inception import machine
from inception.data.datasets import Dataset
from inception.data.loading import Batch, epoch_plan, steps_per_epoch, training_batches
from inception.errors import InputError
from inception.evaluation.counting import check_unreadable
from inception.evaluation.evaluate import Evaluation, evaluate_engine
from inception.models.network import InceptionNet, Normalise
from inception.runtime.torch_engine import TorchEngine
from inception.training.checkpoint import State, load_checkpoint, save_checkpoint
from inception.training.config import TrainConfig
from inception.training.folder import LAST
from inception.training.heads import is_cosine, level_rows
from inception.training.losses import MAIN, losses_by_head, total_loss
from inception.training.mixing import Mix, draw_mix, mixed
from inception.training.optimisers import WeightAverage, create_optimiser, rate_at, set_rate

MIXING = 0x6D6978  # keeps the draws of mixup and CutMix apart from those of augmentation


class Interrupted(Exception):
    """Someone asked the run to stop; it was saved."""


@dataclass(frozen=True)
class Reports:
    """What a run tells while it goes; all optional.

    Attributes:
        step: state, steps in this epoch, learning rate.
        validation: pictures done and in all.
        epoch: the row of ``metrics.csv`` and whether it is the best so far.
        warning: something failed that the run does without.
    """

    step: Callable[[State, int, float], None] = lambda state, steps, rate: None
    validation: Callable[[int, int], None] = lambda done, total: None
    epoch: Callable[[dict[str, Any], bool], None] = lambda row, best: None
    warning: Callable[[str], None] = lambda text: None


class Training:
    """A network in training, with all that changes while it is."""

    def __init__(
        self,
        network: InceptionNet,
        config: TrainConfig,
        train: Dataset,
        val: Dataset,
        *,
        folder: Path,
        stopping: Callable[[], bool] = lambda: False,
        reports: Reports | None = None,
    ) -> None:
        self.config, self.train_set, self.val_set = config, train, val
        self.last = folder / LAST
        self.stopping, self.reports = stopping, reports or Reports()
        self.state = State()
        self.accelerator = Accelerator(cpu=config.device == "cpu")
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.checkpoint_activations = config.checkpoint_activations
        for stage in frozen_stages(network, config):
            network.get_submodule(stage).requires_grad_(False)
        self.network = network.to(self.accelerator.device)
        self.averaged = copy.deepcopy(self.network)
        self.cosine = is_cosine(network.spec)
        self.normalise = Normalise(network.spec.preprocessing).to(self.accelerator.device)
        self.optimiser = create_optimiser(self.network, config)
        self.average = WeightAverage(self.network, self.averaged, config)
        self.wrapped, self.prepared = self.accelerator.prepare(self.network, self.optimiser)
        self.least = least_batch(self.network, config, self.accelerator.num_processes)
        self.steps_per_epoch = steps_per_epoch(len(train), config.batch_size, self.least)
        self.total_steps = config.steps or config.epochs * self.steps_per_epoch
        self.epochs = math.ceil(self.total_steps / self.steps_per_epoch)
        self._saved_at = time.monotonic()

    def resume(self, state: State) -> None:
        """Goes on from the checkpoint whose state this is."""
        self.state = state
        load_checkpoint(self.last, self._modules(), self.optimiser)

    def run(self) -> Iterator[tuple[Evaluation, bool]]:
        """Trains to the end; after each epoch gives its validation and whether it is the best.

        Whoever takes these keeps what is to be kept and calls ``save``.

        Raises:
            Interrupted: ``stopping`` said so; the checkpoint is written.
            InputError: a loss that is not finite, or too many unreadable pictures.
        """
        with machine.torch_threads(self.config.threads):
            while self.state.epoch < self.epochs and not self._out_of_patience():
                self._train_epoch()
                evaluation = self._validate()
                best = self._take_in(evaluation)
                yield evaluation, best

    def save(self) -> None:
        """Writes ``last.safetensors``."""
        if self.accelerator.is_main_process:
            config = self.config.to_json()
            save_checkpoint(self.last, self.state, config, self._modules(), self.optimiser)
        self._saved_at = time.monotonic()

    def _train_epoch(self) -> None:
        train_mode(self.network, self.config)
        plan = self._plan()
        for batch in self._batches(plan[self.state.step :]):
            began = time.perf_counter()
            self._train_step(batch)
            self.state.seconds += time.perf_counter() - began
            self.reports.step(self.state, len(plan), self._last_rate())
            if time.monotonic() - self._saved_at > self.config.checkpoint_s:
                self.save()
            self._heed_stop()
        paths = list(self.state.unreadable.items())
        missed, seen = self.state.missed, self.state.missed + self.state.pictures
        check_unreadable(missed, seen, paths, self.config.max_unreadable)

    def _plan(self) -> list[np.ndarray[Any, Any]]:
        """This epoch's batches: all but what lies past the run's last step."""
        c = self.config
        left = self.total_steps - self.state.epoch * self.steps_per_epoch
        seed, epoch, count = c.sampling_seed, self.state.epoch, len(self.train_set)
        return epoch_plan(count, c.batch_size, seed, epoch, least=self.least)[:left]

    def _batches(self, plan: list[np.ndarray[Any, Any]]) -> Iterator[Batch]:
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        waited = time.perf_counter()
        for batch in training_batches(
            self.train_set,
            [np.array_split(rows, world)[rank] for rows in plan],
            self.config.augmentation(),
            size=self.config.train_size(self.state.epoch, self.epochs),
            seed=self.config.sampling_seed,
            epoch=self.state.epoch,
            threads=self.config.threads or machine.available_cores(),
        ):
            self.state.seconds += time.perf_counter() - waited
            yield batch
            waited = time.perf_counter()

    def _train_step(self, batch: Batch) -> None:
        """One update of the weights and of their average."""
        step = self._global_step()
        self._count(batch)
        if len(batch.labels) >= self._alone:  # the others cannot be read, and are counted
            # Dropout depends on seed, step and process alone, so that a resumed run draws the same
            rank = self.accelerator.process_index
            torch.manual_seed(_mixed(self.config.sampling_seed, step, rank))
            set_rate(self.optimiser, self._rate(step))
            self.prepared.zero_grad()
            self._backward(batch, self._mix(batch, step))
            if self.config.clip_norm is not None:
                self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
            self.prepared.step()
            self.average.update(step, self.total_steps)
            if self.cosine:
                level_rows(self.network.classifier)
                level_rows(self.averaged.classifier)
        self.state.step += 1

    def _mix(self, batch: Batch, step: int) -> Mix | None:
        """Depends, as dropout, on seed, step and process alone."""
        c, (count, size) = self.config, batch.pictures.shape[:2]
        key = [c.sampling_seed, step, self.accelerator.process_index, MIXING]
        rng = np.random.default_rng(key)
        return draw_mix(count, size, mixup=c.mixup, cutmix=c.cutmix, rng=rng)

    def _backward(self, batch: Batch, mix: Mix | None) -> None:
        parts = min(self.config.accumulate, len(batch.labels) // self._alone)
        chunks = np.array_split(np.arange(len(batch.labels)), parts)
        for rows in chunks[:-1]:
            with self.accelerator.no_sync(self.wrapped):
                self._backward_part(batch, rows, mix)
        self._backward_part(batch, chunks[-1], mix)

    def _backward_part(self, batch: Batch, rows: np.ndarray[Any, Any], mix: Mix | None) -> None:
        device = self.accelerator.device
        shown = mixed(batch, rows, mix, self.network.spec.num_classes)
        pictures, labels = (torch.from_numpy(x).to(device, non_blocking=True) for x in shown)
        # not Accelerate's own mixed precision, which is one for the whole process
        with torch.autocast(device.type, torch.bfloat16, self.config.precision == "bf16"):
            logits, aux = self.wrapped(self.normalise(pictures), aux=True)
        smoothing = self.config.label_smoothing
        losses = losses_by_head(logits, aux, labels, label_smoothing=smoothing)
        loss = total_loss(losses, self.config.aux_weight)
        self._add_up({name: float(value.detach()) for name, value in losses.items()}, len(rows))
        self.accelerator.backward(loss * (len(rows) / len(batch.labels)))

    def _add_up(self, losses: dict[str, float], pictures: int) -> None:
        for name, value in losses.items():
            check_finite(value, f"{name} loss", f"at step {self._global_step()}", self.config)
            self.state.sums[name] = self.state.sums.get(name, 0.0) + value * pictures

    def _count(self, batch: Batch) -> None:
        self.state.pictures += len(batch.labels)
        self.state.missed += len(batch.unreadable)
        self.state.unreadable |= {error.name: error.reason for error in batch.unreadable}

    def _validate(self) -> Evaluation:
        def progress(done: int, total: int) -> None:
            self.reports.validation(done, total)
            self._heed_stop()

        engine = TorchEngine(
            self.averaged, device=self.accelerator.device.type, threads=self.config.threads
        )
        evaluation = evaluate_engine(
            engine,
            self.val_set,
            self.network.spec.preprocessing,
            models=(self.network.spec.name,),
            threads=self.config.threads,
            max_unreadable=self.config.max_unreadable,
            progress=progress,
        )
        when = f"after epoch {self.state.epoch + 1}"
        check_finite(evaluation.loss, "validation loss", when, self.config)
        return evaluation

    def _take_in(self, evaluation: Evaluation) -> bool:
        """Ends the epoch in the state; whether this is the best validation so far."""
        s = self.state
        better = s.better(evaluation.top1_accuracy, evaluation.loss)
        s.unreadable |= dict(evaluation.unreadable)
        s.rows.append(self._row(evaluation))
        s.begin_epoch()
        self.reports.epoch(s.rows[-1], better)
        return better

    def _row(self, evaluation: Evaluation) -> dict[str, Any]:
        s = self.state
        means = {name: total / max(s.pictures, 1) for name, total in s.sums.items()}
        weights = {n: 1.0 if n == MAIN else self.config.aux_weight for n in means}
        return {
            "epoch": s.epoch + 1,
            "lr": self._last_rate(),
            "loss": sum(weights[n] * value for n, value in means.items()),
            **{f"loss_{name}": value for name, value in means.items()},
            "val_loss": evaluation.loss,
            "top1_accuracy": evaluation.top1_accuracy,
            "top5_accuracy": evaluation.top5_accuracy,
            "images_per_second": s.pictures / max(s.seconds, 1e-9),
            "seconds": s.seconds + evaluation.seconds,
            "peak_memory_mb": peak_memory_mb(self.accelerator.device),
        }

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.state.epochs_since_best >= patience

    def _heed_stop(self) -> None:
        if self.stopping():
            self.save()
            raise Interrupted

    def _global_step(self) -> int:
        return self.state.epoch * self.steps_per_epoch + self.state.step

    def _rate(self, step: int) -> float:
        return rate_at(self.config, step, self.total_steps, self.steps_per_epoch)

    def _last_rate(self) -> float:
        return self._rate(self._global_step() - 1)

    @property
    def _alone(self) -> int:
        """The fewest pictures that one process can learn from together."""
        return self.least // int(self.accelerator.num_processes)

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"network": self.network, "averaged": self.averaged}


def check_finite(loss: float, name: str, when: str, config: TrainConfig) -> None:
    """Raises ``InputError`` where a loss is no number: such a run has nothing more to learn."""
    if not math.isfinite(loss):
        raise InputError(
            f"the {name} is {loss} {when}: the run stopped; begin again with a lower --lr (it is "
            f"{config.lr:g}){'' if config.clip_norm else ' or --set clip_norm=1'}"
        )


def least_batch(network: InceptionNet, config: TrainConfig, processes: int = 1) -> int:
    """The fewest pictures in a batch: batch norm that trains learns nothing from one.

    Raises:
        InputError: the run's batches are smaller.
    """
    train_mode(network, config)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    least = processes * (2 if any(norm.training for norm in norms) else 1)
    if config.batch_size < least:
        raise InputError(
            f"--batch-size {config.batch_size} leaves batch norm one picture, from which it learns "
            f"nothing: give {least} or more, or do without it, --set norm=none"
        )
    return least


def frozen_stages(network: InceptionNet, config: TrainConfig) -> list[str]:
    """The stages that do not train: none, all, or those before ``unfreeze_from``."""
    stages = list(network.spec.stages)
    if config.freeze == "none":
        return []
    return stages if config.unfreeze_from is None else stages[: stages.index(config.unfreeze_from)]


def train_mode(network: InceptionNet, config: TrainConfig) -> None:
    """Training mode, but for frozen stages, whose batch-norm statistics stay as they are."""
    network.train()
    for stage in frozen_stages(network, config):
        network.get_submodule(stage).eval()


def peak_memory_mb(device: torch.device) -> float:
    """Most memory held so far, in MB: the GPU's, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return machine.peak_memory_mb()


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)

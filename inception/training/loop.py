"""The training loop: what happens to a batch, an epoch, a run."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from inception import machine
from inception.data.dataset import Dataset
from inception.data.decoded import DecodedPictures
from inception.data.loading import Batch, epoch_plan, steps_per_epoch, training_batches
from inception.evaluation.counting import check_unreadable
from inception.evaluation.evaluate import Evaluation
from inception.models.network import InceptionNet, Normalise
from inception.training.adversary import adversarial
from inception.training.checkpoint import RIGHT, State, load_checkpoint, save_checkpoint
from inception.training.config import TrainConfig
from inception.training.exchange import exchange, stand_in, synchronised, take_part
from inception.training.folder import LAST
from inception.training.group import Group, Interrupted
from inception.training.heads import is_cosine, level_rows
from inception.training.losses import (
    MAIN,
    balancing_weights,
    check_finite,
    losses_by_head,
    precise,
    share_right,
    total_loss,
)
from inception.training.mixing import Mix, draw_mix, mixed
from inception.training.optimisers import WeightAverage, create_optimiser, rate_at, set_rate
from inception.training.teacher import open_teacher
from inception.training.trained import frozen_stages, least_batch, train_mode
from inception.training.validation import validate
from inception.training.weight_gradients import cheap_weight_gradients

ALONE = Group()
MIXING = 0x6D6978  # keeps the draws of mixup and CutMix apart from those of augmentation
STEPS_UNREAD = {
    "cpu": 1,
    "cuda": 16,
    "mps": 1,
}  # reading a loss waits until the device has computed it
Losses = dict[str, torch.Tensor]  # by head


@dataclass(frozen=True)
class Unread:
    """What a step tells as it lies on the device, ``[told]``, summed over its own pictures."""

    step: int
    sums: torch.Tensor
    total: int


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
        group: Group = ALONE,
        stopping: Callable[[], bool] = lambda: False,
        reports: Reports | None = None,
    ) -> None:
        self.config, self.train_set, self.val_set = config, train, val
        self.last = folder / LAST
        self.group, self.stopping, self.reports = group, stopping, reports or Reports()
        self.state = State()
        self.device = torch.device(config.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.checkpoint_activations = config.checkpoint_activations
        for stage in frozen_stages(network, config):
            network.get_submodule(stage).requires_grad_(False)
        self.network = network.to(self.device)
        self.averaged = copy.deepcopy(self.network)
        self.cosine = is_cosine(network.spec)
        self.normalise = Normalise(network.spec.preprocessing).to(self.device)
        self.optimiser = create_optimiser(self.network, config)
        self.average = WeightAverage(self.network, self.averaged, config)
        self.teacher = open_teacher(config, train.classes)
        self.norms = synchronised(self.network, group) if config.sync_norm else []
        self.least = least_batch(self.network, config)
        self.least_share = 1 if self.norms else self.least
        self.steps_per_epoch = steps_per_epoch(len(train), config.batch_size, self.least)
        self.total_steps = config.steps or config.epochs * self.steps_per_epoch
        self.epochs = math.ceil(self.total_steps / self.steps_per_epoch)
        self.class_weights = None
        if config.balance == "weights":
            weights = balancing_weights(train.labels, len(train.classes))
            self.class_weights = weights.to(self.device)
        self._told = [MAIN, *network.spec.aux, RIGHT]
        self._unread: list[Unread] = []
        # what comes in blocks is larger than memory or far away, and is read ahead instead
        keep_mb = config.keep_decoded_mb or 0 if train.blocks is None else 0
        self._decoded = DecodedPictures(train, keep_mb)
        self._saved_at = time.monotonic()

    def resume(self, state: State, checkpoint: Path) -> None:
        """Goes on from the checkpoint whose state this is, which becomes the last one."""
        self.state = state
        load_checkpoint(checkpoint, self._modules(), self.optimiser)
        if checkpoint != self.last:
            self.save()

    def run(self) -> Iterator[tuple[Evaluation, bool]]:
        """Trains to the end; after each epoch gives its validation and whether it is the best.

        Whoever takes these keeps what is to be kept and calls ``save``.

        Raises:
            Interrupted: ``stopping`` said so; the checkpoint is written.
            InputError: a loss that is not finite, or too many unreadable pictures.
        """
        for module in self._modules().values():  # processors differ in the last bits they draw
            self.group.broadcast(list(module.state_dict().values()))
        with machine.torch_threads(self.config.threads), machine.memory_kept():
            while self.state.epoch < self.epochs and not self._out_of_patience():
                self._train_epoch()
                evaluation = self._validate()
                best = self._take_in(evaluation)
                yield evaluation, best

    def save(self) -> None:
        """Writes ``last.safetensors``, from the first process."""
        if self.group.leads:
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
            if not self._unread and time.monotonic() - self._saved_at > self.config.checkpoint_s:
                self.save()
            self._heed_stop()
        self._read_losses()
        paths = list(self.state.unreadable.items())
        missed, seen = self.state.missed, self.state.missed + self.state.pictures
        check_unreadable(missed, seen, paths, self.config.max_unreadable)

    def _plan(self) -> list[np.ndarray[Any, Any]]:
        """This epoch's batches: all but what lies past the run's last step."""
        c = self.config
        left = self.total_steps - self.state.epoch * self.steps_per_epoch
        seed, epoch, count = c.sampling_seed, self.state.epoch, len(self.train_set)
        evenly = self.train_set.labels if c.balance == "sampling" else None
        plan = epoch_plan(
            count, c.batch_size, seed, epoch,
            least=self.least, evenly=evenly, blocks=self.train_set.blocks,
        )  # fmt: skip
        return plan[:left]

    def _batches(self, plan: list[np.ndarray[Any, Any]]) -> Iterator[Batch]:
        waited = time.perf_counter()
        for batch in training_batches(
            self.train_set,
            [self._share(rows) for rows in plan],
            self.config.augmentation(),
            size=self.config.train_size(self.state.epoch, self.epochs),
            seed=self.config.sampling_seed,
            epoch=self.state.epoch,
            threads=self.config.threads or machine.available_cores(),
            decoded=self._decoded,
        ):
            now = time.perf_counter()
            self.state.waited += now - waited
            self.state.seconds += now - waited
            yield batch
            waited = time.perf_counter()

    def _share(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """This process's part of a batch; nothing where there is too little for all to learn."""
        parts = max(1, min(self.group.size, len(rows) // self.least_share))
        rank = self.group.rank
        return self.train_set.dealt(rows, parts)[rank] if rank < parts else rows[:0]

    def _train_step(self, batch: Batch) -> None:
        """One update of the weights and of their average."""
        step, rank = self._global_step(), self.group.rank
        shares = self._count(batch)
        if total := sum(shares):  # else they cannot be read, and are counted
            # Dropout depends on seed, step and process alone, so that a resumed run draws the same
            torch.manual_seed(_mixed(self.config.sampling_seed, step, rank))
            set_rate(self.optimiser, self._rate(step))
            self.optimiser.zero_grad()
            self._add_up(self._learn(batch, step, shares), total)
            exchange(self.network, self.group, shares[rank] / total)
            if self.config.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
            self.optimiser.step()
            self.average.update(step, self.total_steps)
            if self.cosine:
                level_rows(self.network.classifier)
                level_rows(self.averaged.classifier)
        self.state.step += 1

    def _count(self, batch: Batch) -> list[int]:
        """Takes in what was read of a batch; how many pictures each process learns from."""
        unreadable = [(error.name, error.reason) for error in batch.unreadable]
        told = self.group.gather((len(batch.labels), unreadable))
        for read, missed in told:
            self.state.pictures += read
            self.state.missed += len(missed)
            self.state.unreadable |= dict(missed)
        counts = [read if read >= self.least_share else 0 for read, _ in told]
        return counts if sum(counts) >= self.least else [0] * len(counts)

    def _mix(self, batch: Batch, step: int) -> Mix | None:
        """Depends, as dropout, on seed, step and process alone."""
        c, (count, size) = self.config, batch.pictures.shape[:2]
        rng = np.random.default_rng([c.sampling_seed, step, self.group.rank, MIXING])
        return draw_mix(count, size, mixup=c.mixup, cutmix=c.cutmix, rng=rng)

    def _learn(self, batch: Batch, step: int, shares: list[int]) -> Losses:
        """Leaves this share's gradients of the mean over the whole batch; gives its losses."""
        own, total = shares[self.group.rank], sum(shares)
        if not self.norms:
            parts = min(self.config.accumulate, own // self.least)
            return self._backward(batch, self._mix(batch, step), total, parts) if own else {}
        parts = min(self.config.accumulate, total // self.least, *filter(None, shares))
        take_part(self.norms, present=own > 0)
        if own:
            return self._backward(batch, self._mix(batch, step), total, parts)
        self._backward(stand_in(batch, parts), None, math.inf, parts)
        return {}

    def _backward(self, batch: Batch, mix: Mix | None, total: float, parts: int) -> Losses:
        sums: dict[str, torch.Tensor] = {}
        for rows in np.array_split(np.arange(len(batch.labels)), parts):
            for name, value in self._backward_part(batch, rows, mix, total).items():
                sums[name] = sums.get(name, 0) + precise(value) * len(rows)
        return sums

    def _backward_part(
        self, batch: Batch, rows: np.ndarray[Any, Any], mix: Mix | None, total: float
    ) -> Losses:
        shown, answers = mixed(batch, rows, mix, self.network.spec.num_classes)
        taught = answers if self.teacher is None else self.teacher.soften(shown, answers)
        sent = (self._sent(torch.from_numpy(x)) for x in (shown, taught, answers))
        pictures, labels, truth = sent
        pictures = adversarial(self.network, self.normalise, pictures, labels, self.config)
        with cheap_weight_gradients(self.device, self.config.precision):
            with torch.autocast(self.device.type, torch.bfloat16, self.config.precision == "bf16"):
                logits, aux = self.network(self.normalise(pictures), aux=True)
            smoothing = self.config.label_smoothing
            losses = losses_by_head(
                logits, aux, labels, label_smoothing=smoothing, class_weights=self.class_weights
            )
            loss = total_loss(losses, self.config.aux_weight)
            torch.autograd.backward(loss * (len(rows) / total))
        told = losses | {RIGHT: share_right(logits, truth)}
        return {name: value.detach() for name, value in told.items()}

    def _sent(self, values: torch.Tensor) -> torch.Tensor:
        """Values on the device; a GPU fetches them itself while the next ones are made."""
        pinned = values.pin_memory() if self.device.type == "cuda" else values
        return pinned.to(self.device, non_blocking=True)

    def _add_up(self, losses: Losses, total: int) -> None:
        """Keeps a step's losses, summed over pictures; reads them with those of some others."""
        none = precise(torch.zeros((), device=self.device))
        told = [losses.get(name, none) for name in self._told]
        self._unread.append(Unread(self.state.step, torch.stack(told), total))
        if len(self._unread) >= STEPS_UNREAD[self.device.type]:
            self._read_losses()

    def _read_losses(self) -> None:
        """Takes in the losses of all processes, by head, of the steps since the last time."""
        s, unread, self._unread = self.state, self._unread, []
        if not unread:
            return
        table = torch.stack([each.sums for each in unread])
        sums = np.reshape(self.group.sum(table.flatten().tolist()), table.shape).tolist()
        for each, row in zip(unread, sums, strict=True):
            step = s.epoch * self.steps_per_epoch + each.step
            when = f"at step {step} (epoch {s.epoch + 1}, batch {each.step + 1})"
            for name, value in zip(self._told, row, strict=True):
                check_finite(value / each.total, f"{name} loss", when, self.config)
                s.add(name, value)

    def _validate(self) -> Evaluation:
        def progress(done: int, total: int) -> None:
            self.reports.validation(done, total)
            if self.stopping():
                raise Interrupted

        try:
            evaluation = validate(
                self.averaged, self.val_set, self.config, self.group, progress=progress
            )
        except Interrupted:
            self._stop()
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
            **({} if s.right is None else {"train_accuracy": s.right / max(s.pictures, 1)}),
            "val_loss": evaluation.loss,
            "top1_accuracy": evaluation.top1_accuracy,
            "top5_accuracy": evaluation.top5_accuracy,
            "images_per_second": s.pictures / max(s.seconds, 1e-9),
            "seconds": s.seconds + evaluation.seconds,
            "peak_memory_mb": peak_memory_mb(self.device),
            "waiting": s.waited / max(s.seconds, 1e-9),
        }

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.state.epochs_since_best >= patience

    def _heed_stop(self) -> None:
        if self.group.any(self.stopping()):
            self._stop()

    def _stop(self) -> NoReturn:
        self._read_losses()
        self.save()
        raise Interrupted

    def _global_step(self) -> int:
        return self.state.epoch * self.steps_per_epoch + self.state.step

    def _rate(self, step: int) -> float:
        return rate_at(self.config, step, self.total_steps, self.steps_per_epoch)

    def _last_rate(self) -> float:
        return self._rate(self._global_step() - 1)

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"network": self.network, "averaged": self.averaged}


def peak_memory_mb(device: torch.device) -> float:
    """Most memory held so far, in MB: the GPU's, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return machine.peak_memory_mb()


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1

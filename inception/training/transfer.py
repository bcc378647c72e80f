"""A classifier trained on the features of a frozen backbone, which each picture passes once."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inception.data.loading import epoch_plan, steps_per_epoch
from inception.evaluation.counting import check_unreadable
from inception.evaluation.evaluate import Evaluation
from inception.evaluation.metrics import log_loss, top_k_accuracy
from inception.models.network import InceptionNet
from inception.training.checkpoint import RIGHT, State
from inception.training.config import TrainConfig
from inception.training.feature_cache import Features, cached_features
from inception.training.group import Group
from inception.training.heads import is_cosine, level_rows
from inception.training.loop import Reports, peak_memory_mb
from inception.training.losses import (
    MAIN,
    balancing_weights,
    check_finite,
    losses_by_head,
    share_right,
)
from inception.training.neighbours import fit_nearest
from inception.training.optimisers import WeightAverage, create_optimiser, rate_at, set_rate
from inception.training.records import RunStart
from inception.training.trained import least_batch
from inception.training.validation import validate


def train_classifier(
    network: InceptionNet, start: RunStart, reports: Reports, group: Group
) -> tuple[State, Evaluation]:
    """Trains the classifier of ``network`` in place, leaving it at its best epoch's average.

    All processes compute features, the first one trains: that takes seconds.

    Returns:
        The run's rows, measured on cached features, and the evaluation of the whole network on
        the validation pictures themselves.

    Raises:
        InputError: too many unreadable pictures.
    """
    config, began = start.config, time.perf_counter()
    network.to(config.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tensors = list(network.state_dict().values())
    group.broadcast(tensors)
    views = config.cached_views
    train = cached_features(network, start.train, config, num_views=views, group=group)
    val = cached_features(network, start.val, config, num_views=1, group=group)
    state = State(seconds=time.perf_counter() - began)  # counted with the first epoch

    def fit() -> State:
        if train is not None and val is not None:
            _fit(network, train, val, config, state, reports)
        return state

    state = group.first(fit)
    group.broadcast(tensors)
    return state, validate(network, start.val, config, group)


def _fit(
    network: InceptionNet,
    train: Features,
    val: Features,
    config: TrainConfig,
    state: State,
    reports: Reports,
) -> None:
    for features in (train, val):
        bad = list(features.unreadable.items())
        check_unreadable(len(bad), len(features.labels), bad, config.max_unreadable)
    state.unreadable = {**train.unreadable, **val.unreadable}
    head = network.trained_classifier()
    if config.head == "knn":
        fit_nearest(head, train, val, config, state, reports)
        return
    least, cosine = least_batch(network, config), is_cosine(network.spec)
    training = ClassifierTraining(head, train, val, config, state, cosine=cosine, least=least)
    training.run(reports)


class ClassifierTraining:
    """A classifier in training on features, with all that changes while it is."""

    def __init__(
        self,
        head: nn.Sequential,
        train: Features,
        val: Features,
        config: TrainConfig,
        state: State,
        *,
        cosine: bool = False,
        least: int = 1,
    ) -> None:
        self.cosine, self.least = cosine, least
        self.head, self.averaged = head, copy.deepcopy(head)
        self.train, self.val, self.config, self.state = train, val, config, state
        self.optimiser = create_optimiser(head, config)
        self.average = WeightAverage(head, self.averaged, config)
        self.rows = np.flatnonzero(train.readable)
        self.steps_per_epoch = steps_per_epoch(len(self.rows), config.batch_size, least)
        self.total_steps = config.steps or config.epochs * self.steps_per_epoch

    def run(self, reports: Reports) -> None:
        """Trains to the end; the head ends with the averaged weights of the best epoch."""
        best = copy.deepcopy(self.head.state_dict())
        while self._global_step() < self.total_steps:
            began = time.perf_counter()
            self._train_epoch()
            row = self._row(self.state.seconds + time.perf_counter() - began)
            if better := self._take_in(row):
                best = copy.deepcopy(self.averaged.state_dict())
            reports.epoch(row, better)
        self.head.load_state_dict(best)

    def _train_epoch(self) -> None:
        c, epoch = self.config, self.state.epoch
        seed, least = c.sampling_seed, self.least
        evenly = self.train.labels[self.rows] if c.balance == "sampling" else None
        plan = epoch_plan(len(self.rows), c.batch_size, seed, epoch, least=least, evenly=evenly)
        for chosen in plan[: self.total_steps - self._global_step()]:
            self._step(self.rows[chosen], view=epoch % c.cached_views)

    def _step(self, rows: npt.NDArray[np.int64], *, view: int) -> None:
        c, step = self.config, self._global_step()
        torch.manual_seed(c.sampling_seed + step)  # dropout depends on the step alone
        set_rate(self.optimiser, rate_at(c, step, self.total_steps, self.steps_per_epoch))
        labels = torch.from_numpy(self.train.labels[rows]).to(c.device)
        logits = self.head.train()(self._features(self.train, rows, view))
        smoothing, weights = c.label_smoothing, None
        if c.balance == "weights":
            weights = balancing_weights(self.train.labels[self.rows], logits.shape[1]).to(c.device)
        told = losses_by_head(logits, {}, labels, label_smoothing=smoothing, class_weights=weights)
        loss = told[MAIN]
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        if c.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.head.parameters(), c.clip_norm)
        self.optimiser.step()
        self.average.update(step, self.total_steps)
        if self.cosine:
            level_rows(self.head)
            level_rows(self.averaged)
        s = self.state
        s.add(MAIN, float(loss.detach()) * len(rows))
        s.add(RIGHT, float(share_right(logits.detach(), labels)) * len(rows))
        s.pictures, s.step = s.pictures + len(rows), s.step + 1

    def _features(self, of: Features, rows: npt.NDArray[np.int64], view: int) -> Tensor:
        values = np.asarray(of.values[rows, view], np.float32)
        return torch.from_numpy(values).to(self.config.device)

    @torch.inference_mode()
    def _row(self, seconds: float) -> dict[str, Any]:
        s, rows = self.state, np.flatnonzero(self.val.readable)
        logits = self.averaged.eval()(self._features(self.val, rows, 0))
        scores, labels = logits.softmax(dim=1).cpu().numpy(), self.val.labels[rows]
        loss, last = s.sums[MAIN] / s.pictures, self._global_step() - 1
        val_loss = log_loss(scores, labels)
        for name, value in (("loss", loss), ("validation loss", val_loss)):
            check_finite(value, name, f"after epoch {s.epoch + 1}", self.config)
        return {
            "epoch": s.epoch + 1,
            "lr": rate_at(self.config, last, self.total_steps, self.steps_per_epoch),
            "loss": loss,
            f"loss_{MAIN}": loss,
            "train_accuracy": (s.right or 0.0) / s.pictures,
            "val_loss": val_loss,
            "top1_accuracy": top_k_accuracy(scores, labels, k=1),
            "top5_accuracy": top_k_accuracy(scores, labels, k=5),
            "images_per_second": s.pictures / max(seconds, 1e-9),
            "seconds": seconds,
            "peak_memory_mb": peak_memory_mb(torch.device(self.config.device)),
        }

    def _take_in(self, row: dict[str, Any]) -> bool:
        s = self.state
        better = s.better(row["top1_accuracy"], row["val_loss"])
        s.rows.append(row)
        s.begin_epoch()
        return better

    def _global_step(self) -> int:
        return self.state.epoch * self.steps_per_epoch + self.state.step

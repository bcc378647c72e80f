"""The training loop of a detector: regions of a batch of pictures, an epoch, a run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception import machine
from inception.data.loading import epoch_plan, steps_per_epoch
from inception.detection.boxes import Boxes
from inception.detection.detector import FAST, Detector
from inception.detection.frozen import FrozenSet, Seen
from inception.detection.regions import in_cells, pool_weights
from inception.detection.sampling import Regions, Share, drawn
from inception.detection.settings import DetectConfig
from inception.errors import InputError
from inception.models.network import InceptionNet, Normalise
from inception.training.checkpoint import State, load_checkpoint, save_checkpoint
from inception.training.folder import LAST
from inception.training.group import Interrupted
from inception.training.loop import Reports
from inception.training.muon import Muon
from inception.training.optimisers import FIRST_RATE, set_rate
from inception.training.weight_gradients import cheap_weight_gradients

VALIDATED = 0x76616C  # keeps the draws of validation apart from those of batches


class Shown(NamedTuple):
    """Regions to learn from, of several pictures.

    Attributes:
        values: what the frozen part gave: ``[pictures, C, H, W]`` in fast, else of each region.
        regions: of each picture.
        cells: of each picture, the regions in cells of the pooled stage; in fast alone.
    """

    values: Tensor
    regions: list[Regions]
    cells: list[Boxes]


class Losses(NamedTuple):
    """Means over the regions of a batch, and how many of them are put into the right class."""

    classes: Tensor
    boxes: Tensor
    right: int
    regions: int


class LearntPart:
    """What trains of a detector's network: the stages after ``freeze``, and the classifier."""

    def __init__(self, network: InceptionNet, detector: Detector, freeze: str | None) -> None:
        self.network, self.detector = network, detector
        names = list(detector.network.stages)
        first = 0 if freeze is None else names.index(freeze) + 1
        cut = names.index(detector.stage) + 1 if detector.mode == FAST else first
        self.frozen, self.before, self.after = names[:first], names[first:cut], names[cut:]
        if detector.mode == FAST and first > cut:
            raise InputError(
                f"fast pools the features of {detector.stage}: freeze that stage or one before it, "
                f"not {freeze}"
            )
        self._normalise = Normalise(detector.network.preprocessing) if freeze is None else None

    def freeze(self) -> None:
        """Training mode, but for what is frozen; batch norm keeps its statistics everywhere.

        The regions of a few pictures are too much alike to take statistics of.
        """
        self.network.train()
        for stage in self.frozen:
            self.network.get_submodule(stage).requires_grad_(False)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()

    def features(self, values: Tensor, cells: Sequence[Boxes]) -> Tensor:
        """What the classifier is given of each region, ``[N, C, H, W]``."""
        x = values.float() if self._normalise is None else self._normalise(values)
        x = x.contiguous(memory_format=torch.channels_last)
        for stage in self.before:
            x = self.network.get_submodule(stage)(x)
        if self.detector.mode == FAST:
            grid = self.detector.grid
            pooled = [roi_align(each, some, grid) for each, some in zip(x, cells, strict=True)]
            x = torch.cat(pooled).contiguous(memory_format=torch.channels_last)
        for stage in self.after:
            x = self.network.get_submodule(stage)(x)
        return x

    def outputs(self, values: Tensor, cells: Sequence[Boxes]) -> Tensor:
        """``[N, outputs]`` of the regions of all pictures, one picture's after the other's."""
        logits: Tensor = self.network.classifier(self.features(values, cells))
        return logits


def roi_align(features: Tensor, boxes_in_cells: Boxes, grid: int) -> Tensor:
    """``[N, C, grid, grid]`` of the features ``[C, H, W]``, as ``regions.roi_align``."""
    _, height, width = features.shape
    boxes = boxes_in_cells
    rows, columns = (
        torch.from_numpy(pool_weights(boxes[:, axis], boxes[:, axis + 2], cells, grid))
        for axis, cells in ((1, height), (0, width))
    )
    rows, columns = rows.to(features.device), columns.to(features.device)
    high = torch.einsum("rgh,chw->rgcw", rows, features)
    return (high @ columns[:, None].transpose(2, 3)).permute(0, 2, 1, 3)


class Learning:
    """A detector in training, with all that changes while it is."""

    def __init__(
        self,
        part: LearntPart,
        train: FrozenSet,
        val: FrozenSet,
        config: DetectConfig,
        *,
        folder: Path,
        stopping: Callable[[], bool] = lambda: False,
        reports: Reports | None = None,
    ) -> None:
        self.part, self.train, self.val, self.config = part, train, val, config
        self.last = folder / LAST
        self.stopping, self.reports = stopping, reports or Reports()
        self.state = State()
        self.device = torch.device(config.device)
        self.network = part.network.to(self.device)
        self.detector = part.detector
        self.origin = self.detector.origin
        part.freeze()
        self.optimiser = _optimiser(self.network, config)
        self.steps_per_epoch = steps_per_epoch(len(train.pictures), config.batch_size)
        self.total_steps = config.epochs * self.steps_per_epoch
        self._saved_at = time.monotonic()

    def resume(self, state: State) -> None:
        """Goes on from the checkpoint whose state this is."""
        self.state = state
        load_checkpoint(self.last, {"network": self.network}, self.optimiser)

    def run(self) -> Iterator[dict[str, Any]]:
        """Trains to the end; gives the row of each epoch. Whoever takes it calls ``save``.

        Raises:
            Interrupted: ``stopping`` said so; the checkpoint is written.
            InputError: a loss that is not finite.
        """
        with machine.torch_threads(self.config.threads):
            while self.state.epoch < self.config.epochs:
                self._train_epoch()
                row = self._row()
                self.state.rows.append(row)
                self.state.begin_epoch()
                self.reports.epoch(row, True)
                yield row

    def save(self) -> None:
        """Writes ``last.safetensors``."""
        modules = {"network": self.network}
        save_checkpoint(self.last, self.state, self.config.to_json(), modules, self.optimiser)
        self._saved_at = time.monotonic()

    def _train_epoch(self) -> None:
        self.part.freeze()
        count, size = len(self.train.pictures), self.config.batch_size
        plan = epoch_plan(count, size, self.config.seed, self.state.epoch)
        for rows in plan[self.state.step :]:
            began = time.perf_counter()
            self._train_step(rows)
            self.state.seconds += time.perf_counter() - began
            self.reports.step(self.state, len(plan), self._rate(self._global_step() - 1))
            if time.monotonic() - self._saved_at > self.config.checkpoint_s:
                self.save()
            if self.stopping():
                self._stop()

    def _train_step(self, rows: np.ndarray[Any, Any]) -> None:
        step, seed = self._global_step(), self.config.seed
        rngs = [np.random.default_rng([seed, self.state.epoch, int(row)]) for row in rows]
        shown = self._shown(self.train, rows, rngs)
        torch.manual_seed(_mixed(seed, step))  # dropout, so that a resumed run draws the same
        set_rate(self.optimiser, self._rate(step))
        self.optimiser.zero_grad()
        with cheap_weight_gradients(self.device, "fp32"):
            losses = self._losses(shown)
            torch.autograd.backward(losses.classes + losses.boxes)
        self._add_up(losses, len(rows))
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.state.step += 1

    def _shown(
        self, data: FrozenSet, rows: np.ndarray[Any, Any], rngs: Sequence[np.random.Generator]
    ) -> Shown:
        several = [
            self._of_picture(data.pictures[row], data.values[row], rng)
            for row, rng in zip(rows, rngs, strict=True)
        ]
        values = np.concatenate([values for values, _, _ in several])
        regions, cells = [r for _, r, _ in several], [c for _, _, c in several]
        return Shown(torch.from_numpy(values).to(self.device), regions, cells)

    def _of_picture(
        self, seen: Seen, values: np.ndarray[Any, Any], rng: np.random.Generator
    ) -> tuple[np.ndarray[Any, Any], Regions, Boxes]:
        share = Share(self.config.regions, self.config.positives, self.config.near)
        chosen = drawn(seen.regions, len(self.detector.classes), share, rng)
        regions, scale = seen.regions.at(chosen), seen.scale
        if self.detector.mode == FAST:
            view = int(rng.integers(len(seen.mirrored)))
            rows = np.arange(len(regions)) if seen.mirrored[view] else np.arange(0)
            values, scale = values[view : view + 1], scale * float(seen.shares[view])
        else:
            rows = np.flatnonzero(seen.mirrored[chosen])
            values = values[chosen]
        regions = regions.mirrored(rows, seen.width)
        return values, regions, in_cells(regions.boxes_xyxy * scale, self.origin)

    def _losses(self, shown: Shown) -> Losses:
        outputs = self.part.outputs(shown.values, shown.cells)
        classes = len(self.detector.classes)
        told = np.concatenate([each.labels for each in shown.regions])
        labels = torch.from_numpy(told).to(self.device)
        logits = outputs[:, : classes + 1]
        of_boxes = outputs.new_zeros(())
        if self.detector.boxes:
            goals = np.concatenate([each.offsets() for each in shown.regions])
            positive = labels < classes
            offsets = outputs[:, classes + 1 :].reshape(-1, classes, 4)[positive, labels[positive]]
            wanted = torch.from_numpy(goals).to(offsets)[positive]
            of_boxes = F.smooth_l1_loss(offsets, wanted, reduction="sum") / len(labels)
        right = int((logits.argmax(dim=1) == labels).sum())
        return Losses(F.cross_entropy(logits, labels), of_boxes, right, len(labels))

    def _add_up(self, losses: Losses, pictures: int) -> None:
        state = self.state
        state.pictures += pictures
        for name, value in (("class", losses.classes), ("boxes", losses.boxes)):
            number = float(value.detach())
            if not math.isfinite(number):
                raise InputError(
                    f"the loss of {name} is {number} at step {self._global_step()}: the run "
                    f"stopped; begin again with a lower --lr (it is {self.config.lr:g})"
                )
            state.sums[name] = state.sums.get(name, 0.0) + number * pictures

    def _row(self) -> dict[str, Any]:
        state, began = self.state, time.perf_counter()
        loss, accuracy = self._validate()
        means = {f"loss_{n}": total / max(state.pictures, 1) for n, total in state.sums.items()}
        return {
            "epoch": state.epoch + 1,
            "lr": self._rate(self._global_step() - 1),
            "loss": sum(means.values()),
            **means,
            "val_loss": loss,
            "region_accuracy": accuracy,
            "images_per_second": state.pictures / max(state.seconds, 1e-9),
            "seconds": state.seconds + time.perf_counter() - began,
            "peak_memory_mb": machine.peak_memory_mb(),
        }

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float]:
        """Loss and accuracy over regions of the validation pictures, the same ones each time."""
        self.network.eval()
        total, right, count = 0.0, 0, 0
        for row, seen in enumerate(self.val.pictures):
            rng = np.random.default_rng([self.config.seed, seen.index, VALIDATED])
            shown = self._shown(self.val, np.array([row]), [rng])
            if not len(shown.regions[0]):
                continue
            losses = self._losses(shown)
            total += float(losses.classes + losses.boxes) * losses.regions
            right, count = right + losses.right, count + losses.regions
        return total / max(count, 1), right / max(count, 1)

    def _stop(self) -> NoReturn:
        self.save()
        raise Interrupted

    def _global_step(self) -> int:
        return self.state.epoch * self.steps_per_epoch + self.state.step

    def _rate(self, step: int) -> float:
        """Risen over ``warmup``, then fallen to nothing along a cosine."""
        share, warmup = step / self.total_steps, self.config.warmup
        if share < warmup:
            return self.config.lr * (FIRST_RATE + (1 - FIRST_RATE) * share / warmup)
        fallen = (share - warmup) / max(1 - warmup, 1e-12)
        return self.config.lr * (1 + math.cos(math.pi * fallen)) / 2


def _optimiser(network: nn.Module, config: DetectConfig) -> torch.optim.Optimizer:
    """Over all that trains; no decay on biases and norms."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = Muon if config.optimiser == "muon" else torch.optim.AdamW
    return kind([{**group, "scale": 1.0} for group in groups], config.lr)


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1

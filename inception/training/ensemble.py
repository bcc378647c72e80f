"""An ensemble: runs of one design that differ in what they see, one after the other."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inception.errors import InputError, command
from inception.files import write_text
from inception.prediction import ENSEMBLE as PLAN
from inception.training.config import TrainConfig
from inception.training.folder import CONFIG
from inception.training.group import joined
from inception.training.loop import Reports
from inception.training.run import RunStart, RunSummary, train


@dataclass(frozen=True)
class Members:
    """How the members of an ensemble differ.

    Their initial weights are the same, as the paper's were ("the same initial weights, mainly
    because of an oversight"); order, augmentation and dropout are each member's own.

    Attributes:
        wider: factor on the widths of the last member; the paper had one such among seven.
        areas: crop areas that members take in turn; the run's own where none are given.
    """

    count: int
    wider: float = 1.0
    areas: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"an ensemble has at least 1 member; got {self.count}")

    def configs(self, config: TrainConfig) -> list[TrainConfig]:
        """The settings of each; of a run in folds each has one of them to validate on."""
        if config.folds is not None:
            return [replace(config, fold=number + 1) for number in range(config.folds)]
        members = []
        for number in range(self.count):
            area = self.areas[number % len(self.areas)] if self.areas else config.area
            seed = config.sampling_seed + number
            width = config.width * (self.wider if number == self.count - 1 else 1.0)
            members.append(replace(config, data_seed=seed, area=area, width=width))
        return members


@dataclass(frozen=True)
class EnsembleSummary:
    """What the members ended with, in order."""

    folder: Path
    data: str
    members: tuple[RunSummary, ...]
    folds: bool = False

    @property
    def mean(self) -> float:
        """Of the members' validation top-1."""
        return statistics.mean(member.top1_accuracy for member in self.members)

    @property
    def deviation(self) -> float:
        """Of the same, between one fold and another (over n - 1)."""
        return statistics.stdev(member.top1_accuracy for member in self.members)

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        members = [member.to_json() for member in self.members]
        spread = {"mean_accuracy": self.mean, "deviation": self.deviation} if self.folds else {}
        return {"folder": str(self.folder), "data": self.data, "members": members, **spread}


Begins = Callable[[int, int], None]  # told of a member's number, from 1, and how many there are


def train_ensemble(
    data: str | Path,
    config: TrainConfig,
    members: Members,
    *,
    out: str | Path,
    begins: Begins = lambda number, of: None,
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
) -> EnsembleSummary:
    """Trains the members into ``out/member-1`` and on, each a run of its own.

    Raises:
        InputError: as ``train``; or ``out`` holds something already.
        Interrupted: ``resume_ensemble`` goes on.
    """
    folder = Path(out)

    def begin() -> None:
        if (folder / PLAN).exists():
            go_on = command("train", "--resume", folder)
            raise InputError(f"{folder} holds an ensemble already: `{go_on}` goes on with it")
        _write(folder, str(Path(data).resolve()), members.configs(config), [])

    with joined() as group:
        group.first(begin)
        return resume_ensemble(folder, begins=begins, reports=reports, started=started)


def is_ensemble(folder: str | Path) -> bool:
    """Whether the folder is that of an ensemble."""
    return (Path(folder) / PLAN).exists()


def resume_ensemble(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    machine: Mapping[str, Any] = MappingProxyType({}),
    begins: Begins = lambda number, of: None,
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
) -> EnsembleSummary:
    """Goes on with the first member that is not finished; those that are stay as they are.

    ``machine`` is as for ``train``.

    Raises:
        InputError: as ``train``; or the plan cannot be read.
        Interrupted: as ``train``.
    """
    folder = Path(folder)
    with joined() as group:
        place, configs, finished = group.first(lambda: _read(folder))
        place = place if data is None else str(data)
        for number, config in enumerate(configs[len(finished) :], start=len(finished) + 1):
            if group.leads:
                begins(number, len(configs))
            member = folder / f"member-{number}"
            begun = group.first((member / CONFIG).exists)
            summary = train(
                place,
                config if begun else replace(config, **machine),
                out=member,
                resume=member if begun else None,
                machine=machine if begun else {},
                reports=reports,
                started=started,
            )
            finished.append(summary)
            if group.leads:
                _write(folder, place, configs, finished)
    folds = configs[0].folds is not None
    return EnsembleSummary(folder, place, tuple(finished), folds)


def _write(
    folder: Path, data: str, configs: Sequence[TrainConfig], finished: Sequence[RunSummary]
) -> None:
    values = {
        "data": data,
        "members": [config.to_json() for config in configs],
        "finished": [summary.to_json() for summary in finished],
    }
    write_text(folder / PLAN, json.dumps(values, indent=1, allow_nan=False))


def _read(folder: Path) -> tuple[str, list[TrainConfig], list[RunSummary]]:
    try:
        values = json.loads((folder / PLAN).read_text("utf-8"))
        configs = [TrainConfig.from_json(member) for member in values["members"]]
        finished = [RunSummary.from_json(summary) for summary in values["finished"]]
        return values["data"], configs, finished
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / PLAN}: not an ensemble's plan ({error})") from error

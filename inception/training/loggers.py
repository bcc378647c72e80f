"""What a run tells to TensorBoard, MLflow or Weights & Biases: settings once, a row an epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from inception.errors import not_installed
from inception.files import write_text
from inception.training.loop import Reports
from inception.training.records import RunStart

RUN_ID = "mlflow.json"  # in the run folder: whose run a resumed one goes on with
FOLDER = "tensorboard"  # likewise, the event files


class Logger(Protocol):
    """Where rows of ``metrics.csv`` go."""

    def row(self, values: dict[str, float], epoch: int) -> None:
        """Takes in an epoch."""

    def close(self) -> None:
        """Hands over what is waiting."""


def check_logger(name: str) -> None:
    """Raises ``InputError`` where its package is missing."""
    if name != "none" and find_spec(name) is None:
        raise not_installed(name)


@contextmanager
def logged(start: RunStart, reports: Reports) -> Iterator[Reports]:
    """Reports that also tell the run's logger, while the block runs.

    What it raises is a warning, and the last thing it is told: a run does without it.
    """
    name = start.config.logger
    if name == "none":
        yield reports
        return
    check_logger(name)
    loggers: list[Logger] = []

    def attempt(act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            if not isinstance(error, OSError) and not _is_its_own(error, name):
                raise
            loggers.clear()
            line = " ".join(str(error).split()) or type(error).__name__
            reports.warning(f"{name} is told no more: {line}")

    def epoch(row: dict[str, Any], best: bool) -> None:
        reports.epoch(row, best)
        values = {n: float(v) for n, v in row.items() if n != "epoch"}
        for logger in list(loggers):
            attempt(partial(logger.row, values, int(row["epoch"])))

    attempt(lambda: loggers.append(_LOGGERS[name](start)))
    try:
        yield replace(reports, epoch=epoch)
    finally:
        for logger in list(loggers):
            attempt(logger.close)


def _is_its_own(error: Exception, name: str) -> bool:
    """Whether the package raised it; these packages' errors share no class with one another."""
    return type(error).__module__.partition(".")[0] in (name, "requests", "google")


class _TensorBoard:
    def __init__(self, start: RunStart) -> None:
        from torch.utils.tensorboard import SummaryWriter

        begun = start.resumed_at[0] if start.resumed_at else 0
        make: Any = SummaryWriter
        self._writer = make(str(start.folder / FOLDER), purge_step=begun + 1)
        settings = json.dumps(start.config.to_json(), indent=1)
        self._writer.add_text("settings", f"```\n{settings}\n```", 0)

    def row(self, values: dict[str, float], epoch: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    def __init__(self, start: RunStart) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        path = start.folder / RUN_ID
        known = json.loads(path.read_text("utf-8"))["run_id"] if _resumes(start, path) else None
        run = self._mlflow.start_run(run_id=known, run_name=None if known else start.folder.name)
        if known is None:
            self._mlflow.log_params(start.config.to_json())
            write_text(path, json.dumps({"run_id": run.info.run_id}))

    def row(self, values: dict[str, float], epoch: int) -> None:
        self._mlflow.log_metrics(values, step=epoch)

    def close(self) -> None:
        self._mlflow.end_run()


class _Wandb:
    def __init__(self, start: RunStart) -> None:
        import wandb

        place = f"{start.folder.resolve()} {start.identity.get('train', '')}"
        run_id = hashlib.sha256(place.encode()).hexdigest()[:16]
        self._run: Any = wandb.init(
            project="inception", name=start.folder.name, id=run_id, resume="allow",
            dir=str(start.folder), config=start.config.to_json(),
        )  # fmt: skip

    def row(self, values: dict[str, float], epoch: int) -> None:
        self._run.log(values, step=epoch)

    def close(self) -> None:
        self._run.finish()


def _resumes(start: RunStart, path: Path) -> bool:
    return start.resumed_at is not None and path.exists()


_LOGGERS: dict[str, Callable[[RunStart], Logger]] = {
    "tensorboard": _TensorBoard,
    "mlflow": _MLflow,
    "wandb": _Wandb,
}

"""What each part of GoogLeNet is worth: one thing changed at a time, trained on a small set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inception.data.datasets import open_data
from inception.evaluation.evaluate import evaluate
from inception.files import write_text
from inception.models.cost import cost
from inception.reproduce.digits import write_digits
from inception.training.config import TrainConfig
from inception.training.folder import CONFIG
from inception.training.loop import Reports
from inception.training.records import read_start
from inception.training.resuming import check_same
from inception.training.run import RunStart, train
from inception.weights.model_file import read_info

BASE = "as it is"
DIGITS_SETTINGS = (  # a quarter as wide, for the sake of minutes
    "model=googlenet_small", "width=0.25", "image_size=8", "epochs=6", "batch_size=32",
    "eval_crop=1.0", "area=0.6,1.0", "mirror=false",
)  # fmt: skip
PICTURES_SETTINGS = ("model=googlenet_bn", "image_size=64", "epochs=10", "batch_size=32")


@dataclass(frozen=True)
class Ablation:
    """One thing changed: its settings over the base's."""

    group: str
    name: str
    settings: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Of its run, below that of all."""
        return re.sub(r"[^a-z0-9.]+", "-", f"{self.group} {self.name}".lower()).strip("-")


ABLATIONS = (
    Ablation("base", BASE),
    Ablation("auxiliary heads", "none", ("aux_heads=0",)),
    Ablation("auxiliary heads", "the later one", ("aux_heads=1",)),
    Ablation("auxiliary heads", "both, weight 1", ("aux_weight=1",)),
    Ablation("classifier", "whole grid", ("head=flatten",)),
    Ablation("classifier", "network in network", ("head=nin",)),
    Ablation("dropout", "none", ("dropout=0",)),
    Ablation("dropout", "0.7", ("dropout=0.7",)),
    # without batch norm the base's rate is too high, so batch norm has a row at theirs
    Ablation("norm", "batch, low rate", ("lr=0.01",)),
    Ablation("norm", "LRN, low rate", ("norm=lrn", "lr=0.01")),
    Ablation("norm", "none, low rate", ("norm=none", "lr=0.01")),
    Ablation("augmentation", "none", ("augment=none", "area=1,1", "mirror=false")),
    Ablation("augmentation", "no mirror", ("mirror=false",)),
    Ablation("augmentation", "mirror", ("mirror=true",)),
    Ablation("augmentation", "crops from 8 %", ("area=0.08,1",)),
    Ablation("augmentation", "photometric", ("photometric=0.5", "lighting=0.1")),
    Ablation("augmentation", "4 interpolations", ("interpolations=bilinear,area,nearest,bicubic",)),
)


@dataclass(frozen=True)
class Row:
    """What an ablation gave.

    Attributes:
        parameters: without auxiliary heads; ``multiply_adds`` likewise, for one picture.
        difference: top-1 accuracy less the base's, from -1 to 1.
        seconds: of training.
    """

    group: str
    name: str
    settings: str
    parameters: int
    multiply_adds: int
    top1_accuracy: float
    difference: float
    loss: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self)


def run_ablations(
    out: Path,
    data: Path | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    begins: Callable[[Ablation, int, int], None] = lambda ablation, number, of: None,
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
) -> list[Row]:
    """Trains the base and every ablation below ``out``; what is finished there already is kept.

    They are measured on the test set, where there is one, else on the validation set, from which
    each run's best epoch was chosen too.

    Args:
        out: a run folder each.
        data: a labelled set; scikit-learn's digits by default.
        epochs: of every run.
        seed: of every run.
        threads: of torch.
        device: to train on.
        begins: told of the ablation that comes next, its number from 1 and how many there are.
        reports: told of steps and epochs.
        started: told of every run.

    Raises:
        InputError: a folder below ``out`` holds a run of other settings.
        Interrupted: someone asked to stop; the same call goes on.
    """
    base, place = _base(out, data, epochs=epochs)
    base = replace(base, seed=seed, threads=threads, device=device)
    split = "test" if "test" in open_data(place).splits else "val"
    chosen = [a for a in ABLATIONS if a.name == BASE or base.with_settings(a.settings) != base]
    rows: list[Row] = []
    for number, ablation in enumerate(chosen, start=1):
        begins(ablation, number, len(chosen))
        folder = out / ablation.folder
        config = base.with_settings(ablation.settings)
        row = _kept(folder, config) or _run(
            ablation, config, place, folder, split, reports, started
        )
        rows.append(replace(row, difference=row.top1_accuracy - (rows or [row])[0].top1_accuracy))
    return rows


def markdown(rows: list[Row]) -> str:
    """The rows as a table of a page."""
    lines = [
        "| part | changed to | parameters | multiply-adds | top-1 | vs base | loss | seconds |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        settings = f" (`{row.settings}`)" if row.settings else ""
        lines.append(
            f"| {row.group} | {row.name}{settings} | {row.parameters:,} | "
            f"{row.multiply_adds / 1e6:,.1f} M | {100 * row.top1_accuracy:.2f} % | "
            f"{100 * row.difference:+.2f} | {row.loss:.4f} | {row.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _base(out: Path, data: Path | None, *, epochs: int | None) -> tuple[TrainConfig, Path]:
    settings = DIGITS_SETTINGS if data is None else PICTURES_SETTINGS
    config = TrainConfig().with_settings(settings)
    if data is None:
        data = out / "digits"
        if not data.exists():
            write_digits(data)
    return (config if epochs is None else replace(config, epochs=epochs)), data


def _kept(folder: Path, config: TrainConfig) -> Row | None:
    """The row of a finished run, if this is one.

    Raises:
        InputError: it is of other settings.
    """
    if not (folder / CONFIG).exists():
        return None
    check_same(folder, read_start(folder).config, config)
    row = folder / "row.json"
    return Row(**json.loads(row.read_text("utf-8"))) if row.exists() else None


def _run(
    ablation: Ablation,
    config: TrainConfig,
    data: Path,
    folder: Path,
    split: str,
    reports: Reports | None,
    started: Callable[[RunStart], None],
) -> Row:
    resume = folder if (folder / CONFIG).exists() else None
    options: dict[str, Any] = {"reports": reports, "started": started}
    summary = train(data, config, out=folder, resume=resume, **options)
    result = evaluate(folder, data, split=split, threads=config.threads, device=config.device)
    spent = cost(replace(read_info(summary.model).spec, aux={}))
    row = Row(
        ablation.group,
        ablation.name,
        " ".join(ablation.settings),
        spent.parameters,
        spent.multiply_adds,
        result.top1_accuracy,
        0.0,
        result.loss,
        summary.seconds,
    )
    write_text(folder / "row.json", json.dumps(row.to_json(), indent=1))
    return row

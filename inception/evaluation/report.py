"""A page about a model's errors: which classes, which pictures, and how sure it was."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from inception.data.datasets import Dataset
from inception.drawing import draw_binary, draw_confusion, draw_reliability
from inception.evaluation.evaluate import Evaluation
from inception.evaluation.html import bullets, escaped, page_of, plot, section, table
from inception.evaluation.metrics import SMALLEST, Floats, calibration_bins
from inception.evaluation.scores import averaged
from inception.files import replacing, write_text

MOST_PICTURES = 40  # in a gallery
MOST_PAIRS = 10
SURE = 0.9  # a wrong answer this sure may be a wrong label
THUMBNAIL_PX = 160


@dataclass(frozen=True)
class Seen:
    """What the model said of a picture; probabilities from 0 to 1."""

    index: int
    label: int
    predicted: int
    confidence: float
    label_probability: float

    @property
    def wrong(self) -> bool:
        """Whether the model took it for another class."""
        return self.predicted != self.label


class Witness:
    """Remembers of each evaluated picture a few numbers, for ``write_report``."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.dataset: Dataset | None = None

    def see(self, dataset: Dataset, index: int, probabilities: Floats) -> None:
        """Takes in one picture, probabilities ``[classes]``."""
        self.dataset = dataset
        label, best = int(dataset.labels[index]), int(probabilities.argmax())
        confidence, own = float(probabilities[best]), float(probabilities[label])
        self.seen.append(Seen(index, label, best, confidence, own))


def write_report(folder: Path, result: Evaluation, witness: Witness) -> Path:
    """Writes ``index.html`` and its pictures into ``folder``; gives the page's path."""
    right = np.array([not s.wrong for s in witness.seen])
    bins = calibration_bins(np.array([s.confidence for s in witness.seen]), right)
    draw_reliability(
        bins.confidence.tolist(), bins.accuracy.tolist(), bins.images.tolist(),
        folder / "reliability.png",
    )  # fmt: skip
    draw_confusion(result.confusion, result.classes, folder / "confusion.png")
    wrong = sorted((s for s in witness.seen if s.wrong), key=lambda s: s.label_probability)
    sure = sorted((s for s in wrong if s.confidence >= SURE), key=lambda s: -s.confidence)
    parts = [
        _summary(result),
        section("Classes", _class_table(result)),
        section("Which is taken for which", plot("confusion.png") + _pairs(result)),
        _binary(folder, result),
        section("How sure, how right", plot("reliability.png") + _calibration(bins.error)),
        section("Highest losses", _gallery(folder, witness, wrong)),
        section(f"At least {SURE:.0%} sure of another class: wrong labels?",
                 _gallery(folder, witness, sure)),
        section("Not readable", bullets(f"{p}: {reason}" for p, reason in result.unreadable)),
    ]  # fmt: skip
    page = folder / "index.html"
    write_text(page, page_of(f"Errors of {', '.join(result.models)}", parts))
    return page


def _summary(result: Evaluation) -> str:
    top5 = f", top-5 {100 * result.top5_accuracy:.2f} %" if len(result.classes) > 5 else ""
    seen = "<p><b>The model was trained on just these pictures.</b></p>" if result.seen else ""
    return (
        f"<p>top-1 <b>{100 * result.top1_accuracy:.2f} %</b> ({_between(result.interval)}, 95 %)"
        f"{top5}, loss {result.loss:.4f} on {result.images:,} pictures ({result.split}), crops of "
        f"each: {result.crops}</p>{seen}"
    )


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _class_table(result: Evaluation) -> str:
    rows = sorted(result.per_class(), key=lambda row: row["accuracy"] or 0.0)
    cells = [
        (
            *(row["class"], f"{row['images']:,}", _percent(row["accuracy"])),
            *(_between(row["accuracy_interval"]), _percent(row["precision"]), _percent(row["f1"])),
        )
        for row in rows
        if row["images"]
    ]
    columns = ("class", "images", "accuracy, worst first", "95 %", "precision", "F1")
    means = averaged(result.confusion)
    ends = [
        (f"mean, {name}", f"{result.images:,}", _percent(m["recall"]), "",
         _percent(m["precision"]), _percent(m["f1"]))
        for name, m in means.items()
    ]  # fmt: skip
    return table(columns, cells + ends)


def _binary(folder: Path, result: Evaluation) -> str:
    """Both curves of two classes, drawn, and their areas."""
    if result.binary is None:
        return ""
    roc, recall = result.binary.roc, result.binary.precision_recall
    draw_binary(roc[:2], recall[:2], folder / "curves.png")
    told = (
        f"<p>Positive: {escaped(result.classes[1])}. Area under ROC {roc.area:.4f}, average "
        f"precision {recall.area:.4f}.</p>"
    )
    return section("At every threshold", plot("curves.png") + told)


def _pairs(result: Evaluation) -> str:
    counts = result.confusion * (1 - np.eye(len(result.classes), dtype=np.int64))
    order = np.argsort(-counts, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = [divmod(int(place), len(result.classes)) for place in order]
    cells = [
        (result.classes[t], result.classes[p], f"{counts[t, p]:,}")
        for t, p in pairs
        if counts[t, p]
    ]
    return table(("true", "taken for", "pictures"), cells)


def _calibration(error: float) -> str:
    return (
        f"<p>Expected calibration error {100 * error:.2f} points: how far, on average, confidence "
        f"and share of right answers lie apart. Dots under the line: too sure of itself.</p>"
    )


def _gallery(folder: Path, witness: Witness, shown: Sequence[Seen]) -> str:
    if not shown or witness.dataset is None:
        return "<p>None.</p>"
    dataset, more = witness.dataset, len(shown) - MOST_PICTURES
    figures = [_figure(folder, dataset, seen) for seen in shown[:MOST_PICTURES]]
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    return f"<div class=gallery>{''.join(figures)}</div>{rest}"


def _figure(folder: Path, dataset: Dataset, seen: Seen) -> str:
    content = hashlib.sha256(dataset.encoded(seen.index)).hexdigest()[:16]
    name = f"pictures/{seen.index}-{content}.jpg"  # the folder may hold another set's page
    if not (folder / name).exists():
        image = Image.fromarray(dataset.read(seen.index))
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        with replacing(folder / name) as beside:
            image.save(beside, format="JPEG", quality=85)
    loss = -np.log(max(seen.label_probability, SMALLEST))
    label, predicted = (escaped(dataset.classes[i]) for i in (seen.label, seen.predicted))
    path = escaped(dataset.path(seen.index))
    return (
        f'<figure><img src="{name}" alt="" title="{path}"><figcaption>is {label}<br>'
        f"taken for <b>{predicted}</b>, {100 * seen.confidence:.1f} %<br>loss {loss:.2f}<br>"
        f"<small>{escaped(dataset.key(seen.index))}</small></figcaption></figure>"
    )

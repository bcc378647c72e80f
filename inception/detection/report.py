"""A page about a detector's mistakes: which classes, what kinds, which pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inception.detection.datasets import DetectionSet
from inception.detection.detections import Detections
from inception.detection.drawing import draw_precision_recall
from inception.detection.drawn import draw_boxes
from inception.detection.metrics import curves
from inception.detection.mistakes import KINDS, MISSED, RIGHT, UNCOUNTED, Verdict, best_score, judge
from inception.evaluation.html import escaped, page_of, plot, section, table
from inception.files import replacing, write_text

MOST_PICTURES = 24
WIDTH_PX = 360  # of a picture on the page
COLOUR = {  # of ``drawn.COLOURS``
    RIGHT: 1,
    UNCOUNTED: 7,
    "localisation": 3,
    "class": 4,
    "duplicate": 2,
    "background": 0,
    MISSED: 6,
}
MEANING = {
    "localisation": "the right class, an overlap of 0.1 to 0.5",
    "class": "an object of another class",
    "duplicate": "an object that a surer detection had found",
    "background": "nothing of the kind",
    MISSED: "an object that no detection found",
}


def write_report(
    folder: Path,
    title: str,
    found: Mapping[int, Detections],
    dataset: DetectionSet,
    measured: Mapping[str, Any],
) -> Path:
    """Writes ``index.html`` and its pictures into ``folder``; gives the page's path.

    Args:
        folder: of the page.
        title: of whom it tells.
        found: by the numbers of the pictures.
        dataset: the pictures, in the detector's classes.
        measured: what ``metrics.measure`` made of it.
    """
    detections = list(found.values())
    objects = [dataset.objects(index) for index in found]
    least = best_score(detections, objects, len(dataset.classes))
    verdicts = {i: judge(each, dataset.objects(i), least) for i, each in found.items()}
    of_classes = dict(
        zip(dataset.classes, curves(detections, objects, len(dataset.classes)), strict=True)
    )
    draw_precision_recall(of_classes, folder / "precision-recall.png")
    worst = sorted(verdicts, key=lambda index: -verdicts[index].mistakes)[:MOST_PICTURES]
    worst = [index for index in worst if verdicts[index].mistakes]
    pictures = "".join(_figure(folder, dataset, index, verdicts[index]) for index in worst)
    parts = [
        _summary(dataset, len(found), measured),
        section("Classes", _class_table(measured)),
        section("How many are found, how many are right", plot("precision-recall.png")),
        section("Mistakes", _mistake_table(list(verdicts.values()), least)),
        section(
            "The worst pictures", f"<div class=gallery>{pictures}</div>" if pictures else "None."
        ),
    ]
    page = folder / "index.html"
    write_text(page, page_of(f"Detections of {title}", parts))
    return page


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _summary(dataset: DetectionSet, pictures: int, measured: Mapping[str, Any]) -> str:
    return (
        f"<p>mAP <b>{_percent(measured['map50'])}</b> at an overlap of 0.5 (VOC 2012), "
        f"{_percent(measured['map'])} at 0.5 to 0.95 (COCO), {_percent(measured['ilsvrc'])} by "
        f"ILSVRC's rule, on {pictures:,} pictures ({escaped(dataset.split)})</p>"
    )


def _class_table(measured: Mapping[str, Any]) -> str:
    rows = sorted(measured["per_class"], key=lambda row: (row["ap50"] is None, row["ap50"]))
    columns = ("class, worst first", "objects", "found", "AP at 0.5", "AP at 0.5 to 0.95", "ILSVRC")
    shares = ("recall", "ap50", "ap", "ilsvrc")
    cells = [
        (row["class"], f"{row['objects']:,}", *(_percent(row[name]) for name in shares))
        for row in rows
    ]
    return table(columns, cells)


def _mistake_table(verdicts: list[Verdict], least: float) -> str:
    right = sum(verdict.count(RIGHT) for verdict in verdicts)
    rows = [(kind, f"{sum(v.count(kind) for v in verdicts):,}", MEANING[kind]) for kind in KINDS]
    return (
        f"<p>Of detections from a score of {least:.2f} on, where F1 is best; {right:,} are "
        f"right.</p>" + table(("kind", "number", "what it is"), rows)
    )


def _figure(folder: Path, dataset: DetectionSet, index: int, verdict: Verdict) -> str:
    content = hashlib.sha256(dataset.encoded(index) + repr(verdict).encode()).hexdigest()[:16]
    name = f"pictures/{index}-{content}.jpg"  # the folder may hold another detector's page
    if not (folder / name).exists():
        image = Image.fromarray(_drawn(dataset, index, verdict))
        with replacing(folder / name) as beside:
            image.save(beside, format="JPEG", quality=85)
    counts = [f"{verdict.count(kind)} {kind}" for kind in KINDS if verdict.count(kind)]
    return (
        f'<figure><img src="{name}" alt="" title="{escaped(dataset.path(index))}"><figcaption>'
        f"{escaped(', '.join(counts))}<br><small>{escaped(dataset.name(index))}</small>"
        f"</figcaption></figure>"
    )


def _drawn(dataset: DetectionSet, index: int, verdict: Verdict) -> np.ndarray[Any, Any]:
    """The picture with its missed objects, then detections, the surest on top."""
    picture, objects = dataset.read(index), dataset.objects(index)
    missed = list(verdict.missed)
    names = [f"missed {dataset.classes[objects.labels[i]]}" for i in missed]
    captions = [
        ("" if kind == RIGHT else f"{kind}: ") + f"{dataset.classes[label]} {score:.2f}"
        for label, score, kind in zip(
            verdict.found.labels, verdict.found.scores, verdict.kinds, strict=True
        )
    ]
    boxes = np.concatenate([objects.boxes_xyxy[missed], verdict.found.boxes_xyxy[::-1]])
    scale = WIDTH_PX / picture.shape[1]
    shown = Image.fromarray(picture).resize(
        (WIDTH_PX, max(1, round(picture.shape[0] * scale))), Image.Resampling.BILINEAR
    )
    colours = [COLOUR[MISSED]] * len(missed) + [COLOUR[kind] for kind in verdict.kinds[::-1]]
    return draw_boxes(np.asarray(shown), boxes * scale, names + captions[::-1], colours)

"""What a study came to: the front, the best specs, drawings; as files in its folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from inception.diagram import diagram
from inception.files import write_text
from inception.models import get_spec
from inception.search.plot import plot_front
from inception.search.space import decode
from inception.search.study import Candidate

BEST: Final = "best.json"
MOST_DRAWN: Final = 5  # specs and diagrams of the front


def front(found: Sequence[Candidate], cost: str) -> list[Candidate]:
    """Those of the wholly trained that none beats in both accuracy and cost, cheapest first."""
    whole = [c for c in found if c.whole and c.accuracy is not None]
    whole.sort(key=lambda c: (getattr(c.price, cost), -(c.accuracy or 0.0), c.number))
    kept: list[Candidate] = []
    for candidate in whole:
        if not kept or (candidate.accuracy or 0.0) > (kept[-1].accuracy or 0.0):
            kept.append(candidate)
    return kept


def best(found: Sequence[Candidate]) -> Candidate | None:
    """The most accurate of the wholly trained; of equals the one that computes least."""
    whole = [c for c in found if c.whole]
    return max(whole, key=lambda c: (c.accuracy or 0.0, -c.price.multiply_adds), default=None)


def write_outcome(
    folder: Path, found: Sequence[Candidate], cost: str, classes: Sequence[str]
) -> list[Path]:
    """Writes ``trials.csv``, the front as CSV, plot, specs and diagrams, and ``best.json``.

    Nothing is written where no candidate was trained to its end.
    """
    winner, kept = best(found), front(found, cost)
    if winner is None:
        return []
    numbers = {c.number for c in kept}
    write_text(folder / "trials.csv", _table(found, numbers))
    write_text(folder / "front.csv", _table(kept, numbers))
    plot_front(
        [(getattr(c.price, cost), c.accuracy or 0.0, c.hand_made) for c in found if c.whole],
        [(getattr(c.price, cost), c.accuracy or 0.0) for c in kept],
        folder / "front.png",
        cost=cost.replace("_", " "),
    )
    written = [folder / name for name in ("trials.csv", "front.csv", "front.png", BEST)]
    _write_spec(winner, folder / BEST, len(classes))
    for candidate in kept[-MOST_DRAWN:]:
        _write_spec(candidate, folder / f"candidate-{candidate.number}.json", len(classes))
        written.append(folder / f"candidate-{candidate.number}.json")
    house = get_spec(winner.genome.house)
    pixels = replace(house.preprocessing, size=winner.genome.image_size)
    beside = replace(house, num_classes=len(classes), preprocessing=pixels)
    write_text(folder / f"{house.name}.svg", diagram(beside, subtitle="made by hand"))
    return [*written, folder / f"{house.name}.svg"]


def _write_spec(candidate: Candidate, file: Path, num_classes: int) -> None:
    spec = decode(candidate.genome, num_classes, name=f"found_{candidate.number}")
    write_text(file, json.dumps(spec.to_json(), indent=1) + "\n")
    accuracy = f"{100 * (candidate.accuracy or 0):.2f} % after {candidate.epochs} epochs"
    write_text(file.with_suffix(".svg"), diagram(spec, subtitle=accuracy))


COLUMNS: Final = (
    "trial", "state", "accuracy", "epochs", "multiply_adds", "parameters", "activation_mb",
    "latency_ms", "width", "on_front", "hand_made",
)  # fmt: skip


def _table(found: Sequence[Candidate], front_numbers: set[int]) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for c in found:
        p = c.price
        latency = "" if p.latency_ms is None else f"{p.latency_ms:.3f}"
        accuracy = "" if c.accuracy is None else f"{c.accuracy:.4f}"
        rows.writerow(
            [
                *(c.number, c.state.lower(), accuracy, c.epochs, p.multiply_adds, p.parameters),
                *(f"{p.activation_mb:.3f}", latency, c.genome.width),
                *(int(c.number in front_numbers), int(c.hand_made)),
            ]
        )
    return out.getvalue()

"""Every network as the page docs/models.md: what it costs, what was published, how it departs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from inception.models import MODELS
from inception.models.cost import Cost, StageCost, cost, smallest_size
from inception.models.spec import Spec
from inception.weights.catalogue import CATALOGUE


class Figures(NamedTuple):
    """Accuracy in percent as a paper prints it, for one crop of one model."""

    top1: float | None
    top5: float | None
    source: str
    imagenet: bool = True


PAPERS = {  # of released weights the catalogue has the figures
    "googlenet": Figures(None, 89.93, "arXiv:1409.4842"),
    "bn_inception": Figures(74.8, 92.18, "arXiv:1502.03167"),
    "inception_v2_rethinking": Figures(76.6, None, "arXiv:1512.00567, on 48,238 pictures"),
    "inception_v3": Figures(78.8, 94.4, "arXiv:1512.00567, on 48,238 pictures"),
    "xception": Figures(79.0, 94.5, "arXiv:1610.02357"),
    "nin_small": Figures(89.6, None, "Caffe's model zoo, on CIFAR-10", imagenet=False),
}
HEAD = """# Networks

Made by `inception models --markdown docs/models.md`; a test keeps it equal to the code. Parameters
and multiply-adds are counted from the tables, "and heads" with the auxiliary classifiers that only
training uses. Accuracies are published ones, in percent, on ImageNet's validation set by one crop
where nothing else is said, the first table's the highest; what was measured here is in
[results.md](results.md).
"""
OVERVIEW = """| network | px | parameters | and heads | multiply-adds | top-1 | top-5 |
|---|---:|---:|---:|---:|---:|---:|"""
STAGES = """| stage | shape | parameters | multiply-adds | sees | stride |
|---|---:|---:|---:|---:|---:|"""
PUBLISHED = """| published | top-1 | top-5 | source |
|---|---:|---:|---|"""


def page() -> str:
    """The whole page: all networks in one table, then each stage by stage."""
    costs = {name: cost(spec) for name, spec in MODELS.items()}
    overview = "\n".join(_overview(counted) for counted in costs.values())
    sections = (_section(MODELS[name], counted) for name, counted in costs.items())
    return "\n".join([HEAD, f"{OVERVIEW}\n{overview}\n", *sections])


def _overview(counted: Cost) -> str:
    name = counted.name
    published = [f for _, f in _published(name) if f.imagenet]
    best = max(published, key=lambda f: (f.top1 or 0, f.top5 or 0), default=None)
    heads = f"{counted.parameters_with_aux:,}" if counted.aux else "–"
    cells = (
        f"[`{name}`](#{name})",
        str(counted.image.height),
        f"{counted.parameters:,}",
        heads,
        f"{counted.multiply_adds:,}",
        _percent(best and best.top1),
        _percent(best and best.top5),
    )
    return _row(cells)


def _section(spec: Spec, counted: Cost) -> str:
    parts = [f"## {spec.name}\n", f"{_takes(spec)}\n"]
    parts.append("\n".join([STAGES, *_stages(counted)]) + "\n")
    published = list(_published(spec.name))
    if published:
        rows = [_row((tag, _percent(f.top1), _percent(f.top5), f.source)) for tag, f in published]
        parts.append("\n".join([PUBLISHED, *rows]) + "\n")
    if spec.departures:
        departures = "\n".join(f"- {departure}" for departure in spec.departures)
        parts.append(f"Where it departs from its paper:\n\n{departures}\n")
    return "\n".join(parts)


def _takes(spec: Spec) -> str:
    """How it sees pictures, and what it tells apart."""
    p = spec.preprocessing
    order = "grey" if p.channel_order == "grey" else p.channel_order.upper()
    mean, std = (", ".join(f"{v:g}" for v in _short(values)) for values in (p.mean, p.std))
    divided = "" if std == "1" else f" and divided by {std}"
    return (
        f"{order} pictures of {spec.image_size} px, at least {smallest_size(spec)} px; pixels of 0 "
        f"to 255 less {mean}{divided}; {spec.num_classes:,} classes."
    )


def _stages(counted: Cost) -> Iterator[str]:
    """A row a stage; equal stages that follow each other share one."""
    heads = {head.name: head for head in counted.aux}
    for _, group in groupby(counted.stages, lambda s: (_cells(s)[:3], s.name in heads)):
        stages = list(group)
        first, last = stages[0].name, stages[-1].name
        label = first if first == last else f"{first} to {last}, each"
        yield _row((label, *_cells(stages[-1])))
        if last in heads:
            yield _row((f"head after {last}", *_cells(heads[last])))


def _cells(stage: StageCost) -> tuple[str, ...]:
    channels, height, width = stage.end.shape
    return (
        f"{channels}×{height}×{width}" if height * width > 1 else str(channels),
        f"{stage.parameters:,}",
        f"{stage.multiply_adds:,}",
        f"{stage.end.receptive_field} px",
        str(stage.end.stride),
    )


def _published(name: str) -> Iterator[tuple[str, Figures]]:
    if name in PAPERS:
        yield "by the paper" if "arXiv" in PAPERS[name].source else "by its maker", PAPERS[name]
    for tag, entry in CATALOGUE.items():
        if entry.model == name and entry.figures:
            yield f"`{tag}`", Figures(entry.top1, entry.top5, entry.figures)


def _short(values: tuple[float, ...]) -> tuple[float, ...]:
    return values[:1] if len(set(values)) == 1 else values


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if round(value, 1) == value else f"{value:g}"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"

"""Speeds of engines, precisions and batch sizes of models, and of the usual way beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inception.benchmark.usual_way import UsualWay, counterpart
from inception.benchmark.ways import DenseConvolution, EngineWay, FilesWay, MatrixProduct
from inception.benchmark.workers import Measured, Way, measure
from inception.errors import InputError
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.runtime import has_gpu

USUAL = "torchvision"
CEILING = "ceiling"
ROUNDS, FILES_ROUNDS = 5, 3
MOST_FILES = 64  # of a folder; more would only take longer


@dataclass(frozen=True)
class Candidate:
    """A model in one of its forms.

    Attributes:
        name: what rows call it.
        path: its file.
        spec: the network in it.
        engine: what runs it.
        precision: in which it computes: ``fp32``, ``bf16``, ``fp16`` or ``int8``.
    """

    name: str
    path: Path
    spec: Spec
    engine: str
    precision: str = "fp32"


@dataclass(frozen=True)
class Row:
    """What was measured of one candidate at one batch size.

    Attributes:
        images_per_second: the engine alone, pictures ready in memory.
        peak_memory_mb: of a process that does nothing else.
        macs_per_second: multiply-adds of the network, not those an engine makes of them.
        share_of_ceiling: of the best dense kernel in that precision, measured in turn; None where
            there is none or it was no ceiling.
        files_per_second: encoded files to labels, where there were files.
    """

    name: str
    engine: str
    precision: str
    batch: int
    images_per_second: float
    latency_ms_p50: float
    latency_ms_p99: float
    peak_memory_mb: float
    macs_per_second: float
    share_of_ceiling: float | None
    files_per_second: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Rows, and what the best dense kernels reached, in multiply-adds a second.

    Attributes:
        ceilings: by precision; without one that a row passed.
    """

    rows: tuple[Row, ...]
    ceilings: Mapping[str, float]


@dataclass(frozen=True)
class Conditions:
    """What all rows have in common.

    Attributes:
        files: pictures to classify from their files as well.
        against: ``torchvision``, or nothing to compare with.
        seconds: for each row.
    """

    batch_sizes: tuple[int, ...] = (1, 8, 32)
    files: tuple[str, ...] = ()
    against: str | None = None
    seconds: float = 2.0
    device: str = "auto"
    threads: int | None = None


Place = tuple[str, str, str]  # a model's name, engine and precision
Tell = Callable[[], None]


def compare_speed(
    candidates: Sequence[Candidate], how: Conditions, *, tell: Tell = lambda: None
) -> Comparison:
    """Measures all candidates; those of one batch size in turn, and the ceilings with each of them.

    Args:
        candidates: at least one.
        how: batch sizes, pictures, what to compare with.
        tell: called after each turn of each of them, ``steps`` times.

    Raises:
        InputError: torchvision has none of the networks, or a candidate cannot be loaded.
    """
    rows: list[Row] = []
    products: dict[str, list[float]] = {}
    for batch in how.batch_sizes:
        ways = _ways(candidates, how, batch) | _kernels(candidates, how)
        seen = measure(ways, seconds=how.seconds, rounds=ROUNDS, tell=tell)
        ceilings = _ceilings(seen)
        for precision, product in ceilings.items():
            products.setdefault(precision, []).append(product)
        ways = _ways(candidates, how, batch, how.files) if how.files else {}
        read = measure(ways, seconds=0, rounds=FILES_ROUNDS, tell=tell)
        rows += _rows(candidates, how, batch, seen=seen, read=read, ceilings=ceilings)
    best = {p: max(found) for p, found in products.items()}
    return Comparison(tuple(rows), {p: c for p, c in best.items() if not _passed(rows, p, c)})


def steps(candidates: Sequence[Candidate], how: Conditions) -> int:
    """How often ``compare_speed`` will call ``tell``."""
    ways, products = len(_ways(candidates, how, 1)), len(_kernels(candidates, how))
    turns = ROUNDS * (ways + products) + (FILES_ROUNDS * ways if how.files else 0)
    return len(how.batch_sizes) * turns


def _usual(candidates: Sequence[Candidate], how: Conditions) -> Iterator[tuple[Candidate, str]]:
    """A candidate for each of torchvision's networks among them."""
    if how.against is None:
        return
    found = {c.name: (c, known) for c in candidates if (known := counterpart(c.spec.name))}
    if not found:
        names = ", ".join(dict.fromkeys(c.spec.name for c in candidates))
        raise InputError(f"torchvision has no {names} to compare with; leave out --against")
    yield from found.values()


def _ways(
    candidates: Sequence[Candidate], how: Conditions, batch: int, files: tuple[str, ...] = ()
) -> dict[Place, Way]:
    """Engines alone, or with files the whole way from those."""
    ways: dict[Place, Way] = {}
    for c in candidates:
        size, where = c.spec.preprocessing.size, (how.device, how.threads)
        ways[c.name, c.engine, c.precision] = (
            FilesWay(c.path, c.engine, batch, files, *where)
            if files
            else EngineWay(c.path, c.engine, batch, size, *where)
        )
    for c, known in _usual(candidates, how):
        ways[c.name, USUAL, "fp32"] = UsualWay(
            known,
            batch,
            c.spec.preprocessing,
            num_classes=c.spec.num_classes,
            files=files,
            device=how.device,
            threads=how.threads,
        )
    return ways


def _kernels(candidates: Sequence[Candidate], how: Conditions) -> dict[Place, Way]:
    """The dense kernels whose best is the ceiling; convolutions are measured on a CPU."""
    products = [MatrixProduct(p, how.device, how.threads) for p in _precisions(candidates)]
    kernels: dict[Place, Way] = {
        ("matrix product", CEILING, p.precision): p for p in products if p.is_there()
    }
    for engine in ("torch", "openvino") if _on_cpu(how) else ():
        convolution = DenseConvolution(engine, how.threads)
        if convolution.is_there():
            kernels[f"{engine}'s convolution", CEILING, convolution.precision] = convolution
    return kernels


def _on_cpu(how: Conditions) -> bool:
    return how.device == "cpu" or (how.device == "auto" and not has_gpu())


def _precisions(candidates: Sequence[Candidate]) -> list[str]:
    return list(dict.fromkeys(["fp32", *(c.precision for c in candidates)]))


def _ceilings(seen: Mapping[Place, Measured]) -> dict[str, float]:
    """The best that any kernel reached, at its fastest, by precision."""
    best: dict[str, float] = {}
    for (name, engine, precision), measured in seen.items():
        if engine == CEILING:
            way = MatrixProduct if name == "matrix product" else DenseConvolution
            rate = way.multiply_adds / min(measured.timing.seconds)
            best[precision] = max(rate, best.get(precision, 0.0))
    return best


def _passed(rows: Sequence[Row], precision: str, ceiling: float) -> bool:
    """Whether it was no ceiling, as torch's int8 product is none on AMD."""
    return any(r.precision == precision and r.macs_per_second > ceiling for r in rows)


def _share(rate: float, ceiling: float | None) -> float | None:
    """None above 1 too: what is passed was no ceiling."""
    return rate / ceiling if ceiling and rate <= ceiling else None


def _rows(
    candidates: Sequence[Candidate],
    how: Conditions,
    batch: int,
    *,
    seen: Mapping[Place, Measured],
    read: Mapping[Place, Measured],
    ceilings: Mapping[str, float],
) -> Iterator[Row]:
    costs = {c.name: cost(c.spec).multiply_adds for c in candidates}
    for place, measured in seen.items():
        name, engine, precision = place
        if engine == CEILING:
            continue
        timing, files = measured.timing, read.get(place)
        rate = batch / timing.median
        ceiling = ceilings.get(precision)
        yield Row(
            name,
            engine,
            precision,
            batch,
            images_per_second=rate,
            latency_ms_p50=1000 * timing.median,
            latency_ms_p99=1000 * timing.percentile(99),
            peak_memory_mb=max(m.peak_memory_mb for m in (measured, files) if m),
            macs_per_second=costs[name] * rate,
            share_of_ceiling=_share(costs[name] * rate, ceiling),
            files_per_second=len(how.files) / files.timing.median if files else None,
        )

"""``inception fid``: how near generated pictures are to real ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.completion import resizes
from inception.cli.evaluate import UnreadableOption
from inception.cli.output import (
    BatchOption,
    DeviceOption,
    EngineOption,
    JsonOption,
    MaxPixelsOption,
    ThreadsOption,
    per_second,
    say,
)

if TYPE_CHECKING:
    from inception.fid.features import Extractor
    from inception.fid.measure import Scores, Side

RealArgument = Annotated[
    str,
    typer.Argument(help="Pictures: a folder, glob or tar; or an .npz, pytorch-fid's too."),
]
FakeArgument = Annotated[
    str | None, typer.Argument(help="The generated ones, likewise; may be left out with --save.")
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Whose features; inception_v3_fid.google_in1k by default, on which FID is defined: "
        "`inception weights pull`.",
    ),
]
ResizeOption = Annotated[
    str,
    typer.Option(
        help="How pictures come to 299 px, by which scores differ: pytorch (pytorch-fid's), "
        "tensorflow (the first one's, torch-fidelity's) or clean (clean-fid's).",
        autocompletion=resizes,
    ),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Keep REAL's statistics, an .npz as pytorch-fid's."),
]


def fid(
    real: RealArgument,
    fake: FakeArgument = None,
    weights: WeightsOption = None,
    resize: ResizeOption = "pytorch",
    save: SaveOption = None,
    engine: EngineOption = "auto",
    batch_size: BatchOption = 32,
    max_unreadable: UnreadableOption = 0.01,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
) -> None:
    """Scores generated pictures: FID, KID, IS, precision, recall."""
    from inception.errors import InputError
    from inception.fid.features import WEIGHTS, Extractor
    from inception.fid.measure import compare, side_of
    from inception.fid.statistics import check_ending, write_statistics

    if fake is None and save is None:
        raise InputError(f"what to compare {real} with? inception fid REAL FAKE, or --save FILE")
    if save is not None:
        check_ending(save)
    _check_places(real, fake)

    @cache
    def extractor() -> Extractor:
        return Extractor(
            weights or WEIGHTS, resize, engine=engine, device=device, batch_size=batch_size,
            threads=threads,
        )  # fmt: skip

    sides = [
        side_of(place, extractor, max_unreadable=max_unreadable)
        for place in (real, fake)
        if place is not None
    ]
    for side in sides:
        _tell_unreadable(side)
    if save is not None:
        write_statistics(sides[0].statistics, save)
    seen = extractor() if any(side.features is not None for side in sides) else None
    if len(sides) == 1:
        say(f"{sides[0].statistics.pictures:,} pictures' statistics ({_way(seen)}) in {save}")
        return
    _tell(compare(*sides), seen, json)


def _check_places(real: str, fake: str | None) -> None:
    """Raises ``InputError`` before anything is seen, which takes its time."""
    from inception.fid.measure import KEPT
    from inception.fid.statistics import read_statistics
    from inception.pictures import check_paths

    for place in (real, fake):
        if place is not None and Path(place).suffix == KEPT:
            read_statistics(Path(place))
        elif place is not None:
            check_paths([place])


def _way(seen: Extractor | None) -> str:
    if seen is None:
        return "from statistics alone"
    return f"{seen.resize} resize, {seen.weights}, {seen.engine}"


def _tell_unreadable(side: Side) -> None:
    for path, reason in side.features.unreadable if side.features else ():
        say(f"unreadable: {path}: {reason}", err=True)


def _tell(scores: Scores, seen: Extractor | None, json: str | None) -> None:
    from inception.cli.output import write_json
    from inception.fid.measure import USUAL

    how = {
        "resize": seen.resize if seen else scores.real.statistics.resize,
        "weights": seen.weights if seen else None,
        "engine": seen.engine if seen else None,
    }
    write_json({**scores.to_json(), **how}, json)
    if seen is not None and not seen.published:
        say(
            f"{seen.network} is not the network FID is published with: compare these numbers only "
            "with each other",
            err=True,
        )
    if scores.few is not None:
        say(
            f"only {scores.few:,} pictures: FID of few is too large, and says little; "
            f"{USUAL:,} and more are usual",
            err=True,
        )
    if json != "-":
        _print(scores, _way(seen))


def _print(scores: Scores, way: str) -> None:
    from inception.cli.output import percent
    from inception.fid.scores import NEIGHBOURS, SUBSETS

    say(f"FID              {scores.fid:.4f}  ({way})")
    if scores.kid is not None:
        kid = scores.kid
        say(
            f"KID              {kid.mean:.6f} ± {kid.deviation:.6f}  ({SUBSETS} subsets of "
            f"{kid.size:,})"
        )
    if scores.score is not None:
        outputs = scores.fake.features.logits.shape[1] if scores.fake.features else 0
        say(
            f"Inception Score  {scores.score.mean:.4f} ± {scores.score.deviation:.4f}  "
            f"({outputs:,} outputs, splits of {scores.score.size:,})"
        )
    if scores.coverage is not None:
        pair = scores.coverage
        say(
            f"precision        {percent(pair.precision)}, recall {percent(pair.recall)}  "
            f"({NEIGHBOURS} neighbours)"
        )
    counts = [
        f"{side.statistics.pictures:,}" if side.statistics.pictures is not None else "an unknown"
        for side in (scores.real, scores.fake)
    ]
    speed = scores.pictures_per_second
    rate = "" if speed is None else f"; {per_second(speed)} pictures/s"
    say(f"{counts[0]} real and {counts[1]} generated pictures{rate}")

"""``inception embed`` and ``inception similar``: pictures as vectors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.output import (
    BatchOption,
    CropsOption,
    DeviceOption,
    EngineOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    per_second,
    say,
)

if TYPE_CHECKING:
    from inception.embedding.embed import Embeddings
    from inception.embedding.similar import Neighbours
    from inception.embedding.vectors import Vectors, Written

ModelArgument = Annotated[
    str, typer.Argument(help="A .safetensors file, a run folder, cats-and-dogs or a tag.")
]
PicturesArgument = Annotated[
    list[str], typer.Argument(help="Files, folders, globs, tars, addresses.")
]
VectorsOption = Annotated[
    Path, typer.Option(metavar="FILE", help="A .parquet, or a .npy: a .json beside it has names.")
]
StageOption = Annotated[
    str | None,
    typer.Option(
        help="Whose output is averaged over its grid; `inception models NAME` lists them. By "
        "default what the classifier's trained part sees."
    ),
]
InOption = Annotated[
    Path, typer.Option("--in", metavar="FILE", help="What embed wrote with the same MODEL.")
]


def embed(
    model: ModelArgument,
    pictures: PicturesArgument,
    out: VectorsOption,
    stage: StageOption = None,
    crops: CropsOption = 1,
    engine: EngineOption = "auto",
    batch_size: BatchOption = 32,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
) -> int:
    """Writes pictures as vectors. Exit status 1 where some could not be read."""
    from inception.embedding.embed import Embedder
    from inception.embedding.vectors import Kind, check_ending, write_vectors
    from inception.pictures import check_paths

    check_ending(out)
    check_paths(pictures)
    embedder = Embedder(
        model, engine, stage=stage, device=device, crops=crops, batch_size=batch_size,
        threads=threads,
    )  # fmt: skip
    began = time.perf_counter()
    kind = Kind(model, stage, embedder.digest())
    written = write_vectors(out, embedder.stream(pictures), kind)
    seconds = time.perf_counter() - began
    _tell_unreadable(written.unreadable)
    _tell_written(written, kind.stage, out, embedder.engine.name, seconds, json)
    return 1 if written.unreadable else 0


def similar(
    model: ModelArgument,
    query: Annotated[list[str], typer.Argument(help="Pictures to find the like of.")],
    vectors: InOption,
    top: Annotated[int, typer.Option(min=1, help="Neighbours to give of each picture.")] = 5,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Finds the pictures that are most like others, by their vectors."""
    from inception.embedding.embed import Embedder
    from inception.embedding.similar import nearest
    from inception.embedding.vectors import check_kind, read_vectors
    from inception.pictures import check_paths

    check_paths(query)
    known = read_vectors(vectors)
    stage = known.kind.stage if known.kind else None
    embedder = Embedder(model, engine, stage=stage, device=device, threads=threads)
    check_kind(known, embedder.digest(), vectors, model)
    asked = embedder.embed(query)
    found = nearest(known.values, asked.vectors, top)
    _tell_unreadable(asked.unreadable)
    _tell_similar(asked, known, found, json, quiet=quiet)
    return 1 if asked.unreadable else 0


def _tell_unreadable(unreadable: tuple[tuple[str, str], ...]) -> None:
    for path, reason in unreadable:
        say(f"unreadable: {path}: {reason}", err=True)


def _tell_written(
    written: Written, stage: str | None, out: Path, engine: str, seconds: float, json: str | None
) -> None:
    from inception.cli.output import write_json

    speed = written.vectors / seconds
    values = {
        "vectors": written.vectors,
        "features": written.features,
        "stage": stage,
        "out": str(out),
        "engine": engine,
        "pictures_per_second": speed,
        "unreadable": [path for path, _ in written.unreadable],
    }
    write_json(values, json)
    if json != "-":
        of = f"stage {stage}, averaged" if stage else "what the classifier sees"
        say(
            f"{written.vectors:,} vectors of {written.features:,} numbers ({of}) in {out}; "
            f"{per_second(speed)} pictures/s ({engine})"
        )


def _tell_similar(
    asked: Embeddings, known: Vectors, found: Neighbours, json: str | None, *, quiet: bool
) -> None:
    from inception.cli.output import write_json

    rows = [
        {
            "path": path,
            "similar": [
                {"path": known.paths[row], "cosine": float(cosine)}
                for row, cosine in zip(*each, strict=True)
            ],
        }
        for path, *each in zip(asked.paths, found.rows, found.cosines, strict=True)
    ]
    write_json(rows, json)
    if json == "-" or quiet:
        return
    for path, each_rows, cosines in zip(asked.paths, found.rows, found.cosines, strict=True):
        say(path)
        for row, cosine in zip(each_rows, cosines, strict=True):
            say(f"  {cosine:.4f}  {known.paths[row]}")

"""``inception evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.output import DeviceOption, JsonOption, QuietOption, ThreadsOption

if TYPE_CHECKING:
    from inception.evaluation.evaluate import Evaluation

MOST_CLASSES = 20  # in the printed confusion matrix


def evaluate(
    model: Annotated[str, typer.Argument(help="A .safetensors file or a run folder.")],
    data: Annotated[str, typer.Argument(help="Folder, tar shards, parquet or CSV.")],
    crops: Annotated[int, typer.Option(help="Squares shown of each picture: 1 or 10.")] = 1,
    split: Annotated[
        str | None, typer.Option(help="train, val or test; val, else test, else all by default.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Evaluate only so many pictures.")] = None,
    engine: Annotated[str, typer.Option(help="auto or torch.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Squares in one run.")] = 64,
    max_unreadable: Annotated[
        float, typer.Option(help="Share of pictures that may be unreadable.")
    ] = 0.01,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measures a model on labelled pictures: top-1, top-5, loss, per class, confusion."""
    from inception.cli.output import progress, write_json
    from inception.evaluation.evaluate import evaluate

    with progress(quiet=quiet) as bar:
        task = bar.add_task("evaluating", total=None)
        result = evaluate(
            model,
            data,
            crops=crops,
            split=split,
            limit=limit,
            engine=engine,
            batch_size=batch_size,
            max_unreadable=max_unreadable,
            device=device,
            threads=threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    write_json(result.to_json(), json)
    if json != "-":
        print_evaluation(result)


def print_evaluation(result: Evaluation) -> None:
    """Prints the table of classes and one line with the result."""
    from inception.cli.output import console, percent, table

    out = console()
    per_class = result.per_class()
    if len(result.classes) <= MOST_CLASSES:
        columns = ["class", "images", "accuracy", *(f"as {c}" for c in result.classes)]
        counts = [[str(n) if n else "·" for n in row] for row in result.confusion.tolist()]
    else:
        columns, counts = ["class", "images", "accuracy"], [[] for _ in per_class]
    rows = [
        [row["class"], str(row["images"]), percent(row["accuracy"]), *count]
        for row, count in zip(per_class, counts, strict=True)
    ]
    out.print(table(columns, rows))
    for path, reason in result.unreadable:
        typer.echo(f"unreadable: {path}: {reason}", err=True)
    top5 = f", top-5 {percent(result.top5_accuracy)}" if len(result.classes) > 5 else ""
    crops = "1 crop" if result.crops == 1 else f"{result.crops} crops"
    out.print(
        f"top-1 {percent(result.top1_accuracy)}{top5}, loss {result.loss:.4f} on "
        f"{result.images:,} pictures ({result.split}), {crops} each; "
        f"{result.images_per_second:.0f} images/s ({result.engine})"
    )
    if result.split in ("all", "train"):
        out.print("a model trained on these pictures has seen them: no measure of new ones")

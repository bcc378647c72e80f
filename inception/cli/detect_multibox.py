"""``inception detect multibox``: trains a network that says where objects are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from inception.cli.grouped import LEARNING
from inception.cli.output import (
    DeviceOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)

EpochsOption = Annotated[
    int, typer.Option(help="Passes over the training set.", rich_help_panel=LEARNING)
]
ViewsOption = Annotated[
    int,
    typer.Option(help="Of each picture: itself, mirrored, random parts.", rich_help_panel=LEARNING),
]
LrOption = Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=LEARNING)]
SeedOption = Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=LEARNING)]


@contextmanager
def _bars(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Takes what is going on, how much of it is done, and of how much."""
    from inception.cli.output import progress

    with progress(quiet=quiet) as bar:
        tasks = {name: bar.add_task(name, total=None) for name in ("features", "epochs")}
        yield lambda what, done, total: bar.update(tasks[what], completed=done, total=total)


def multibox(
    data: Annotated[str, typer.Argument(help="Pascal VOC folder, or COCO JSON.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="The MultiBox, a .safetensors.")],
    init: Annotated[
        str, typer.Option(metavar="MODEL", help="Whose stages see the pictures; they stay frozen.")
    ] = "imagenette",
    boxes: Annotated[int, typer.Option(help="To predict in each picture.")] = 200,
    stage: Annotated[
        str | None,
        typer.Option(help="Whose features; the last before the grid is last halved by default."),
    ] = None,
    epochs: EpochsOption = 20,
    views: ViewsOption = 6,
    lr: LrOption = 2e-3,
    seed: SeedOption = 0,
    max_unreadable: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of pictures.")
    ] = 0.01,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = None,
) -> None:
    """Trains a MultiBox, a network that proposes boxes of anything.

    Minutes on a CPU. `detect proposals DATA --multibox FILE` measures it.
    """
    from inception.cli.output import write_json
    from inception.detection.datasets import open_detection
    from inception.detection.multibox import check_out, read_multibox
    from inception.detection.multibox_training import HeadSettings, train_multibox
    from inception.errors import command

    settings, path = HeadSettings(boxes, stage, views, epochs, lr=lr, seed=seed), Path(out)
    check_out(path)
    dataset = open_detection(data, "train")
    with _bars(quiet) as update:
        losses = train_multibox(
            *(dataset, init, path, settings),
            device=device,
            threads=threads,
            max_unreadable=max_unreadable,
            progress=update,
        )
    say(*dataset.notes, err=True)
    made = read_multibox(path)
    told = {"file": out, "pictures": len(dataset), "boxes": made.boxes, "stage": made.stage}
    write_json({**told, **losses._asdict()}, json)
    if json != "-" and not quiet:
        say(
            f"{path}: {made.boxes} boxes a picture, from {made.stage}; losses of the last epoch: "
            f"places {losses.places:.3f}, confidences {losses.confidences:.3f}",
            f"measure it: {command('detect', 'proposals', data, '--multibox', path)}",
        )

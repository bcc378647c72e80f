"""``inception weights``: public weights, as models of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.grouped import GroupedCommand
from inception.cli.output import say

if TYPE_CHECKING:
    from inception.preprocessing import Preprocessing
    from inception.weights.importers.convert import Converted

weights_app = typer.Typer(
    name="weights", help="Public weights.", rich_markup_mode=None, invoke_without_command=True
)


@weights_app.callback()
def weights(context: typer.Context) -> None:
    """Public weights."""
    if context.invoked_subcommand is None:
        say(*context.get_help().splitlines())


@weights_app.command(cls=GroupedCommand)
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The file as published.")],
    model: Annotated[
        str, typer.Option("--as", metavar="MODEL", help="Our network, of `inception models`.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .safetensors to write.")],
    dialect: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DIALECT",
            help="Whose file: torchvision, timm, gluon, cadene, facenet, fid, caffe, slim, "
            "inception5h, keras or inception (our own names); told by its contents without.",
        ),
    ] = None,
    background: Annotated[
        str, typer.Option(help="drop or keep the outputs beside ImageNet's 1000 classes.")
    ] = "drop",
    classes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of the outputs that stay, a line each."),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Write float16, half the size.")] = False,
) -> None:
    """Makes a model of ours from a public file of weights.

    Every tensor is in its place, or nothing is written.
    """
    from inception.data.classes import read_classes
    from inception.errors import InputError, unknown
    from inception.weights.importers.convert import convert as convert_file
    from inception.weights.model_file import save_model

    if background not in ("drop", "keep"):
        raise unknown("choice for --background", background, ("drop", "keep"))
    if out.suffix != ".safetensors":
        raise InputError(f"a model is a .safetensors file; got {out}")
    try:
        names = None if classes is None else list(read_classes(classes).names)
    except InputError as error:
        raise InputError(f"cannot read class names from {error}") from error
    converted = convert_file(
        source,
        model=model,
        dialect=dialect,
        background=background,  # type: ignore[arg-type]
        classes=names,
    )
    save_model(out, converted.weights, converted.info, half=half)
    _print(converted, out)


def _print(converted: Converted, out: Path) -> None:
    from inception.weights.model_file import BACKBONE

    info = converted.info
    for note in converted.notes:
        say(note)
    if info.classes != (BACKBONE,):
        say(f"classes: {len(info.classes):,}, from {info.classes[0]} to {info.classes[-1]}")
    say(f"pictures: {_pictures(info.preprocessing)}")
    say(f"written: {out}, {out.stat().st_size:,} bytes")


def _pictures(p: Preprocessing) -> str:
    """How the network takes pictures, in words."""
    resizes = {
        "short_side": f"short side to {p.resized} px, centre {p.size} px",
        "squash": f"squashed to {p.resized} px, centre {p.size} px",
        "central": f"centre {p.crop:.1%}, squashed to {p.size} px",
    }
    mean, std = (" ".join(f"{value:g}" for value in values) for values in (p.mean, p.std))
    return (
        f"{resizes[p.resize]}, {p.interpolation}, {p.channel_order.upper()}, "
        f"less {mean}, over {std}"
    )

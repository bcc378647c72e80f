"""``inception weights verify``: our network beside another package's with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inception.cli.output import JsonOption, say


def verify(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A MODEL, or with --as a file as published.")
    ],
    against: Annotated[str, typer.Option(help="torchvision or timm.")],
    model: Annotated[
        str | None, typer.Option("--as", metavar="MODEL", help="Our network, for a published file.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Real pictures to show both, beside noise.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Share of the logits' scale that may lie between.")
    ] = 1e-5,
    json: JsonOption = None,
) -> int:
    """Compares our logits with another package's on equal weights.

    Exit status 1 where they differ.
    """
    from inception.benchmark.peers import verify as compare
    from inception.cli.output import write_json

    found = compare(file, against=against, model=model, pictures=pictures, tolerance=tolerance)
    write_json(found.to_json(), json)
    if json != "-":
        real = ""
        if found.real_difference is not None:
            real = f", {found.real_difference:.2g} on {found.real_pictures} of {pictures}"
        say(
            f"{found.model} and {found.against}'s: logits differ by at most "
            f"{found.random_difference:.2g} on noise{real}; they reach {found.scale:.3g}"
        )
        limit = f"{found.tolerance:g} of that"
        say(f"equal to {limit}" if found.equal else f"they differ by more than {limit}")
    return 0 if found.equal else 1

"""``inception models`` and ``inception compare``: what networks are made of and cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import networks
from inception.cli.output import JsonOption
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.models.cost import Cost, StageCost
    from inception.models.spec import Spec

SizeOption = Annotated[
    int | None, typer.Option(help="Side of the picture in px; each network's own by default.")
]


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A network, for its stages; all of them without.", autocompletion=networks
        ),
    ] = None,
    image_size: SizeOption = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all of them as a page.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the network NAME, layer by layer.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Draw this stage alone, with --svg.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Lists the networks, or shows one stage by stage."""
    from inception.cli.output import console, write_json
    from inception.models import MODELS, get_spec
    from inception.models.cost import cost

    if markdown is not None:
        if name is not None or image_size is not None:
            raise InputError("--markdown is of all networks at their own sizes")
        from inception.files import write_text
        from inception.weights.page import page

        write_text(markdown, page())
        return
    if svg is not None:
        _draw(name, image_size, stage, svg)
        return
    if stage is not None:
        raise InputError(
            "--stage names what --svg draws: inception models NAME --stage STAGE --svg FILE"
        )
    if name is not None:
        spec = get_spec(name)
        counted = cost(spec, image_size)
        parts = {"stages": _stages(counted.stages), "aux": _stages(counted.aux)}
        departures = {"departures": list(spec.departures)}
        write_json({**_summary(counted), **parts, **departures}, json)
        if json != "-":
            _print_one(spec, counted)
        return
    costs = [cost(spec, image_size) for spec in MODELS.values()]
    write_json([_summary(c) for c in costs], json)
    if json != "-":
        console().print(_all_table(costs))


def _draw(name: str | None, image_size: int | None, stage: str | None, path: Path) -> None:
    from inception.diagram import diagram, stage_diagram
    from inception.files import write_text
    from inception.models import get_spec
    from inception.models.cost import cost

    if name is None:
        raise InputError("--svg draws one network: inception models NAME --svg FILE")
    spec = get_spec(name)
    size = cost(spec, image_size).image.height  # says so where that is too small
    preprocessing = replace(spec.preprocessing, size=size)
    spec = replace(spec, preprocessing=preprocessing)
    write_text(path, diagram(spec) if stage is None else stage_diagram(spec, stage))


def compare(
    names: Annotated[
        list[str],
        typer.Argument(help="Networks to compare.", metavar="NAME...", autocompletion=networks),
    ],
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in a batch.")] = 1,
    image_size: SizeOption = None,
    json: JsonOption = None,
) -> None:
    """Sets networks' costs side by side, also by torchinfo's rules."""
    from inception.cli.output import console, write_json
    from inception.models import get_spec
    from inception.models.cost import cost

    costs = [cost(get_spec(name), image_size) for name in names]
    write_json([_compared(c, batch_size) for c in costs], json)
    if json != "-":
        console().print(_compare_table(costs, batch_size))
        console().print(
            "with heads: auxiliary classifiers, which only training uses. torchinfo: every "
            "parameter of a\nconvolution times its positions, biases and norms counted; memory "
            "in float32, outputs of layers\nwith parameters, twice for the backward pass. MB are "
            "10^6 bytes.",
            style="dim",
        )


def _summary(c: Cost) -> dict[str, Any]:
    return {
        "name": c.name,
        "image_size": c.image.height,
        "parameters": c.parameters,
        "parameters_with_aux": c.parameters_with_aux,
        "multiply_adds": c.multiply_adds,
        "multiply_adds_with_aux": c.multiply_adds_with_aux,
    }


def _stages(stages: tuple[StageCost, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": stage.name,
            "shape": list(stage.end.shape),
            "parameters": stage.parameters,
            "multiply_adds": stage.multiply_adds,
            "receptive_field": stage.end.receptive_field,
            "stride": stage.end.stride,
        }
        for stage in stages
    ]


def _compared(c: Cost, batch_size: int) -> dict[str, Any]:
    t = c.torchinfo(batch_size)
    return {
        **_summary(c),
        "batch_size": batch_size,
        "batch_multiply_adds": c.multiply_adds_with_aux * batch_size,
        "torchinfo_multiply_adds": t.multiply_adds,
        "input_bytes": t.input_bytes,
        "forward_backward_bytes": t.forward_backward_bytes,
        "parameter_bytes": t.parameter_bytes,
        "total_bytes": t.total_bytes,
    }


def _all_table(costs: list[Cost]) -> Any:
    from inception.cli.output import table

    columns = ["network", "px", "parameters", "and heads", "multiply-adds"]  # 79 columns wide
    rows = [
        [
            c.name,
            str(c.image.height),
            f"{c.parameters:,}",
            f"{c.parameters_with_aux:,}" if c.aux else "–",
            _giga(c.multiply_adds, 3),
        ]
        for c in costs
    ]
    return table(columns, rows)


def _print_one(spec: Spec, counted: Cost) -> None:
    from inception.cli.output import console, table
    from inception.models.cost import smallest_size

    size = counted.image.height
    out = console()
    heads = {head.name: head for head in counted.aux}
    rows = []
    for stage in counted.stages:
        rows.append(_row(stage.name, stage))
        if stage.name in heads:
            rows.append(_row(f"  + head after {stage.name}", heads[stage.name]))
    columns = ["stage", "shape", "parameters", "multiply-adds", "sees", "stride"]
    out.print(f"{spec.name} at {size}x{size} px, at least {smallest_size(spec)} px")
    out.print(table(columns, rows))
    out.print(f"{counted.parameters:,} parameters, {counted.multiply_adds:,} multiply-adds")
    if counted.aux:
        total = f"{counted.parameters_with_aux:,} and {counted.multiply_adds_with_aux:,}"
        out.print(f"with the auxiliary heads, which only training uses: {total}")
    if spec.departures:
        out.print("\nwhere it departs from the paper:")
        for departure in spec.departures:
            out.print(f"  - {departure}")


def _row(label: str, stage: StageCost) -> list[str]:
    channels, height, width = stage.end.shape
    return [
        label,
        f"{channels}x{height}x{width}" if height * width > 1 else str(channels),
        f"{stage.parameters:,}",
        f"{stage.multiply_adds:,}",
        f"{stage.end.receptive_field} px",
        str(stage.end.stride),
    ]


def _compare_table(costs: list[Cost], batch_size: int) -> Any:
    from inception.cli.output import table

    infos = [c.torchinfo(batch_size) for c in costs]
    batch = f"batch of {batch_size}: "
    rows = [
        ["input", *(f"{c.image.height}x{c.image.width} px" for c in costs)],
        ["parameters", *(f"{c.parameters:,}" for c in costs)],
        ["parameters with heads", *(f"{c.parameters_with_aux:,}" for c in costs)],
        ["multiply-adds a picture", *(_giga(c.multiply_adds, 3) for c in costs)],
        ["multiply-adds with heads", *(_giga(c.multiply_adds_with_aux, 3) for c in costs)],
        [
            f"{batch}multiply-adds with heads",
            *(_giga(c.multiply_adds_with_aux * batch_size) for c in costs),
        ],
        [f"{batch}by torchinfo's rule", *(_giga(t.multiply_adds) for t in infos)],
        [f"{batch}input", *(_mega(t.input_bytes) for t in infos)],
        [f"{batch}forward and backward", *(_mega(t.forward_backward_bytes) for t in infos)],
        ["parameters in memory", *(_mega(t.parameter_bytes) for t in infos)],
        [f"{batch}all together", *(_mega(t.total_bytes) for t in infos)],
    ]
    return table(["", *(c.name for c in costs)], rows)


def _giga(number: int, digits: int = 2) -> str:
    if number < 1e8:  # LeNet-5
        return f"{number / 1e6:,.{digits}f} M"
    return f"{number / 1e9:,.{digits}f} G"


def _mega(number: int) -> str:
    return f"{number / 1e6:,.2f} MB"

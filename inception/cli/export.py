"""``inception export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.completion import formats, precisions
from inception.cli.output import JsonOption, QuietOption, ThreadsOption, say

if TYPE_CHECKING:
    from inception.export.certificate import Certificate

AgreementOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share to be put into the same class as by torch.")
]
DropOption = Annotated[float, typer.Option(min=0, help="Points of accuracy that may be lost.")]
LayoutOption = Annotated[
    str | None,
    typer.Option(help="triton or ovms: --out is a model repository of that server's."),
]

FormatOption = Annotated[
    str, typer.Option(help="openvino, onnx or pt2 (torch.export).", autocompletion=formats)
]
PrecisionOption = Annotated[
    str,
    typer.Option(help="fp32, fp16 (weights of half the size) or int8.", autocompletion=precisions),
]


def export(
    model: Annotated[
        str, typer.Argument(help="A .safetensors file, a run folder or cats-and-dogs.")
    ],
    format: FormatOption,
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="The file: model.xml, model.onnx or model.pt2.")
    ],
    precision: PrecisionOption = "fp32",
    calibrate: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Pictures to measure int8's ranges on."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Pictures to compare on; those of --calibrate if none."),
    ] = None,
    min_agreement: AgreementOption = 0.98,
    max_drop: DropOption = 0.5,
    layout: LayoutOption = None,
    threads: ThreadsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Writes a model for other programs, once checked against torch.

    It must answer as torch does on real pictures.
    The file takes uint8 pictures [N, size, size, 3] and gives probabilities; names, classes and
    preprocessing are in it. Exit status 1, and no file, where it does not answer as it should.
    """
    from inception.cli.output import write_json
    from inception.export import certificate_files
    from inception.export import export as run
    from inception.export.layouts import describe, place_in

    if layout is not None:
        out = place_in(out, layout, format, model)
    certificate = run(
        model,
        format,
        out,
        precision=precision,
        calibrate=calibrate,
        check=check,
        min_agreement=min_agreement,
        max_drop=max_drop,
        threads=threads,
    )
    if layout is not None and (certificate is None or certificate.passed):
        describe(out, layout)
    if certificate is None:
        say(f"{out}: written unchecked: give pictures to compare on, --check DATA", err=True)
        return 0
    write_json(certificate.to_json(), json)
    if not quiet and json != "-":
        say(*certificate.to_text().splitlines())
    if certificate.passed and not quiet:
        say(f"written: {out}, {certificate_files(out)[1]}", err=True)
    return 0 if certificate.passed else _refused(certificate)


def _refused(certificate: Certificate) -> int:
    why = [*certificate.failures, certificate.advice]
    say(f"refused, nothing written: {'; '.join(filter(None, why))}", err=True)
    return 1

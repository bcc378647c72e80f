"""A model as a file for other programs, beside the proof that it answers as the original does."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from inception import __version__
from inception.errors import InputError
from inception.export.certificate import (
    LEAST_AGREEMENT,
    Bars,
    Certificate,
    Comparison,
    compare,
    size_of,
)
from inception.export.formats import Content, Precision, find_format
from inception.export.pictures import Pictures, apart, find_pictures, shared, squares
from inception.files import replacing, write_text
from inception.prediction import find_model
from inception.runtime import Engine, read_program
from inception.weights.model_file import ModelInfo, is_exported, read_info

PACKAGES = ("torch", "openvino", "nncf", "onnx", "onnxruntime")
CALIBRATION_PICTURES = 300
CHECK_PICTURES = 2000


def export(
    model: str | Path,
    format: str,
    out: str | Path,
    *,
    precision: str = "fp32",
    calibrate: str | Path | None = None,
    check: str | Path | None = None,
    min_agreement: float = LEAST_AGREEMENT,
    max_drop: float = 0.5,
    threads: int | None = None,
) -> Certificate | None:
    """Writes a MODEL for other programs, and beside it how it answered on real pictures.

    The file takes ``uint8 [N, size, size, 3]`` and gives probabilities. It is moved to ``out``
    only after it was loaded back and answered as the network in torch does.

    Args:
        model: a MODEL (``prediction.find_model``) that was not itself exported.
        format: ``openvino``, ``onnx`` or ``pt2``.
        out: the file; its suffix is the format's.
        precision: ``fp32``; ``fp16`` for weights of half the size; ``int8``.
        calibrate: pictures to measure int8's ranges on; of a data set, its training pictures.
        check: pictures to compare on; else those of ``calibrate``, of a data set its validation
            pictures. Where they are the same ones, half are for either.
        min_agreement: share of the pictures to be put into the same class, from 0 to 1.
        max_drop: points of accuracy, of 100, that may be lost.
        threads: by default as many as there are cores.

    Returns:
        The certificate, which is written too where it passed; None without pictures to check on.

    Raises:
        InputError: an option that does not fit, a package that is missing, no pictures.
    """
    path, out = find_model(model), Path(out)
    chosen, bars = find_format(format, precision, out), Bars(min_agreement, max_drop)
    if is_exported(path):
        raise InputError(f"{path} was exported before; export what it came from")
    info = read_info(path)
    shown, pictures = _pictures(info, calibrate if precision == "int8" else None, check, calibrate)
    if precision == "int8" and shown is None:
        raise InputError("int8 needs pictures to measure its ranges on: --calibrate DATA")
    content = _content(path, info, cast(Precision, precision), shown, threads)
    certificate = None
    with _folder_beside(out) as folder:
        written = folder / out.name
        chosen.write(content, written)
        files = sorted(folder.iterdir())
        if pictures is not None:
            certificate = Certificate.of(
                _compared(path, content, chosen.open(written, threads), pictures, threads), bars,
                model=str(model), file=out.name, format=format, precision=precision,
                options=dict(chosen.options), bytes=size_of(files), versions=_versions(),
                pictures_from=str(check or calibrate), calibrated_on=len(content.calibration),
                calibrated_alike=shared(shown, pictures),
            )  # fmt: skip
        if certificate is None or certificate.passed:
            _move_in(files, out, certificate)
    return certificate


def _versions() -> dict[str, str]:
    return {"inception": __version__, **{p: version(p) for p in PACKAGES if find_spec(p)}}


def _pictures(
    info: ModelInfo,
    calibrate: str | Path | None,
    check: str | Path | None,
    otherwise: str | Path | None,
) -> tuple[Pictures | None, Pictures | None]:
    """Those to calibrate on and those to compare on, apart where that can be."""
    shown = pictures = None
    if calibrate is not None:
        shown = find_pictures(calibrate, info.classes, CALIBRATION_PICTURES, split="train")
    if place := check or otherwise:
        pictures = find_pictures(place, info.classes, CHECK_PICTURES)
    return apart(shown, pictures) if shown and pictures else (shown, pictures)


def _content(
    path: Path, info: ModelInfo, precision: Precision, shown: Pictures | None, threads: int | None
) -> Content:
    calibration = squares(shown, info.preprocessing, threads) if shown else []
    if shown and not calibration:
        raise InputError(f"none of the {len(shown.items)} pictures to calibrate on can be read")
    without_heads = replace(info, spec=replace(info.spec, aux={}))
    return Content(read_program(path), without_heads, precision, calibration)


def certificate_files(out: Path) -> tuple[Path, ...]:
    """Where the certificate of an export lies, as JSON and as text."""
    return tuple(out.with_name(f"{out.name}.certificate.{kind}") for kind in ("json", "txt"))


def _compared(
    model: Path, content: Content, exported: Engine, pictures: Pictures, threads: int | None
) -> Comparison:
    """The file beside the network as it was trained, module by module: no part is shared."""
    from inception.export.original import Original, Unrounded
    from inception.weights.model_file import load_model

    loaded = load_model(model, aux=False)
    program, how = Unrounded(content.program), loaded.preprocessing
    return compare(Original(loaded, threads), exported, pictures, how, threads, program=program)


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """A folder on the same disk, so that files are moved in by renaming; it vanishes."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error


def _move_in(files: Sequence[Path], out: Path, certificate: Certificate | None) -> None:
    """Weights before the graph that names them, which sorts last; an older proof goes."""
    for path in certificate_files(out):
        path.unlink(missing_ok=True)
    for file in files:
        with replacing(out.parent / file.name) as beside:
            os.replace(file, beside)
    if certificate is not None:
        as_json, as_text = certificate_files(out)
        write_text(as_json, json.dumps(certificate.to_json(), indent=1, allow_nan=False) + "\n")
        write_text(as_text, certificate.to_text())

"""A detector as files for other programs, beside the proof that they find what it finds."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from inception import __version__
from inception.data.images import UnreadableImageError
from inception.detection.detector import FAST
from inception.detection.detector_file import (
    BACKBONE,
    HEAD,
    exported_backbone,
    find_detector,
    read_detector,
)
from inception.detection.engine import RegionEngine, create_region_engine, programs
from inception.detection.learning import LearntPart
from inception.detection.proposals import search
from inception.detection.regions import in_cells, shown_whole, warp
from inception.detection.scoring import told
from inception.errors import InputError, unknown
from inception.export.formats import FORMATS, Content, Precision
from inception.files import replacing, write_text
from inception.machine import torch_threads
from inception.models.build import build_empty
from inception.pictures import Item, named, read
from inception.runtime import check_installed
from inception.runtime.program import Floats
from inception.weights.model_file import is_exported, load_weights, read_weights, transplant

LARGEST = {"fp32": (1e-4, 0.1), "fp16": (1e-2, 2.0)}  # differences of a score, of an edge in px
DETECTOR_FORMATS = ("openvino", "onnx")
CHECK_PICTURES = 20
CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class DetectorCertificate:
    """How exported files answer beside the network's own modules, region by region.

    Attributes:
        score_difference: the largest of any class of any region.
        box_difference_px: the largest of any edge; None where regions are not moved.
        passed: whether both are within their bars.
    """

    detector: str
    format: str
    precision: str
    pictures: int
    regions: int
    unreadable: int
    score_difference: float
    box_difference_px: float | None
    passed: bool
    versions: Mapping[str, str]


def export_detector(
    place: str | Path,
    out: str | Path,
    check: Iterable[Any],
    *,
    format: str = "openvino",
    precision: str = "fp32",
    threads: int | None = None,
) -> DetectorCertificate:
    """Writes a detector as two graphs, ``backbone`` and ``head``, into a folder, and a certificate.

    The files are moved in only where they answered, loaded again, as the modules do.

    Args:
        place: a run folder or a file of a detector.
        out: the folder, which is then a detector itself.
        check: pictures to compare on, whatever ``pictures.named`` takes; the first of them count.
        format: ``openvino`` for ``.xml`` and ``.bin`` files, ``onnx`` for ``.onnx``.
        precision: ``fp32``, or ``fp16`` for weights of half the size.
        threads: by default as many as there are cores.

    Raises:
        InputError: an option that does not fit, no pictures that can be read, no place to write.
    """
    path, out = find_detector(place), Path(out)
    _check(format, precision, out)
    if is_exported(path):
        raise InputError(f"{place} was exported before; export what it came from")
    info, chosen = read_detector(path), FORMATS[format]
    parts = programs(info.detector, read_weights(path))
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export.", dir=out) as folder:
            backbone, head = (Path(folder, f"{n}{chosen.suffix}") for n in (BACKBONE, HEAD))
            for file, program in zip((backbone, head), parts, strict=True):
                chosen.write(Content(program, info, cast(Precision, precision)), file)
            exported = create_region_engine(backbone, format, threads=threads)
            certificate = _certified(path, place, exported, check, precision, threads)
            if certificate.passed:
                _move_in(sorted(Path(folder).iterdir()), out, certificate)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    return certificate


def _check(format: str, precision: str, out: Path) -> None:
    if format not in DETECTOR_FORMATS:
        raise unknown("format", format, DETECTOR_FORMATS)
    if precision not in LARGEST:
        raise unknown("precision", precision, LARGEST)
    check_installed(format)
    there = exported_backbone(out)
    if there and there.suffix != FORMATS[format].suffix:
        raise InputError(f"{there} is there, in another format: name another folder, --out")


class Modules:
    """Runs a detector's own modules: shares nothing with the programs but how regions are shown."""

    def __init__(self, path: Path, threads: int | None) -> None:
        self.detector, self._threads = read_detector(path).detector, threads
        network = build_empty(self.detector.network).to_empty(device="cpu")
        transplant(network, load_weights(path))
        self._part = LearntPart(network.eval(), self.detector, None)

    @torch.inference_mode()
    def run(self, picture: Any, boxes_xyxy: Any) -> Floats:
        """As ``RegionEngine.run``."""
        seen = self.detector.backbone.preprocessing
        cells = []
        if self.detector.mode == FAST:
            shown, scale = shown_whole(picture, seen)
            squares, cells = shown[None], [in_cells(boxes_xyxy * scale, self.detector.origin)]
        else:
            squares = warp(picture, boxes_xyxy, seen, context_px=self.detector.context_px)
        with torch_threads(self._threads):
            return self._part.outputs(torch.from_numpy(squares), cells).numpy()


def _certified(
    path: Path,
    place: str | Path,
    exported: RegionEngine,
    check: Iterable[Any],
    precision: str,
    threads: int | None,
) -> DetectorCertificate:
    modules, detector = Modules(path, threads), exported.detector
    pictures, unreadable = _read(check)
    if not pictures:
        raise InputError("none of the pictures to compare on can be read; name others, --check")
    scores, edges, regions = [0.0], [0.0], 0
    for picture, proposed in zip(pictures, search(pictures, detector.search), strict=True):
        boxes = proposed.boxes_xyxy[: detector.most_regions]
        ours, theirs = (told(e.run(picture, boxes), boxes, detector) for e in (exported, modules))
        regions += len(boxes)
        scores.append(float(np.abs(ours.scores - theirs.scores).max(initial=0)))
        if ours.boxes_xyxy is not None and theirs.boxes_xyxy is not None:
            edges.append(float(np.abs(ours.boxes_xyxy - theirs.boxes_xyxy).max(initial=0)))
    of_scores, of_edges = LARGEST[precision]
    return DetectorCertificate(
        str(place), exported.name, precision, len(pictures), regions, unreadable,
        score_difference=max(scores),
        box_difference_px=max(edges) if detector.boxes else None,
        passed=regions > 0 and max(scores) <= of_scores and max(edges) <= of_edges,
        versions={"inception": __version__, "torch": torch.__version__},
    )  # fmt: skip


def _read(check: Iterable[Any]) -> tuple[list[Any], int]:
    pictures: list[Any] = []
    unreadable = 0
    items: Iterable[Item] = named(check)
    for item in items:
        if len(pictures) == CHECK_PICTURES:
            break
        try:
            pictures.append(read(item))
        except UnreadableImageError:
            unreadable += 1
    return pictures, unreadable


def _move_in(files: list[Path], out: Path, certificate: DetectorCertificate) -> None:
    """Weights before the graphs that name them, which sort last of their names."""
    (out / CERTIFICATE).unlink(missing_ok=True)
    for file in files:
        with replacing(out / file.name) as beside:
            os.replace(file, beside)
    write_text(out / CERTIFICATE, json.dumps(asdict(certificate), indent=1) + "\n")

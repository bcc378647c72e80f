"""Runs a detector on a picture and its regions: two programs, by any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from inception.data.images import Picture
from inception.detection.boxes import Boxes
from inception.detection.detections import Detections
from inception.detection.detector import FAST, Detector
from inception.detection.detector_file import HEAD, read_detector
from inception.detection.regions import in_cells, roi_align, shown_whole, warp
from inception.detection.scoring import detections, together, told
from inception.errors import InputError
from inception.models.spec import Spec
from inception.runtime import create_engine, pick_engine
from inception.runtime.lower import Weights, lower
from inception.runtime.program import LOGITS, Floats, Program, needed
from inception.weights.description import read_description
from inception.weights.model_file import is_exported, read_weights

FEATURES = "features"
AT_ONCE = 64  # regions in one run of the network
MULTIPLE = 16  # and a multiple of so many: OpenVINO keeps some megabytes for each number it has met


class Part(Protocol):
    """Runs one program of a detector."""

    def run(self, x: npt.NDArray[Any], /) -> Mapping[str, Floats]:
        """``features``, or ``logits [N, outputs]``."""


class Parts(NamedTuple):
    """The programs of a detector, and what runs them.

    Attributes:
        backbone: from pictures to ``features``.
        head: from a region's pooled features to ``logits``.
    """

    backbone: Program
    head: Program


def programs(detector: Detector, weights: Weights) -> Parts:
    """Backbone and region head as inference programs.

    Raises:
        InputError: weights that do not fit the detector.
    """
    features = f"{FEATURES}:{detector.stage}"
    backbone = lower(detector.backbone, own_weights(weights, detector.backbone), [features])
    whole = lower(detector.network, weights, [features, LOGITS])
    start = whole.outputs[features]
    steps = needed(whole.steps, [whole.outputs[LOGITS]], start)
    head = Program(whole.size, steps, {LOGITS: whole.outputs[LOGITS]}, start, detector.pooled)
    seen = {FEATURES: backbone.outputs[features]}
    return Parts(Program(backbone.size, backbone.steps, seen), head)


def own_weights(weights: Weights, spec: Spec) -> dict[str, npt.NDArray[np.floating[Any]]]:
    """The tensors of a spec's stages."""
    stages = tuple(f"{name}." for name in spec.stages)
    return {name: values for name, values in weights.items() if name.startswith(stages)}


class RegionEngine:
    """Says what a detector's network gives for regions of pictures.

    Args:
        detector: the detector.
        backbone: runs the one program.
        head: runs the other.
        name: of the engine.
    """

    def __init__(self, detector: Detector, backbone: Part, head: Part, name: str) -> None:
        self.detector, self.name = detector, name
        self._backbone, self._head = backbone, head
        self._seen = detector.backbone.preprocessing
        self._origin = detector.origin

    def run(self, picture: Picture, boxes_xyxy: Boxes) -> Floats:
        """``[N, outputs]`` for the regions ``[N, 4]`` of a picture, in its pixels."""
        if not len(boxes_xyxy):
            return np.zeros((0, self.detector.outputs), np.float32)
        features = None
        if self.detector.mode == FAST:
            shown, scale = shown_whole(picture, self._seen)
            features = self._backbone.run(shown[None])[FEATURES][0]
            boxes_xyxy = boxes_xyxy * scale
        out = []
        for start in range(0, len(boxes_xyxy), AT_ONCE):
            some = boxes_xyxy[start : start + AT_ONCE]
            filled = np.concatenate([some, *[some[-1:]] * (-len(some) % MULTIPLE)])
            pooled = (
                self._warped(picture, filled)
                if features is None
                else self._pooled(features, filled)
            )
            out.append(self._head.run(pooled)[LOGITS][: len(some)])
        return np.concatenate(out)

    def _pooled(self, features: Floats, boxes_xyxy: Boxes) -> Floats:
        return roi_align(features, in_cells(boxes_xyxy, self._origin), self.detector.grid)

    def _warped(self, picture: Picture, boxes_xyxy: Boxes) -> Floats:
        shown = warp(picture, boxes_xyxy, self._seen, context_px=self.detector.context_px)
        return self._backbone.run(shown)[FEATURES]


def create_region_engine(
    path: Path, engine: str = "auto", *, device: str = "auto", threads: int | None = None
) -> RegionEngine:
    """An engine with a detector's file in it.

    Raises:
        InputError: no such engine or device, or weights that do not fit the detector.
    """
    engine = pick_engine(engine, path, device)
    detector = read_detector(path).detector
    if is_exported(path):
        return _exported(path, detector, engine, threads)
    weights = read_weights(path)
    try:
        parts = programs(detector, weights)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return region_engine(detector, parts, engine, device=device, threads=threads)


def _exported(path: Path, detector: Detector, engine: str, threads: int | None) -> RegionEngine:
    """Both graphs of an export, which must be of the same detector."""
    head = path.with_stem(HEAD)
    if read_description(head) != read_description(path):
        raise InputError(f"{head} is another detector's than {path}")
    backbone, logits = (
        create_engine(file, engine, threads=threads, outputs=(output,))
        for file, output in ((path, FEATURES), (head, LOGITS))
    )
    return RegionEngine(detector, backbone, logits, engine)


def region_engine(
    detector: Detector,
    parts: Parts,
    engine: str,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> RegionEngine:
    """An engine of a detector's programs, by name: ``torch``, ``openvino`` or ``onnx``."""
    backbone, head = (part(program, engine, device, threads) for program in parts)
    return RegionEngine(detector, backbone, head, engine)


def part(program: Program, engine: str, device: str, threads: int | None) -> Part:
    """What runs a program of a detector."""
    if engine == "openvino":
        from inception.runtime.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(program, tuple(program.outputs), threads=threads)
    if engine == "onnx":
        from inception.runtime.onnx_engine import ONNXEngine

        return ONNXEngine(program, tuple(program.outputs), threads=threads)
    from inception.runtime.torch_engine import TorchEngine

    return TorchEngine(program, device=device, threads=threads)


def found_in(
    picture: Picture,
    regions_xyxy: Boxes,
    engines: Sequence[RegionEngine],
    *,
    least_score: float,
    most: int,
) -> Detections:
    """The objects among the regions of a picture, by all engines together.

    Args:
        picture: ``uint8 [H, W, 3]``.
        regions_xyxy: ``[N, 4]``.
        engines: of detectors with the same classes.
        least_score: what is less is not told.
        most: of the picture.

    Raises:
        InputError: a detector answers with what is no number.
    """
    said = [told(e.run(picture, regions_xyxy), regions_xyxy, e.detector) for e in engines]
    return detections(
        together(said) if len(said) > 1 else said[0],
        regions_xyxy,
        picture.shape[:2],
        overlap=engines[0].detector.overlap,
        least_score=least_score,
        most=most,
    )

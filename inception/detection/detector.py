"""A detector as data: a classifier cut in two at a stage, and where its regions come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from inception.detection.proposals import SelectiveSearch
from inception.errors import InputError, unknown
from inception.fields import Range, check_fields, known_fields
from inception.models.check import check
from inception.models.cost import StageCost, cost
from inception.models.shapes import Position, Shape, end, own_windows, windows
from inception.models.spec import (
    Branches,
    Conv,
    Flatten,
    Layers,
    Linear,
    Pool,
    Residual,
    Spec,
    concrete,
)

Mode: TypeAlias = Literal["fast", "rcnn"]
Scoring: TypeAlias = Literal["softmax", "svm"]
Share: TypeAlias = Annotated[float, Range(0, 1)]

FAST, RCNN = "fast", "rcnn"
ENLARGED = 2.5  # times its own size are pictures shown whole, so that objects look as in training


class Origin(NamedTuple):
    """Where the cells of a stage lie in the picture, in pixels.

    Attributes:
        first: the centre of the first cell, from the picture's edge.
        stride: from one centre to the next.
    """

    first: float
    stride: float


@dataclass(frozen=True)
class Detector:
    """A network that says what a region of a picture shows, and where its regions come from.

    It is a classifier cut in two: the stages up to ``stage`` are the backbone, those after it and
    the classifier the region head. ``fast`` shows the backbone whole pictures, and the head what
    its features are in each region; ``rcnn`` shows both of them each region, warped to the
    network's own size.

    Attributes:
        network: both parts; for a region it gives ``outputs`` numbers: a logit for each class, one
            for the background, and with ``boxes`` four offsets for each class.
        stage: whose features are pooled.
        picture_size: to which ``fast`` brings the long side, in pixels; the rest of the square is
            the mean colour.
        context_px: of the picture around a region that ``rcnn`` warps with it.
        boxes: whether a region is moved to its object.
        scoring: what the first numbers are: logits under a softmax, or margins of linear SVMs.
        overlap: IoU above which the worse of two boxes of a class is dropped.
        search: how regions are proposed.
        most_regions: of a picture, the first of those proposed.
    """

    network: Spec
    stage: str
    classes: tuple[str, ...]
    mode: Mode = "fast"
    picture_size: Annotated[int, Range(16, 8192)] = 560
    context_px: Annotated[int, Range(0, 256)] = 16
    boxes: bool = True
    scoring: Scoring = "softmax"
    overlap: Share = 0.3
    search: SelectiveSearch = field(default_factory=SelectiveSearch)
    most_regions: Annotated[int, Range(1, 100_000)] = 2000

    def __post_init__(self) -> None:
        check_fields(self, "a detector")
        _check_classes(self.classes)
        check(self.network)
        if self.stage not in list(self.network.stages)[:-1]:
            stages = list(self.network.stages)[:-1]
            raise unknown("stage with others after it", self.stage, stages)
        if self.network.num_classes != self.outputs:
            raise InputError(
                f"a detector of {len(self.classes)} classes needs {self.outputs} outputs a region; "
                f"its network has {self.network.num_classes}"
            )
        if 2 * self.context_px >= self.network.image_size:
            raise InputError(
                f"context_px of a detector must leave something of its regions of "
                f"{self.network.image_size} px; got {self.context_px}"
            )
        check(self.backbone)

    @property
    def outputs(self) -> int:
        """Numbers for a region: classes, background, four offsets a class with ``boxes``."""
        return num_outputs(len(self.classes), boxes=self.boxes)

    @property
    def region_size(self) -> int:
        """Side in pixels of the square that a warped region is."""
        return self.network.image_size

    @property
    def shown_size(self) -> int:
        """Side in pixels of the squares that the backbone is shown: pictures, or regions."""
        return self.picture_size if self.mode == FAST else self.region_size

    @property
    def backbone(self) -> Spec:
        """The stages up to ``stage``, for what this mode shows them; it ends in their means."""
        return backbone_to(self, self.stage)

    @property
    def pooled(self) -> Shape:
        """What the head is given of a region: the stage's shape in a picture of ``region_size``."""
        return _stage(self.network, self.stage).end.shape

    @property
    def grid(self) -> int:
        """Side of what is pooled of a region."""
        return self.pooled.height

    @property
    def origin(self) -> Origin:
        """Where the cells of the pooled stage lie in what the backbone is shown."""
        return origin(self.backbone)

    def to_json(self) -> dict[str, Any]:
        """The detector as JSON values."""
        own = {n: getattr(self, n) for n in _PLAIN}
        return {
            "network": self.network.to_json(),
            "classes": list(self.classes),
            "search": asdict(self.search),
            **own,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Detector:
        """The inverse of ``to_json``. Raises ``InputError`` where the values are no detector."""
        given = known_fields(values, cls, "a detector")
        classes = given["classes"]
        search = known_fields(given.get("search", {}), SelectiveSearch, "a detector's search")
        return cls(
            **{
                **given,
                "network": Spec.from_json(given["network"]),
                "classes": tuple(classes) if isinstance(classes, list) else classes,
                "search": SelectiveSearch(**search),
            }
        )


def backbone_to(detector: Detector, stage: str) -> Spec:
    """A detector's stages up to one, for what its mode shows them; it ends in their means."""
    network, names = detector.network, list(detector.network.stages)
    stages = {n: network.stages[n] for n in names[: names.index(stage) + 1]}
    preprocessing = replace(network.preprocessing, size=detector.shown_size)
    means: dict[str, Layers] = {"pool": Pool("average", grid=1), "flatten": Flatten()}
    width = _stage(network, stage).end.shape.channels
    return replace(
        network, stages=stages, classifier=means, num_classes=width, preprocessing=preprocessing
    )


_PLAIN = (
    "stage", "mode", "picture_size", "context_px", "boxes", "scoring", "overlap", "most_regions"
)  # fmt: skip


def num_outputs(classes: int, *, boxes: bool) -> int:
    """Numbers that a detector of so many classes gives for a region."""
    return classes + 1 + 4 * classes * boxes


def design(
    spec: Spec,
    classes: Sequence[str],
    mode: Mode = "fast",
    *,
    stage: str | None = None,
    picture_size: int | None = None,
    boxes: bool | None = None,
    keep_grid: bool | None = None,
    **others: Any,
) -> Detector:
    """A detector made of a classifier.

    Args:
        spec: any classifier; its own classes and heads go.
        classes: what is to be found.
        mode: see ``Detector``.
        stage: whose features are pooled; by default the last one before the grid is halved for the
            last time.
        picture_size: 2.5 times the network's own size by default.
        boxes: by default in ``fast`` alone, as the published R-CNN of 2014 moved none.
        keep_grid: whether the last layer sees every cell of a region rather than their mean, which
            does not tell where in the region the object is; in ``fast`` by default.
        others: any further field of ``Detector``.

    Raises:
        InputError: no such stage, or what is no detector.
    """
    boxes = mode == FAST if boxes is None else boxes
    outputs = num_outputs(len(classes), boxes=boxes)
    network = replace(spec, aux={}, num_classes=outputs)
    if mode == FAST if keep_grid is None else keep_grid:
        network = replace(network, classifier=_without_mean(network.classifier))
    return Detector(
        network,
        stage or _default_stage(network),
        tuple(classes),
        mode,
        picture_size=picture_size or 16 * round(ENLARGED * spec.image_size / 16),
        boxes=boxes,
        **others,
    )


class DetectorCost(NamedTuple):
    """What a detector costs for one picture.

    Attributes:
        backbone: multiply-adds of one pass.
        head: of one region.
        parameters: of both.
        regions: in the picture.
        multiply_adds: of the picture.
    """

    backbone: int
    head: int
    parameters: int
    regions: int
    multiply_adds: int


def detector_cost(detector: Detector, regions: int) -> DetectorCost:
    """The cost of a picture with so many regions."""
    own = cost(detector.network).stages
    after = [stage.name for stage in own].index(detector.stage) + 1
    head = sum(stage.multiply_adds for stage in own[after:])
    backbone = cost(detector.backbone).multiply_adds
    passes = 1 if detector.mode == FAST else regions
    return DetectorCost(
        backbone,
        head,
        sum(stage.parameters for stage in own),
        regions,
        passes * backbone + regions * head,
    )


def origin(spec: Spec) -> Origin:
    """Where the cells of a spec's last stage lie in a picture of its own size."""
    at = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
    first, stride = 0.5, 1.0
    for layers in spec.stages.values():
        layers = concrete(layers, spec.num_classes)
        first, stride = _moved(layers, at, first, stride)
        at = end(layers, at)
    return Origin(first, stride)


def _moved(layers: Layers, at: Position, first: float, stride: float) -> tuple[float, float]:
    """The first centre and the stride after some layers; of branches, those of the first."""
    if isinstance(layers, Mapping):
        for inner in layers.values():
            first, stride = _moved(inner, at, first, stride)
            at = end(inner, at)
        return first, stride
    if isinstance(layers, Branches):
        return _moved(next(iter(layers.branches.values())), at, first, stride)
    if isinstance(layers, Residual):
        return _moved(layers.body, at, first, stride)
    found = None
    if isinstance(layers, Conv):
        found = windows(layers.kernel, layers.stride, layers.padding, at.shape[1:])
    elif isinstance(layers, Pool):
        found = own_windows(layers, at.shape[1:])
    if found is None:
        return first, stride
    middle = (found.kernel[0] - 1) / 2 - found.pads[0][0]
    return first + middle * stride, stride * found.strides[0]


def _without_mean(classifier: Layers) -> Layers:
    """The same without a global pool before its ``Flatten``, where a ``Linear`` reads that.

    Unchanged where there is none, or where the mean is of logits, as in Network in Network.
    """
    if not isinstance(classifier, Mapping) or not isinstance([*classifier.values()][-1], Linear):
        return classifier
    names = list(classifier)
    for name, after in pairwise(names):
        layer = classifier[name]
        if isinstance(layer, Pool) and layer.grid == 1 and isinstance(classifier[after], Flatten):
            return {n: inner for n, inner in classifier.items() if n != name}
    return classifier


def _default_stage(spec: Spec) -> str:
    *stages, _ = cost(spec).stages
    coarsest = stages[-1].end.stride
    finer = [s.name for s in stages if s.end.stride < coarsest and not s.end.flat]
    if not finer:
        raise InputError(f"{spec.name} has no stage before its grid is halved: name one, --stage")
    return finer[-1]


def _stage(spec: Spec, name: str) -> StageCost:
    return next(stage for stage in cost(spec).stages if stage.name == name)


def _check_classes(classes: Sequence[str]) -> None:
    if not classes or len(set(classes)) < len(classes):
        raise InputError(f"classes of a detector are names, each once; got {list(classes)}")
    if not all(isinstance(name, str) and name for name in classes):
        raise InputError(f"classes of a detector are names; got {list(classes)}")

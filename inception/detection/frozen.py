"""What the frozen part of a detector gives for pictures or their regions, computed once. No torch.

Kept in the cache under a hash of weights, pictures and regions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.data.images import Picture, UnreadableImageError
from inception.detection.boxes import Boxes
from inception.detection.datasets import DetectionSet
from inception.detection.detector import FAST, Detector, backbone_to
from inception.detection.engine import FEATURES, Part, own_weights, part
from inception.detection.regions import shown_whole, warp
from inception.detection.sampling import Regions, Share, drawn, matched
from inception.detection.settings import NOTHING, POOLED, DetectConfig
from inception.files import cache_folder, replacing
from inception.models.cost import cost
from inception.runtime import pick_engine
from inception.runtime.lower import Weights, lower
from inception.runtime.program import Program
from inception.weights.model_file import read_weights

FORMAT = 1
KEPT = 0x6B657074  # keeps the draws of kept regions apart from those of batches


@dataclass(frozen=True)
class Seen:
    """A picture as it is learnt from.

    Attributes:
        index: in its data set.
        regions: in the picture's own pixels; of ``rcnn`` those kept, some in a mirror.
        width: of the picture.
        scale: by which ``fast`` multiplies its sides in a square of its own share 1.
        mirrored: ``[n]``, of the squares that are shown of it: whole pictures, or its regions.
        shares: ``[n]``, of the detector's size that its long side has in each; the first is 1.
    """

    index: int
    regions: Regions
    width: int
    scale: float
    mirrored: npt.NDArray[np.bool_]
    shares: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrozenSet:
    """A data set behind the frozen part of a detector.

    Attributes:
        pictures: those that can be read.
        values: for each of them, in order, ``[n, C, H, W]`` float16, or the squares themselves
            where nothing is frozen.
        unreadable: path and reason of the others.
    """

    pictures: tuple[Seen, ...]
    values: Sequence[npt.NDArray[Any]]
    unreadable: dict[str, str]


def freeze_to(detector: Detector, freeze: str) -> str | None:
    """The last stage that stays as it is; none where all train.

    ``POOLED`` is the pooled one, and in ``rcnn`` what follows it without weights, which
    leaves less to keep.
    """
    if freeze != POOLED:
        return None if freeze == NOTHING else freeze
    last = detector.stage
    if detector.mode == FAST:
        return last
    after = [stage.name for stage in cost(detector.network).stages].index(last) + 1
    for stage in cost(detector.network).stages[after:-1]:
        if stage.parameters:
            break
        last = stage.name
    return last


def frozen_set(
    dataset: DetectionSet,
    detector: Detector,
    weights: Path,
    config: DetectConfig,
    proposals: Mapping[int, Boxes],
    *,
    freeze: str | None,
    varied: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FrozenSet:
    """A data set behind the stages up to ``freeze``, from the cache where it is there.

    Args:
        dataset: pictures and objects, classes in the detector's order.
        detector: whose regions these are.
        weights: the model file that the frozen stages come from.
        config: how many regions are kept of a picture, and what else decides them.
        proposals: of the pictures that can be read, by their numbers.
        freeze: the last frozen stage; None for none.
        varied: whether squares are also seen in a mirror and smaller, as the settings say.
        progress: told of pictures done and in all.
    """
    seen, unreadable = [], {}
    for index in range(len(dataset)):
        try:
            shape = dataset.read(index).shape[:2]
        except UnreadableImageError as error:
            unreadable[error.name] = error.reason
            continue
        regions = matched(
            proposals[index],
            dataset.objects(index),
            len(detector.classes),
            positive_iou=config.positive_iou,
        )
        scale = detector.picture_size / max(shape)
        seen.append(_seen(index, regions, shape[1], scale, detector, config, varied))
    frozen = _Frozen(detector, read_weights(weights), freeze, config)
    place = cache_folder() / "detection" / f"{frozen.key(dataset, seen)}.npy"
    if not place.exists():
        _write(place, frozen, dataset, seen, progress)
    flat = np.load(place, mmap_mode="r", allow_pickle=False)
    ends = np.cumsum([len(each.mirrored) for each in seen])
    return FrozenSet(tuple(seen), np.split(flat, ends[:-1]) if seen else [], unreadable)


def _seen(
    index: int,
    regions: Regions,
    width: int,
    scale: float,
    detector: Detector,
    config: DetectConfig,
    varied: bool,
) -> Seen:
    mirror = varied and config.mirror
    if detector.mode == FAST:
        sides = [False, True] if mirror else [False]
        shares = (1.0, *(config.smaller if varied else ()))
        views = [(side, share) for share in shares for side in sides]
        mirrored, sizes = (np.array(each) for each in zip(*views, strict=True))
        return Seen(index, regions, width, scale, mirrored, sizes)
    rng = np.random.default_rng([config.seed, index, KEPT])
    share = Share(config.kept_regions, config.positives, config.near)
    kept = regions.at(drawn(regions, len(detector.classes), share, rng))
    mirrored = rng.random(len(kept)) < (0.5 if mirror else 0)
    return Seen(index, kept, width, scale, mirrored, np.ones(len(kept)))


class _Frozen:
    """The frozen stages of a detector, and how pictures are shown to them."""

    def __init__(
        self, detector: Detector, weights: Weights, freeze: str | None, config: DetectConfig
    ) -> None:
        self.detector = detector
        self.seen_as = detector.backbone.preprocessing
        self._part: Part | None = None
        how = [FORMAT, detector.mode, detector.context_px, self.seen_as.to_json(), freeze]
        self._digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
        if freeze is not None:
            engine = pick_engine("auto", Path("detector"), config.device)
            self._part = part(
                _program(detector, weights, freeze), engine, config.device, config.threads
            )
            self._digest.update(engine.encode())
            for name in sorted(own_weights(weights, backbone_to(detector, freeze))):
                self._digest.update(name.encode() + weights[name].tobytes())

    def key(self, dataset: DetectionSet, seen: Sequence[Seen]) -> str:
        """A hash of all that the values depend on; in ``fast`` the regions are not among it."""
        digest = self._digest.copy()
        digest.update(dataset.digest().encode())
        for each in seen:
            digest.update(f"{each.index}".encode() + each.mirrored.tobytes())
            digest.update(each.shares.tobytes())
            if self.detector.mode != FAST:
                digest.update(each.regions.boxes_xyxy.tobytes())
        return digest.hexdigest()[:32]

    def values(self, picture: Picture, seen: Seen) -> npt.NDArray[Any]:
        """``[n, ...]`` of a picture's squares."""
        shown = self._shown(picture, seen)
        if self._part is None or not len(shown):
            return shown
        return self._part.run(shown)[FEATURES].astype(np.float16)

    def _shown(self, picture: Picture, seen: Seen) -> Picture:
        if self.detector.mode == FAST:
            views = zip(seen.mirrored, seen.shares.tolist(), strict=True)
            both = ((picture[:, ::-1] if mirrored else picture, share) for mirrored, share in views)
            return np.stack([shown_whole(v, self.seen_as, share=share)[0] for v, share in both])
        boxes = seen.regions.boxes_xyxy
        shown = warp(picture, boxes, self.seen_as, context_px=self.detector.context_px)
        flipped = shown[:, :, ::-1]
        return np.where(seen.mirrored[:, None, None, None], flipped, shown)


def _program(detector: Detector, weights: Weights, freeze: str) -> Program:
    spec, output = backbone_to(detector, freeze), f"features:{freeze}"
    program = lower(spec, own_weights(weights, spec), [output])
    return Program(program.size, program.steps, {FEATURES: program.outputs[output]})


def _write(
    place: Path,
    frozen: _Frozen,
    dataset: DetectionSet,
    seen: Sequence[Seen],
    progress: Callable[[int, int], None],
) -> None:
    total = sum(len(each.mirrored) for each in seen)
    with replacing(place) as beside:
        out, at = None, 0
        for done, values in enumerate(_all_values(frozen, dataset, seen)):
            if out is None:
                shape = (total, *values.shape[1:])
                out = np.lib.format.open_memmap(beside, "w+", values.dtype, shape)
            out[at : at + len(values)] = values
            at += len(values)
            progress(done + 1, len(seen))
        if out is None:
            np.save(beside.open("wb"), np.zeros((0,), np.float16))


def _all_values(
    frozen: _Frozen, dataset: DetectionSet, seen: Sequence[Seen]
) -> Iterator[npt.NDArray[Any]]:
    for each in seen:
        if len(each.mirrored):
            yield frozen.values(dataset.read(each.index), each)

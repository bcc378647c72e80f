"""Detection's two forms on the same regions, and with a MultiBox's alone: time a picture.

Detectors of ``imagenette`` whose last layer knows nothing: time does not depend on what it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from setting import DATA, Own, arguments, show

from inception.benchmark.rounds import Timing, interleave, ratios
from inception.data.images import Picture
from inception.detection.boxes import Boxes
from inception.detection.datasets import open_detection
from inception.detection.detector import Mode, design
from inception.detection.engine import RegionEngine, found_in, programs, region_engine
from inception.detection.multibox import Proposer
from inception.detection.proposals import SelectiveSearch, as_searched, search_small
from inception.detection.sources import Source
from inception.models.build import build
from inception.prediction import BACKBONE, find_model
from inception.runtime.torch_engine import trained
from inception.weights.model_file import load_weights, read_info, transplant

OWN = (
    Own("--pictures", 4, "of kangaroo's validation set"),
    Own("--multibox", "", "the file of a MultiBox"),
)


def main() -> None:
    options = arguments(__doc__, *OWN, rounds=3)
    dataset = open_detection(DATA / "kangaroo", "val")
    pictures = [dataset.read(index) for index in range(options.pictures)]
    regions = [each.boxes_xyxy for each in Source(SelectiveSearch()).propose(pictures)]
    fast, rcnn = engine("fast"), engine("rcnn")
    ways: dict[str, Callable[[], object]] = {
        "search alone": partial(search, pictures),
        "fast, regions given": partial(judge, fast, pictures, regions),
        "rcnn, regions given": partial(judge, rcnn, pictures, regions),
    }
    if options.multibox:
        learnt = Source(None, Proposer(options.multibox, threads=1))
        ways["fast, MultiBox from the picture on"] = partial(whole, fast, pictures, learnt)
    timings = interleave(ways, rounds=options.rounds, clock=options.clock)
    rows = [
        [name, f"{timing.median / len(pictures):.3f}", f"± {100 * timing.spread:.0f} %"]
        for name, timing in timings.items()
    ]
    count = sum(map(len, regions)) / len(regions)
    show(f"{len(pictures)} pictures, {count:.0f} regions", ["way", "s a picture", "spread"], rows)
    show("ratios", ["what", "times as long", "spread"], list(compared(timings)))


def engine(mode: Mode) -> RegionEngine:
    path = find_model(BACKBONE)
    detector = design(read_info(path).spec, ("kangaroo",), mode)
    torch.manual_seed(0)
    network = build(detector.network)
    transplant(network, load_weights(path))
    weights = {name: tensor.numpy(force=True) for name, tensor in trained(network).items()}
    return region_engine(detector, programs(detector, weights), "openvino", threads=1)


def search(pictures: Sequence[Picture]) -> None:
    """As a detector's source does, but nothing found before is taken."""
    for picture in pictures:
        search_small(as_searched(picture), SelectiveSearch())


def judge(by: RegionEngine, pictures: Sequence[Picture], regions: Sequence[Boxes]) -> None:
    for picture, boxes in zip(pictures, regions, strict=True):
        found_in(picture, boxes, [by], least_score=0.05, most=100)


def whole(by: RegionEngine, pictures: Sequence[Picture], source: Source) -> None:
    judge(by, pictures, [each.boxes_xyxy for each in source.propose(pictures)])


def compared(timings: dict[str, Timing]) -> Iterator[list[str]]:
    searching, fast, rcnn, *rest = timings.values()
    pairs = {"rcnn over fast": (rcnn, fast)}
    if rest:
        both = Timing(tuple(map(sum, zip(searching.seconds, fast.seconds, strict=True))))
        pairs["searching and fast over fast with a MultiBox alone"] = both, rest[0]
    for name, (one, other) in pairs.items():
        ratio = ratios(one, other)
        yield [name, f"{ratio.median:.2f}", f"± {100 * ratio.spread:.0f} %"]


if __name__ == "__main__":
    main()

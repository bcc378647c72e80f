"""Where objects may be: Selective Search in processes, kept by content; recall of any proposals."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import io
import json
import multiprocessing
import os
import signal
import time
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from inception.data.images import Picture
from inception.detection.boxes import Boxes, Doubles, clip, iou, unique
from inception.detection.datasets import DetectionSet, Objects
from inception.errors import InputError, not_installed
from inception.fields import Range, check_fields
from inception.files import cache_folder, read_bytes, replacing

OPENCV = "opencv-contrib-python-headless"
FORMAT = 1  # of what is kept
WIDTH = 500  # px to which R-CNN brings pictures first
MOST_HEIGHT = 2000  # px, of a picture that is far higher than wide
SIGMA = 0.8  # of the blur before the first segmentation
WAITING = 4  # pictures on their way, a process

SearchMode: TypeAlias = Literal["fast", "quality"]


@dataclass(frozen=True)
class SelectiveSearch:
    """Uijlings' Selective Search, as OpenCV does it and R-CNN uses it.

    Attributes:
        mode: ``fast`` groups in 2 colour spaces, from 2 segmentations, by 2 measures of likeness;
            ``quality`` in 5, from 4, by 4.
        superpixels: scale of the first segmentation and step to the others, OpenCV's ``base_k``
            and ``inc_k``; twice as much is GoogLeNet's doubled superpixel size.
        least_px: regions with a shorter side are left out, in a picture ``WIDTH`` px wide.
    """

    mode: SearchMode = "fast"
    superpixels: Annotated[int, Range(1, 10_000)] = 150
    least_px: Annotated[int, Range(1, WIDTH)] = 20

    def __post_init__(self) -> None:
        check_fields(self, "Selective Search")


class Proposed(NamedTuple):
    """The proposals of a picture.

    Attributes:
        boxes_xyxy: ``[N, 4]`` float32, in pixels.
        seconds: that finding them took, then, where they were kept; of a processor in Selective
            Search, whose processes may have to share some.
    """

    boxes_xyxy: Boxes
    seconds: float


def search(
    pictures: Iterable[Picture], how: SelectiveSearch | None = None, *, processes: int = 1
) -> Iterator[Proposed]:
    """What Selective Search proposes for each picture, in their order.

    What was found before is kept under the cache folder by a hash of the pixels. With one process
    this one searches; several are started anew, so a script must be importable then
    (``if __name__ == "__main__"``).

    Raises:
        InputError: OpenCV's contributed modules are missing.
    """
    how = how or SelectiveSearch()
    check_installed()
    if processes == 1:
        yield from (
            _kept(picture, how) or _keep(picture, how, _search(picture, how))
            for picture in pictures
        )
        return
    with _pool(processes) as pool:
        waiting: deque[tuple[Picture, Proposed | Future[Proposed]]] = deque()
        for picture in pictures:
            waiting.append((picture, _kept(picture, how) or pool.submit(_search, picture, how)))
            if len(waiting) >= WAITING * processes:
                yield _taken(how, *waiting.popleft())
        while waiting:
            yield _taken(how, *waiting.popleft())


def check_installed() -> None:
    """Raises ``InputError`` where OpenCV is missing, or comes without Selective Search."""
    if find_spec("cv2") is None:
        raise not_installed(OPENCV)
    import cv2

    if not hasattr(cv2, "ximgproc"):
        raise InputError(
            f"OpenCV is here without its contributed modules, which Selective Search is one of: "
            f"pip uninstall opencv-python opencv-python-headless, then pip install {OPENCV}"
        )


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    pool = search_pool(processes)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise InputError("a process of Selective Search ended early: out of memory?") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def search_pool(processes: int) -> ProcessPoolExecutor:
    """Processes that know nothing of this one's threads, and end with it alone."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, _begin_process)


def _begin_process() -> None:
    """Leaves Ctrl-C, which a terminal sends to all, to the process that has started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:  # killed, it would leave this one waiting for ever
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _taken(how: SelectiveSearch, picture: Picture, found: Proposed | Future[Proposed]) -> Proposed:
    return found if isinstance(found, Proposed) else _keep(picture, how, found.result())


def _search(picture: Picture, how: SelectiveSearch) -> Proposed:
    """What OpenCV proposes, in the picture's own pixels; without what is too small, or twice."""
    small = as_searched(picture)
    return proposed_in(picture, small, search_small(small, how))


def as_searched(picture: Picture) -> Picture:
    """The picture as Selective Search takes it, ``WIDTH`` px wide."""
    height, width = picture.shape[:2]
    scale = min(WIDTH / width, MOST_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def search_small(small: Picture, how: SelectiveSearch) -> Proposed:
    """What OpenCV proposes in a picture of ``as_searched``, in its pixels."""
    import cv2

    started = time.thread_time()  # it is one thread's work
    cv2.setNumThreads(1)
    grouping = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    grouping.setBaseImage(np.ascontiguousarray(small[:, :, ::-1]))
    start = {
        "fast": grouping.switchToSelectiveSearchFast,
        "quality": grouping.switchToSelectiveSearchQuality,
    }[how.mode]
    start(how.superpixels, how.superpixels, SIGMA)
    with suppress(AttributeError, OSError, TypeError):  # no C library by that way: another order
        ctypes.CDLL(None).srand(1)  # regions are put in an order by C's random numbers
    found = np.asarray(grouping.process(), np.float32).reshape(-1, 4)
    found = found[(found[:, 2:] >= how.least_px).all(axis=1)]
    edges = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1)
    return Proposed(edges, time.thread_time() - started)


def proposed_in(picture: Picture, small: Picture, found: Proposed) -> Proposed:
    """What was found in ``small`` as boxes in the picture's own pixels, none of them twice."""
    (height, width), (rows, columns) = picture.shape[:2], small.shape[:2]
    back = np.array([width / columns, height / rows] * 2)
    boxes = clip((found.boxes_xyxy * back).astype(np.float32), height, width)
    return Proposed(unique(boxes), found.seconds)


def _place(picture: Picture, how: SelectiveSearch) -> Path:
    told = json.dumps(
        [FORMAT, WIDTH, SIGMA, _version(), asdict(how), picture.shape], sort_keys=True
    )
    digest = hashlib.sha256(told.encode())
    digest.update(np.ascontiguousarray(picture).data)
    name = digest.hexdigest()[:32]
    return cache_folder() / "proposals" / name[:2] / f"{name}.npz"


@functools.cache
def _version() -> str:
    import cv2

    return str(cv2.__version__)


def _kept(picture: Picture, how: SelectiveSearch) -> Proposed | None:
    try:
        data = io.BytesIO(read_bytes(_place(picture, how)))
        with np.load(data, allow_pickle=False) as file:
            return Proposed(file["boxes"].reshape(-1, 4), float(file["seconds"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(picture: Picture, how: SelectiveSearch, found: Proposed) -> Proposed:
    with suppress(InputError), replacing(_place(picture, how)) as beside, beside.open("wb") as file:
        np.savez(file, boxes=found.boxes_xyxy, seconds=found.seconds)
    return found


def union(*proposals_xyxy: Boxes) -> Boxes:
    """All of them in their order, without those that are another to the pixel."""
    boxes = np.concatenate([np.empty((0, 4), np.float32), *proposals_xyxy])
    _, first = np.unique(np.rint(boxes), axis=0, return_index=True)
    return boxes[np.sort(first)]


def best_overlaps(proposals_xyxy: Boxes, objects: Objects, *, most: int | None = None) -> Doubles:
    """``[N]``: how well the first ``most`` proposals hit each object that is not ignored."""
    wanted = objects.boxes_xyxy[~objects.ignored]
    return np.asarray(iou(wanted, proposals_xyxy[:most]).max(axis=1, initial=0))


def recall(
    proposals: Sequence[Boxes],
    objects: Sequence[Objects],
    *,
    threshold: float = 0.5,
    most: int | None = None,
) -> float | None:
    """Share of all objects that one of their picture's first ``most`` proposals overlaps so far.

    None where there are no objects.
    """
    pairs = zip(proposals, objects, strict=True)
    hits = [best_overlaps(boxes, wanted, most=most) >= threshold for boxes, wanted in pairs]
    found = np.concatenate([np.empty(0, np.bool_), *hits])
    return float(found.mean()) if len(found) else None


def recall_curve(
    proposals: Sequence[Boxes], objects: Sequence[Objects], *, threshold: float = 0.5
) -> list[dict[str, Any]]:
    """Recall by the proposals a picture, at 1, 2, 5, 10 and so on, up to the most there are."""
    longest = max((len(boxes) for boxes in proposals), default=0)
    counts = [n * 10**power for power in range(6) for n in (1, 2, 5) if n * 10**power < longest]
    return [
        {"proposals": n, "recall": recall(proposals, objects, threshold=threshold, most=n)}
        for n in [*counts, longest]
        if n
    ]


def coverage(proposed: Mapping[int, Proposed], dataset: DetectionSet) -> dict[str, Any]:
    """What proposals hit of a set's objects, as JSON values; shares from 0 to 1.

    Args:
        proposed: by the numbers of the pictures.
        dataset: whose pictures and objects these are.
    """
    boxes = [each.boxes_xyxy for each in proposed.values()]
    objects = [dataset.objects(index) for index in proposed]
    overlaps = [best_overlaps(*pair) for pair in zip(boxes, objects, strict=True)]
    best = np.concatenate([np.empty(0), *overlaps])
    pictures = max(len(proposed), 1)
    return {
        "pictures": len(proposed),
        "objects": len(best),
        "proposals_per_picture": sum(map(len, boxes)) / pictures,
        "recall": recall(boxes, objects),
        "recall_at_0.7": recall(boxes, objects, threshold=0.7),
        "average_best_overlap": float(best.mean()) if len(best) else None,
        "seconds_per_picture": sum(each.seconds for each in proposed.values()) / pictures,
        "curve": recall_curve(boxes, objects),
    }

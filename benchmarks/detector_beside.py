"""What the same minutes give torchvision's Faster R-CNN with MobileNet, from random weights.

Its compiled operators do not fit every torch (``import_torchvision``): suppression is numpy's here
and RoI align torch's sampling. Measured by our metrics.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from setting import DATA, Own, arguments, show

from inception.benchmark import import_torchvision
from inception.detection.datasets import DetectionSet, open_detection
from inception.detection.detections import Detections
from inception.detection.metrics import measure

BATCH, PEAK, WARMUP, DECAY = 4, 0.01, 0.05, 1e-4
OWN = (
    Own("--minutes", 27, "of training"),
    Own("--data", "kangaroo", "a folder of $INCEPTION_DATA"),
    Own("--threads", 1, "of torch"),
)


def main() -> None:
    options = arguments(__doc__, *OWN)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    train, val = (open_detection(DATA / options.data, split) for split in ("train", "val"))
    network = faster_rcnn(1 + len(train.classes))
    passes = learn(network, train, 60 * options.minutes, options.clock)
    found = [detect(network.eval(), val, index) for index in range(len(val))]
    told = measure(found, [val.objects(index) for index in range(len(val))], val.classes)
    row = [options.minutes, f"{passes:.1f}", f"{told['map50']:.2%}", f"{told['map']:.2%}"]
    show("fasterrcnn_mobilenet_v3_large_320_fpn", ["minutes", "passes", "mAP at 0.5", "mAP"], [row])


def faster_rcnn(classes: int) -> Any:
    vision = import_torchvision()
    vision.ops.boxes.nms, vision.ops.poolers.roi_align = suppress, aligned
    return vision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=classes,
        box_batch_size_per_image=128,
    )


def suppress(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy suppression on all overlaps at once: it is called some twenty times a step."""
    order = scores.argsort(descending=True, stable=True)
    sorted_xyxy = boxes[order].detach()
    overlap = import_torchvision().ops.box_iou(sorted_xyxy, sorted_xyxy)
    over = (overlap > iou_threshold).numpy()
    alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if alive[row]:
            alive[row + 1 :] &= ~over[row, row + 1 :]
    return order[torch.from_numpy(alive)]


def aligned(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
) -> torch.Tensor:
    """RoI align in its first form: a mean of ``sampling_ratio`` points a side of each cell."""
    side = output_size[0] * sampling_ratio
    steps = (torch.arange(side) + 0.5) / side
    x1, y1, x2, y2 = (rois[:, 1:] * spatial_scale).unbind(1)
    x = x1[:, None] + steps * (x2 - x1).clamp(min=1)[:, None]
    y = y1[:, None] + steps * (y2 - y1).clamp(min=1)[:, None]
    height, width = features.shape[-2:]
    across = (2 * x / (width - 1) - 1)[:, None, :].expand(-1, side, -1)
    down = (2 * y / (height - 1) - 1)[:, :, None].expand(-1, -1, side)
    grid = torch.stack([across, down], dim=-1)
    pooled = []
    for image, each in enumerate(features):  # the rois come in the pictures' order
        mine = grid[rois[:, 0] == image].reshape(1, -1, side, 2)
        out = torch.nn.functional.grid_sample(
            each[None], mine, padding_mode="border", align_corners=True
        )
        pooled.append(out[0].reshape(len(each), -1, side, side).transpose(0, 1))
    out = torch.cat(pooled)
    return torch.nn.functional.avg_pool2d(out, sampling_ratio)


def learn(network: Any, train: DetectionSet, seconds: float, clock: Any) -> float:
    """Trains for so long, the rate by one cycle over it; how often it saw the set."""
    optimiser = torch.optim.SGD(network.parameters(), PEAK, 0.9, weight_decay=DECAY)
    random, began, steps = np.random.default_rng(0), clock(), 0
    told = time.perf_counter()
    network.train()
    while (done := (clock() - began) / seconds) < 1:
        rate = min(done / WARMUP, 0.5 + math.cos(math.pi * done) / 2)
        optimiser.param_groups[0]["lr"] = PEAK * max(rate, 1e-3)
        batch = [example(train, int(i), random) for i in random.integers(0, len(train), BATCH)]
        losses = network([picture for picture, _ in batch], [target for _, target in batch])
        loss = sum(losses.values())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimiser.step()
        steps += 1
        if time.perf_counter() - told > 60:
            told = time.perf_counter()
            print(f"{done:.0%}  {steps} steps  loss {loss.item():.3f}", flush=True)
    return steps * BATCH / len(train)


def example(
    train: DetectionSet, index: int, random: np.random.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    picture, objects = as_tensor(train, index), train.objects(index)
    boxes = torch.from_numpy(objects.boxes_xyxy.copy())
    if random.random() < 0.5:
        picture = picture.flip(2)
        boxes[:, [0, 2]] = picture.shape[2] - boxes[:, [2, 0]]
    return picture, {"boxes": boxes, "labels": torch.from_numpy(objects.labels + 1)}


def as_tensor(data: DetectionSet, index: int) -> torch.Tensor:
    return torch.from_numpy(data.read(index).copy()).permute(2, 0, 1).float() / 255


@torch.no_grad()
def detect(network: Any, val: DetectionSet, index: int) -> Detections:
    (told,) = network([as_tensor(val, index)])
    return Detections(
        told["boxes"].numpy(), told["labels"].numpy() - 1, told["scores"].numpy().astype(np.float32)
    )


if __name__ == "__main__":
    main()

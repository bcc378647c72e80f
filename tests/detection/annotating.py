"""Small sets with boxes, written as VOC and COCO tools write them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Box = tuple[str, float, float, float, float]  # class, x1 y1 x2 y2 by edges
HEIGHT, WIDTH = 40, 60
BOXES: dict[str, list[Box]] = {  # what the sets hold
    "one": [("cat", 4, 6, 24, 30)],
    "two words": [("dog", 0, 0, 60, 40), ("cat", 10, 10, 20, 20)],
    "none": [],
}
SPLITS = {"train": ["one", "none"], "val": ["two words"]}


def write_picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def voc_object(box: Box, *, difficult: str | None = "0") -> str:
    name, x1, y1, x2, y2 = box
    flag = "" if difficult is None else f"<difficult>{difficult}</difficult>"
    edges = f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name>{flag}<bndbox>{edges}</bndbox></object>"


def voc_xml(objects: Sequence[str], *, size: str | None = None, filename: str = "x.jpg") -> str:
    if size is None:
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


def write_voc(place: Path) -> Path:
    """VOC's own folders."""
    lists = place / "ImageSets" / "Main"
    for folder in (lists, place / "Annotations"):
        folder.mkdir(parents=True)
    for seed, (name, boxes) in enumerate(BOXES.items()):
        write_picture(place / "JPEGImages" / f"{name}.jpg", seed)
        text = voc_xml([voc_object(box) for box in boxes], filename=f"{name}.jpg")
        (place / "Annotations" / f"{name}.xml").write_text(text)
    for split, names in SPLITS.items():
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return place


def coco(split: str, *, first: int = 0) -> dict[str, Any]:
    """A split as COCO's JSON, its numbers from ``first``."""
    categories = [{"id": first + 5, "name": "dog"}, {"id": first, "name": "cat"}]
    numbers = {entry["name"]: entry["id"] for entry in categories}
    images, annotations = [], []
    for key, name in enumerate(SPLITS[split], first):
        images.append({"id": key, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH})
        for label, x1, y1, x2, y2 in BOXES[name]:
            entry = {"id": first + len(annotations), "image_id": key, "iscrowd": 0}
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({**entry, "category_id": numbers[label], "bbox": box})
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(place: Path, *, first: int = 0) -> Path:
    """CVAT's folders: ``annotations/instances_train.json``, ``images``."""
    (place / "annotations").mkdir(parents=True)
    for seed, name in enumerate(BOXES):
        write_picture(place / "images" / f"{name}.jpg", seed)
    for split in SPLITS:
        text = json.dumps(coco(split, first=first))
        (place / "annotations" / f"instances_{split}.json").write_text(text)
    return place

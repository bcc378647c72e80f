"""Detection's files: VOC and COCO annotations, detectors, MultiBoxes, runs."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from damage import Target, damaged_json, damaged_tensors, damaged_text, folder_for

sys.path[:0] = [str(Path(__file__).parents[1] / "detection"), str(Path(__file__).parents[1])]


def annotated(kind: str, name: str) -> bytes:
    """One file of a set."""
    return (sets() / kind / name).read_bytes()


@cache
def sets() -> Path:
    """A VOC and a COCO set."""
    from annotating import write_coco, write_voc

    place = folder_for("boxes")
    write_voc(place / "voc")
    write_coco(place / "coco")
    return place


def read_set(path: Path, kind: str, name: str) -> None:
    """The set with this file of it damaged, as training opens it and as the doctor does."""
    from inception.detection.check import check_boxes
    from inception.detection.datasets import open_detection
    from inception.errors import InputError

    root = Path(*path.parts[: len(path.parts) - len(Path(name).parts)])
    if not (root / "put").exists():
        for each in (sets() / kind).rglob("*.*"):
            beside = root / each.relative_to(sets() / kind)
            beside.parent.mkdir(parents=True, exist_ok=True)
            if beside != path:
                beside.write_bytes(each.read_bytes())
        (root / "put").touch()
    check_boxes(root, threads=1).to_json()
    for split in ("train", "val"):
        try:
            found = open_detection(root, split)
        except InputError:
            continue
        found.digest()
        for index in range(len(found)):
            found.objects(index), found.image_id(index)
    open_detection(root).with_classes(("dog", "cat"))


def detector() -> bytes:
    """A small detector's file."""
    from small_detectors import small_detector, write_detector

    return write_detector(sets() / "a.safetensors", small_detector()).read_bytes()


def read_detector_file(path: Path) -> None:
    """A detector, ready to find."""
    from inception.detection.detector import detector_cost
    from inception.detection.engine import create_region_engine

    made = create_region_engine(path, "torch", device="cpu", threads=1)
    detector_cost(made.detector, 100)


def multibox() -> bytes:
    """A small MultiBox's file with random weights."""
    import torch
    from small_detectors import SMALL

    from inception.detection.multibox import MULTIBOX, MultiBox, design
    from inception.models.build import build
    from inception.weights.model_file import save_model

    made: MultiBox = design(SMALL, boxes=4)
    torch.manual_seed(0)
    tensors = build(made.network).state_dict()
    own = {f"{MULTIBOX}.{name}": torch.rand(shape) for name, shape in made.shapes.items()}
    save_model(sets() / "m.safetensors", {**tensors, **own}, made)
    return (sets() / "m.safetensors").read_bytes()


def read_multibox_file(path: Path) -> None:
    """A MultiBox, ready to propose."""
    from inception.detection.multibox import Proposer

    Proposer(path, threads=1)


BOXES = {
    "voc": Target(
        "Annotations/two words.xml",
        lambda: annotated("voc", "Annotations/two words.xml"),
        lambda path: read_set(path, "voc", "Annotations/two words.xml"),
        damaged_text,
    ),
    "voc-list": Target(
        "ImageSets/Main/train.txt",
        lambda: annotated("voc", "ImageSets/Main/train.txt"),
        lambda path: read_set(path, "voc", "ImageSets/Main/train.txt"),
        damaged_text,
    ),
    "coco": Target(
        "annotations/instances_val.json",
        lambda: annotated("coco", "annotations/instances_val.json"),
        lambda path: read_set(path, "coco", "annotations/instances_val.json"),
        damaged_json,
    ),
    "detector": Target("a.safetensors", detector, read_detector_file, damaged_tensors),
    "multibox": Target("a.safetensors", multibox, read_multibox_file, damaged_tensors),
}

"""Explanations of ``cats-and-dogs``: their time, int8's maps beside fp32's, and where heat lies.

Where: on 20 pictures of dogs-vs-cats with boxes drawn by hand around the animals (in
``explanations.csv``, by the pictures' keys), the share of the heat that lies in the box, beside the
box's share of the crop; and how often the hottest point lies in it (the pointing game).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from setting import DATA, arguments, show

from inception.benchmark.rounds import interleave, ratios
from inception.data.crops import Box, seen, views
from inception.data.images import Picture, read_image
from inception.data.sources import pictures_at
from inception.drawing import heat_over
from inception.explanation.answer import Explanation
from inception.explanation.cam import ClassActivation
from inception.explanation.gradients import Attributor
from inception.export.formats import Content, write_openvino
from inception.prediction import SHIPPED, find_model
from inception.predictor import Predictor
from inception.preprocessing import Preprocessing
from inception.runtime import read_program
from inception.runtime.program import Floats
from inception.weights.model_file import read_info

SIDE = 140  # cells a side on which heat and boxes are compared
COMPARED = 100  # pictures on which int8's maps are held against fp32's
ALIKE = 0.98  # the correlation wanted
CALIBRATED = 128  # training pictures on which int8's ranges are measured
AT_ONCE = 16  # pictures in a turn


def main() -> None:
    options = arguments(__doc__, rounds=15, parts=("time", "int8", "places"))
    pictures = dict(labelled(DATA / "dogs-vs-cats" / "val-000.tar"))
    fast, several = ClassActivation(SHIPPED), list(pictures.values())
    if "time" in options.parts:
        columns = ["explain over", "times as long", "spread"]
        show("time", columns, timed(several[:AT_ONCE], fast, options.rounds, options.clock))
    if "int8" in options.parts:
        columns = ["pictures", "median correlation", "least", f"below {ALIKE}"]
        show("int8's map with fp32's", columns, [compared(several[:COMPARED], fast)])
    if "places" in options.parts:
        columns = ["method", "heat in box", "box of crop", "hottest in box"]
        show("where the heat lies", columns, list(places(pictures)))


def compared(pictures: list[Picture], fast: ClassActivation) -> list[str]:
    with TemporaryDirectory() as folder:
        alike = correlations(pictures, fast, ClassActivation(int8(Path(folder))))
    below = sum(each < ALIKE for each in alike)
    return [str(len(alike)), f"{np.median(alike):.4f}", f"{min(alike):.4f}", str(below)]


def labelled(tar: Path, most: int | None = None) -> Iterator[tuple[str, Picture]]:
    """The first pictures of a tar by their keys."""
    for source, index in islice(pictures_at(tar), most):
        yield Path(source.path(index)).stem, read_image(source.read(index))


def int8(folder: Path) -> Path:
    path, info = find_model(SHIPPED), read_info(find_model(SHIPPED))
    train = labelled(DATA / "dogs-vs-cats" / "train-000.tar", CALIBRATED)
    shown = [views(picture, info.preprocessing) for _, picture in train]
    write_openvino(Content(read_program(path), info, "int8", shown), folder / "int8.xml")
    return folder / "int8.xml"


def timed(
    pictures: list[Picture], fast: ClassActivation, rounds: int, clock: Callable[[], float]
) -> list[list[str]]:
    predictor = Predictor(SHIPPED, batch_size=1)
    ways = {
        "predict": lambda: [predictor.predict(picture) for picture in pictures],
        "predict, engine alone": lambda: [
            predictor.engine.run(views(picture, predictor.preprocessing)) for picture in pictures
        ],
        "explain": lambda: [fast.explain(picture) for picture in pictures],
    }
    times = interleave(ways, rounds=rounds, clock=clock)
    over = {name: ratios(times["explain"], times[name]) for name in list(ways)[:2]}
    return [[n, f"{r.median:.2f}", f"± {100 * r.spread:.0f} %"] for n, r in over.items()]


def correlations(
    pictures: list[Picture], one: ClassActivation, other: ClassActivation
) -> list[float]:
    found = []
    for picture in pictures:
        told = one.explain(picture)
        again = other.explain(picture, told.classes)
        found.append(float(np.corrcoef(told.maps.ravel(), again.maps.ravel())[0, 1]))
    return found


def places(pictures: dict[str, Picture]) -> Iterator[list[str]]:
    attributor, fast = Attributor(SHIPPED), ClassActivation(SHIPPED)
    methods: dict[str, Callable[[Picture, list[str]], Explanation]] = {
        "cam": fast.explain,
        "cam, grid spread evenly": fast.explain,
        "cam, against the other class": lambda p, c: fast.compare(p, c[0], other(c[0])),
        "gradcam, inception_4e": lambda p, c: attributor.grad_cam(p, c, stage="inception_4e"),
        "gradcam, inception_4c": lambda p, c: attributor.grad_cam(p, c, stage="inception_4c"),
        "integrated-gradients": attributor.integrated_gradients,
        "occlusion": attributor.occlusion,
    }
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8") as file:
        boxes = {row.pop("key"): Box(*map(float, row.values())) for row in csv.DictReader(file)}
    for name, method in methods.items():
        rows = []
        for key, box in boxes.items():
            told = method(pictures[key], [key.partition("_")[0]])
            grid = told.crop if name.endswith("evenly") else told.grid
            heat = heat_over(told.crop, told.maps[0], (SIDE, SIDE), grid=grid)
            rows.append(judged(heat, within(box, pictures[key], fast.preprocessing)))
        heat_in, area, pointed = np.mean(rows, axis=0)
        yield [name, f"{100 * heat_in:.0f} %", f"{100 * area:.0f} %", f"{100 * pointed:.0f} %"]


def other(label: str) -> str:
    return {"cat": "dog", "dog": "cat"}[label]


def within(box: Box, picture: Picture, how: Preprocessing) -> Floats:
    """1 where a cell of the crop lies in the box."""
    crop = seen(picture.shape[0], picture.shape[1], how)
    x = crop.left + (np.arange(SIDE) + 0.5) * (crop.right - crop.left) / SIDE
    y = crop.top + (np.arange(SIDE) + 0.5) * (crop.bottom - crop.top) / SIDE
    columns, rows = (x > box.left) & (x < box.right), (y > box.top) & (y < box.bottom)
    return np.outer(rows, columns).astype(np.float32)


def judged(heat: Floats, inside: Floats) -> tuple[float, float, float]:
    """The share of the heat above 0 in the box, the box's of the crop, whether it is hottest."""
    hot = np.maximum(heat, 0)
    hottest = inside.ravel()[int(heat.argmax())]
    share = (hot * inside).sum() / max(float(hot.sum()), 1e-12)  # a bare map has no heat anywhere
    return float(share), float(inside.mean()), float(hottest)


if __name__ == "__main__":
    main()

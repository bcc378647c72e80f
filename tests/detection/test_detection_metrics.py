"""Average precision against cases worked by hand, a plain second implementation, and COCO's."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from annotating import HEIGHT, WIDTH, coco, write_coco, write_voc

from inception.detection.datasets import Objects, open_detection
from inception.detection.detections import (
    Detections,
    coco_annotations,
    coco_results,
    yolo_text,
)
from inception.detection.metrics import average_precision, ilsvrc_thresholds, measure

BIG = [0.0, 0.0, 100.0, 100.0]
SMALL = [0.0, 0.0, 10.0, 10.0]
FAR = [500.0, 500.0, 600.0, 600.0]


def objects(*boxes: Sequence[float], label: int = 0, ignored: Sequence[int] = ()) -> Objects:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    flags = np.isin(np.arange(len(boxes)), ignored)
    return Objects(found, np.full(len(boxes), label, np.int64), flags)


def detections(*found: tuple[Sequence[float], float], label: int = 0) -> Detections:
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return Detections(boxes, np.full(len(found), label, np.int64), scores)


def shifted(box: Sequence[float], right: float) -> list[float]:
    return [box[0] + right, box[1], box[2] + right, box[3]]


CASES = {  # detections and objects of each picture, average precision by ILSVRC's rule
    "found": ([(detections((BIG, 0.9)), objects(BIG))], 1.0),
    "a duplicate behind": ([(detections((BIG, 0.9), (BIG, 0.8)), objects(BIG))], 1.0),
    # the second hit on the one object is wrong: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1
    "a duplicate between": (
        [(detections((BIG, 0.9), (BIG, 0.8), (FAR, 0.7)), objects(BIG, FAR))],
        0.5 + 0.5 * 2 / 3,
    ),
    # 10 x 10 may be overlapped by 100 / 400 only
    "a small box at an IoU of 0.4": (
        [(detections(([0, 0, 4, 10], 0.9)), objects(SMALL))],
        1.0,
    ),
    "a small box at an IoU of 0.2": (
        [(detections(([0, 0, 2, 10], 0.9)), objects(SMALL))],
        0.0,
    ),
    "a big box at an IoU of 0.4": ([(detections(([0, 0, 40, 100], 0.9)), objects(BIG))], 0.0),
    # of two objects that a detection hits, the better one of those still to be found is taken
    "the second best is still free": (
        [(detections((BIG, 0.9), (shifted(BIG, 2), 0.8)), objects(BIG, shifted(BIG, 20)))],
        1.0,
    ),
    "an ignored object": (
        [(detections((BIG, 0.9), (FAR, 0.8)), objects(BIG, FAR, ignored=[0]))],
        1.0,
    ),
    # of equal scores the earlier picture's is the surer: precisions 0, 1/2
    "a tie": ([(detections((FAR, 0.5)), objects()), (detections((BIG, 0.5)), objects(BIG))], 0.5),
    "a tie, the other way": (
        [(detections((BIG, 0.5)), objects(BIG)), (detections((FAR, 0.5)), objects())],
        1.0,
    ),
    "no detections": ([(detections(), objects(BIG))], 0.0),
    "nothing to find": ([(detections((BIG, 0.9)), objects())], None),
    "nothing at all": ([], None),
}


@pytest.mark.parametrize("name", CASES)
def test_ilsvrcs_rule_gives_what_is_worked_out_by_hand(name: str) -> None:
    pictures, expected = CASES[name]
    found, wanted = [p[0] for p in pictures], [p[1] for p in pictures]
    assert average_precision("ilsvrc", found, wanted, 1) == [
        None if expected is None else pytest.approx(expected, abs=1e-12)
    ]


def test_a_blacklisted_pair_is_neither_right_nor_wrong_nor_to_be_found() -> None:
    found = [detections((BIG, 0.9), (FAR, 0.95)), detections((BIG, 0.8))]
    wanted = [objects(BIG), objects(BIG, FAR)]
    assert average_precision("ilsvrc", found, wanted, 1) == [pytest.approx(2 / 3 * 2 / 3)]
    assert average_precision("ilsvrc", found, wanted, 1, blacklist={(0, 0)}) == [0.5]
    assert average_precision("ilsvrc", found, wanted, 1, blacklist={(0, 1)})[0] != 0.5


def test_thresholds_are_the_papers_formula() -> None:
    boxes = np.array([SMALL, BIG, [0, 0, 20, 50]], np.float32)
    expected = [100 / 400, 0.5, min(0.5, 1000 / (30 * 60))]
    assert ilsvrc_thresholds(boxes) == pytest.approx(np.array(expected))


def test_voc_holds_a_detection_to_the_object_it_overlaps_most() -> None:
    """Unlike ILSVRC, where the other object, still free, would be found."""
    found = [detections((BIG, 0.9), (shifted(BIG, 2), 0.8))]
    wanted = [objects(BIG, shifted(BIG, 20))]
    assert average_precision("voc2012", found, wanted, 1) == [0.5]
    assert average_precision("ilsvrc", found, wanted, 1) == [1.0]


def test_voc_2007_asks_at_eleven_recalls() -> None:
    """One of three found surely, one behind a wrong one: 1 up to 1/3, 2/3 up to 2/3, then 0."""
    found = [detections((BIG, 0.9), (FAR, 0.8), (shifted(BIG, 200), 0.7))]
    wanted = [objects(BIG, shifted(BIG, 200), shifted(BIG, 400))]
    expected = (4 * 1 + 3 * 2 / 3) / 11  # recalls 0, 0.1, 0.2, 0.3, then 0.4, 0.5, 0.6
    assert average_precision("voc2007", found, wanted, 1) == [pytest.approx(expected)]
    ten = [detections(*((shifted(BIG, 200 * i), 0.9) for i in range(3)))]
    wanted = [objects(*(shifted(BIG, 200 * i) for i in range(10)))]
    assert average_precision("voc2007", ten, wanted, 1) == [pytest.approx(4 / 11)]  # 0.3 counts


def plain_ap(pictures: Sequence[tuple[Detections, Objects]], label: int, points: int) -> float:
    """VOC's average precision as its devkit goes about it: one list, one loop, no matrices."""
    ranked = sorted(
        (
            (-float(score), number, place)
            for number, (own, _) in enumerate(pictures)
            for place, score in enumerate(own.scores)
            if own.labels[place] == label
        ),
    )
    total = sum(int(((o.labels == label) & ~o.ignored).sum()) for _, o in pictures)
    used: set[tuple[int, int]] = set()
    right, wrong, curve = 0, 0, []
    for _, number, place in ranked:
        own, wanted = pictures[number]
        best, best_overlap = -1, 0.0
        for i in range(len(wanted)):
            if wanted.labels[i] != label:
                continue
            a, b = own.boxes_xyxy[place].astype(float), wanted.boxes_xyxy[i].astype(float)
            w = min(a[2], b[2]) - max(a[0], b[0])
            h = min(a[3], b[3]) - max(a[1], b[1])
            if w > 0 and h > 0:
                both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
                if w * h / both > best_overlap:
                    best, best_overlap = i, w * h / both
        if best_overlap >= 0.5 and wanted.ignored[best]:
            continue
        if best_overlap >= 0.5 and (number, best) not in used:
            used.add((number, best))
            right += 1
        else:
            wrong += 1
        curve.append((right / total, right / (right + wrong)))
    if points == 11:
        asked = [max((p for r, p in curve if r >= t / 10 - 1e-12), default=0) for t in range(11)]
        return sum(asked) / 11
    area, before = 0.0, 0.0
    for place, (recall, _) in enumerate(curve):
        if recall > before:
            area += (recall - before) * max(p for _, p in curve[place:])
            before = recall
    return area


def random_pictures(seed: int) -> list[tuple[Detections, Objects]]:
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(12):
        n, m = rng.integers(0, 12), rng.integers(0, 6)
        start = rng.uniform(0, 60, (m, 2))
        truth = np.concatenate([start, start + rng.uniform(8, 60, (m, 2))], axis=1)
        near = truth[rng.integers(0, m, n)] if m else rng.uniform(0, 50, (n, 4))
        found = near + rng.normal(0, 5, (n, 4))
        found = np.concatenate([np.sort(found[:, ::2]), np.sort(found[:, 1::2])], 1)[
            :, [0, 2, 1, 3]
        ]
        scores = rng.integers(0, 20, n) / 20  # with ties
        order = np.argsort(-scores, kind="stable")
        pictures.append(
            (
                Detections(
                    found[order].astype(np.float32),
                    rng.integers(0, 2, n),
                    scores[order].astype(np.float32),
                ),
                Objects(truth.astype(np.float32), rng.integers(0, 2, m), rng.random(m) < 0.2),
            )
        )
    return pictures


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("rule", "points"), [("voc2012", 0), ("voc2007", 11)])
def test_vocs_rules_equal_a_plain_implementation(rule: str, points: int, seed: int) -> None:
    pictures = random_pictures(seed)
    ours = average_precision(rule, [p[0] for p in pictures], [p[1] for p in pictures], 2)
    expected = [plain_ap(pictures, label, points) for label in range(2)]
    assert ours == pytest.approx(expected, abs=1e-9)
    assert max(expected) > 0.1


def test_all_numbers_come_together() -> None:
    found = [detections((BIG, 0.9), label=1), detections((FAR, 0.8), label=1)]
    wanted = [objects(BIG, label=1), objects(BIG, label=1)]
    told = measure(found, wanted, ["cat", "dog", "fox"])
    assert told["map50"] == told["ilsvrc"] == 0.5
    assert told["coco"]["ap50"] == pytest.approx(0.5, abs=0.01) == told["map"]  # 101 recalls
    assert [row["ap50"] for row in told["per_class"]] == [None, 0.5, None]
    assert [row["ap"] for row in told["per_class"]] == [None, told["map"], None]
    dog = told["per_class"][1]
    assert (dog["objects"], dog["detections"], dog["recall"]) == (2, 2, 0.5)
    json.dumps(told, allow_nan=False)


def test_nothing_found_is_zero_and_nothing_to_find_is_none() -> None:
    nothing = measure([detections()], [objects(BIG)], ["cat"])
    assert (nothing["map50"], nothing["map"], nothing["ilsvrc"]) == (0, 0, 0)
    for empty in (measure([detections((BIG, 1))], [objects()], ["cat"]), measure([], [], ["cat"])):
        assert [empty[name] for name in ("map50", "map", "voc2007", "ilsvrc")] == [None] * 4


def pycocotools_says(annotations: dict, results: list) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


def test_results_load_in_pycocotools_and_give_the_same_number(tmp_path: Path) -> None:
    place = write_coco(tmp_path, first=1)
    dataset = open_detection(place, "val")
    exact = dataset.objects(0)
    scores = np.array([0.9, 0.8], np.float32)
    found = Detections(exact.boxes_xyxy + np.eye(4, dtype=np.float32)[2:], exact.labels, scores)
    ours = measure([found], [exact], dataset.classes)["map"]
    truth = coco("val", first=1)
    for entry in truth["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
    results = coco_results({0: found}, dataset)
    assert pycocotools_says(truth, results) == pytest.approx(ours) and ours > 0.5
    assert {r["category_id"] for r in results} == {c["id"] for c in truth["categories"]}
    assert coco_annotations(dataset, [(HEIGHT, WIDTH)])["images"] == truth["images"]


def test_a_voc_set_becomes_cocos(tmp_path: Path) -> None:
    dataset = open_detection(write_voc(tmp_path), "val")
    exact = dataset.objects(0)
    found = Detections(exact.boxes_xyxy, exact.labels, np.array([0.9, 0.8], np.float32))
    truth = json.loads(json.dumps(coco_annotations(dataset, [(HEIGHT, WIDTH)])))
    assert pycocotools_says(truth, coco_results({0: found}, dataset)) == pytest.approx(1)


def test_yolos_form_is_centre_and_size_as_shares() -> None:
    found = detections(([0, 10, 60, 30], 0.75), label=2)
    assert yolo_text(found, (HEIGHT, WIDTH)) == "2 0.500000 0.500000 1.000000 0.500000 0.750000\n"
    assert yolo_text(detections(), (HEIGHT, WIDTH)) == ""

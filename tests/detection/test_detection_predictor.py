"""Pictures to the objects in them, in Python and on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from PIL import Image
from small_detectors import small_detector, write_detector

from inception.detection.drawn import draw_boxes, place_label
from inception.detection.predictor import DetectionPredictor
from inception.errors import InputError
from inception.text import csv_value

pytestmark = pytest.mark.usefixtures("quick_search")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_detector(folder / "model.safetensors", small_detector())
    return folder


def test_pictures_come_back_in_order_and_an_unreadable_one_says_why(
    detector: Path, squares: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    names = [str(tmp_path / "broken.jpg"), *map(str, sorted((squares / "JPEGImages").glob("val*")))]
    array = np.zeros((48, 64, 3), np.uint8)
    predictor = DetectionPredictor(detector, threads=1, least_score=0.3)
    told = predictor.predict([*names, array, names[0]])
    assert [each.path for each in told] == [*names, f"picture {len(names)}", names[0]]
    assert told[0].error is not None and told[-1].error is not None and not told[0].objects
    for each in told[1:-1]:
        assert (each.width, each.height, each.error) == (64, 48, None)
        scores = [found.score for found in each.objects]
        assert scores == sorted(scores, reverse=True) and min(scores, default=1) >= 0.3
        for found in each.objects:
            x1, y1, x2, y2 = found.box_xyxy
            assert 0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 48
            assert found.label == predictor.classes[found.index]
    alone = predictor.predict(names[1])
    assert alone == [told[1]]


def test_detectors_answer_together_only_with_the_same_classes(
    detector: Path, tmp_path: Path
) -> None:
    other = write_detector(tmp_path / "other.safetensors", small_detector(classes=("a", "c")))
    with pytest.raises(InputError, match="class 1 is 'b'"):
        DetectionPredictor(detector, other)
    rcnn = write_detector(tmp_path / "rcnn.safetensors", small_detector("rcnn"))
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    (both,) = DetectionPredictor(detector, rcnn, threads=1).predict(picture)
    assert both.error is None
    with pytest.raises(InputError, match="a detector is needed"):
        DetectionPredictor()


def test_predict_writes_pictures_with_boxes_and_tables(
    detector: Path, squares: Path, tmp_path: Path
) -> None:
    pictures, out = squares / "JPEGImages", tmp_path / "out"
    names = [str(pictures / f"val{number}.jpg") for number in (0, 1)]
    done = run(
        "detect", "predict", str(detector), *names, "--out", str(out),
        "--min-score", "0.3", "--json", "-", "--threads", "1",
    )  # fmt: skip
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told == json.loads((out / "detections.json").read_text())
    assert [Path(each["path"]).name for each in told] == ["val0.jpg", "val1.jpg"]
    lines = (out / "detections.csv").read_text().splitlines()
    assert lines[0] == "path,label,score,x1,y1,x2,y2,error"
    assert len(lines) == 1 + sum(len(each["objects"]) for each in told)
    assert csv_value(lines[1].split(",")[1]) == told[0]["objects"][0]["label"]
    names = sorted(path.name for path in out.glob("*.jpg"))
    assert names == ["00001-val0.jpg", "00002-val1.jpg"]
    with Image.open(out / names[0]) as drawn:
        assert drawn.size == (64, 48)


def test_coco_results_have_boxes_by_corner_and_size(detector: Path, squares: Path) -> None:
    picture = str(squares / "JPEGImages" / "val0.jpg")
    command = ["detect", "predict", str(detector), picture, "--threads", "1"]
    plain, coco = (
        json.loads(run(*command, "--min-score", "0.3", "--json", "-", "--form", form).stdout)
        for form in ("pictures", "coco")
    )
    assert len(coco) == len(plain[0]["objects"]) > 0
    for row, found in zip(coco, plain[0]["objects"], strict=True):
        x, y, width, height = row["bbox"]
        assert [x, y, x + width, y + height] == pytest.approx(found["box_xyxy"])
        assert (row["image_id"], row["category_id"]) == (1, found["index"] + 1)
        assert row["score"] == found["score"]


WRONG = {
    "no pictures": (["RUN"], "no pictures given"),
    "no such picture": (["RUN", "nowhere.jpg"], "no such file or folder: nowhere.jpg"),
    "no such detector": (["nowhere", "PICTURE"], "no such detector: nowhere"),
    "a classifier": (["cats-and-dogs.safetensors", "PICTURE"], "is a classifier"),
    "an unknown form": (["RUN", "PICTURE", "--form", "yolo"], "--form is pictures or coco"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_callers_mistake_is_one_line(
    arguments: list[str], said: str, detector: Path, squares: Path
) -> None:
    weights = Path(__file__).parents[2] / "inception" / "weights"
    places = {
        "RUN": str(detector),
        "PICTURE": str(squares / "JPEGImages" / "val0.jpg"),
        "cats-and-dogs.safetensors": str(weights / "cats-and-dogs.safetensors"),
    }
    assert said in fails("detect", "predict", *(places.get(each, each) for each in arguments))


def test_labels_lie_apart_within_the_picture_while_there_is_room() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        taken: list[tuple[float, ...]] = []
        for _ in range(4):  # each covers at most a few of the eight places of another
            left, top = rng.uniform(0, (500, 380))
            box = (left, top, left + 120, top + 90)
            taken.append(place_label(box, (60, 14), (640, 480), taken))
        for number, one in enumerate(taken):
            assert one[0] >= 0 and one[1] >= 0 and one[2] <= 640 and one[3] <= 480
            for other in taken[:number]:
                apart = one[2] <= other[0] or other[2] <= one[0]
                assert apart or one[3] <= other[1] or other[3] <= one[1]
    assert place_label((100, 100, 200, 200), (60, 14), (640, 480), []) == (100, 86, 160, 100)
    assert place_label((100, 5, 200, 200), (60, 14), (640, 480), []) == (100, 5, 160, 19)
    assert place_label((-5, 2, 20, 9), (60, 14), (40, 10), []) == (0, 0, 60, 14)


def test_drawn_boxes_have_labels_inside_the_picture() -> None:
    picture = np.full((60, 80, 3), 255, np.uint8)
    boxes = np.array([[0.0, 0.0, 79.0, 59.0], [60.0, 30.0, 79.0, 50.0]])
    drawn = draw_boxes(picture, boxes, ["kangaroo 99 %", "a name that goes on and on 50 %"], [0, 1])
    assert drawn.shape == picture.shape and (picture == 255).all()
    assert (drawn[-1, 40] != 255).any() and (drawn[50, 70] != 255).any()
    assert (draw_boxes(picture, np.zeros((0, 4)), [], []) == picture).all()

"""Evaluation of models whose answers are known by hand, and of GoogLeNet against torch."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import run
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from inception import create_model, evaluate
from inception.data.datasets import Dataset, open_data
from inception.errors import InputError
from inception.evaluation.counting import check_unreadable
from inception.evaluation.report import Witness, write_report
from inception.evaluation.scores import wilson
from inception.models.spec import CLASSES, Flatten, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.runtime import Floats
from inception.weights.model_file import ModelInfo, save_model

CLASS_NAMES = ("red", "green", "blue")  # not in the order of sorting
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SURE = float(np.exp(2) / (np.exp(2) + 2))  # softmax of (2, 0, 0): the model on a pure colour
OTHER = float(1 / (np.exp(2) + 2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logits are twice the mean red, green and blue, from 0 to 1."""
    spec = Spec(
        "mean_colour",
        stages={"pool": Pool("average", grid=1)},
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=3,
        preprocessing=Preprocessing(size=16, mean=(0.0,) * 3, std=(255.0,) * 3),
    )
    network = create_model(spec)
    weights = {n: torch.zeros_like(w) for n, w in network.state_dict().items()}
    weights["classifier.linear.linear.weight"] = 2 * torch.eye(3)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, weights, ModelInfo(spec, CLASS_NAMES))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Four red, two green and two blue pictures, of which one calls itself red, one green."""
    shown = {"red": ["red"] * 4 + ["blue"], "green": ["green"] * 2 + ["blue"], "blue": []}
    for label, colours in shown.items():
        (tmp_path / label).mkdir()
        for i, colour in enumerate(colours):
            Image.new("RGB", (20, 24), COLOURS[colour]).save(tmp_path / label / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("crops", [1, 10, 12, 144])
def test_numbers_by_hand_in_the_order_of_the_models_classes(
    model: Path, place: Path, crops: int
) -> None:
    result = evaluate(model, place, crops=crops, threads=2)
    assert result.classes == CLASS_NAMES
    assert result.images == 8 and result.crops == crops and result.unreadable == ()
    assert result.confusion.tolist() == [[4, 0, 1], [0, 2, 1], [0, 0, 0]]
    assert result.top1_accuracy == 6 / 8 and result.top5_accuracy == 1.0
    assert result.loss == pytest.approx(-(6 * np.log(SURE) + 2 * np.log(OTHER)) / 8, rel=1e-5)
    assert [(c["class"], c["images"], c["accuracy"]) for c in result.per_class()] == [
        ("red", 5, 0.8),
        ("green", 3, pytest.approx(2 / 3)),
        ("blue", 0, None),
    ]


def test_the_json_is_the_contract(model: Path, place: Path) -> None:
    values = json.loads(json.dumps(evaluate(model, place).to_json()))
    assert values.pop("images_per_second") > 0
    assert values == {
        "images": 8,
        "unreadable": [],
        "crops": 1,
        "models": [str(model)],
        "split": "all",
        "data": open_data(place).splits["all"].with_classes(CLASS_NAMES).digest(),
        "seen_in_training": False,
        "top1_accuracy": 0.75,
        "top1_interval": list(wilson(6, 8)),
        "top5_accuracy": 1.0,
        "loss": pytest.approx(-(6 * np.log(SURE) + 2 * np.log(OTHER)) / 8, rel=1e-5),
        "per_class": [
            {
                "class": "red",
                "images": 5,
                "accuracy": 0.8,
                "accuracy_interval": list(wilson(4, 5)),
                "precision": 1.0,
                "f1": pytest.approx(8 / 9),
            },
            {
                "class": "green",
                "images": 3,
                "accuracy": pytest.approx(2 / 3),
                "accuracy_interval": list(wilson(2, 3)),
                "precision": 1.0,
                "f1": 0.8,
            },
            {
                "class": "blue",
                "images": 0,
                "accuracy": None,
                "accuracy_interval": [0.0, 1.0],
                "precision": 0.0,
                "f1": 0.0,
            },
        ],
        "macro": {
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx((0.8 + 2 / 3) / 3),
            "f1": pytest.approx((8 / 9 + 0.8) / 3),
        },
        "weighted": {
            "precision": pytest.approx(1.0),
            "recall": pytest.approx(0.75),
            "f1": pytest.approx((5 * 8 / 9 + 3 * 0.8) / 8),
        },
        "confusion": [[4, 0, 1], [0, 2, 1], [0, 0, 0]],
        "confusion_shares": [[0.8, 0.0, 0.2], [0.0, 2 / 3, 1 / 3], None],
        "engine": "openvino",
    }


def test_googlenet_on_a_set_is_what_torch_says_by_hand(colours: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create_model("googlenet_small", num_classes=2).eval()
    how = Preprocessing(size=16, crop=1.0)
    path = tmp_path / "model.safetensors"
    spec = replace(network.spec, preprocessing=how)
    save_model(path, network.state_dict(), ModelInfo(spec, ("red", "green")))
    files = sorted((colours / "val").rglob("*.png"))
    small = [Image.open(f).resize((16, 16), Image.Resampling.BILINEAR) for f in files]
    x = (np.stack(small) - np.array(how.mean)) / np.array(how.std)
    with torch.no_grad():
        wanted = network(torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32))
    right = torch.tensor([("red", "green").index(f.parent.name) for f in files])
    result = evaluate(path, colours, batch_size=10)
    assert result.images == 16
    assert result.loss == pytest.approx(
        torch.nn.functional.cross_entropy(wanted, right).item(), rel=1e-4
    )  # another memory layout sums in another order
    assert result.top1_accuracy == (wanted.argmax(dim=1) == right).double().mean().item()


def test_a_few_unreadable_pictures_are_left_out_and_listed(model: Path, place: Path) -> None:
    (place / "red" / "broken.jpg").write_bytes(b"")
    result = evaluate(model, place, max_unreadable=1 / 9)
    assert result.images == 8 and result.top1_accuracy == 6 / 8
    broken = f"{place}/red/broken.jpg"
    assert result.unreadable == ((broken, "the file is empty"),)
    assert result.to_json()["unreadable"] == [broken]


def test_too_many_unreadable_pictures_are_an_error(model: Path, place: Path) -> None:
    (place / "red" / "broken.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of 9 pictures cannot be read.*broken\.jpg: the file"):
        evaluate(model, place)


def test_nothing_readable_is_an_error_whatever_is_allowed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "broken.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 1 pictures cannot be read"):
        evaluate(model, tmp_path, max_unreadable=1.0)


@pytest.mark.parametrize(
    ("count", "total", "most", "bad"),
    [(0, 10, 0.0, False), (1, 100, 0.01, False), (2, 100, 0.01, True), (1, 10, 0.0, True)],
)
def test_the_share_of_unreadable_pictures_has_a_limit(
    count: int, total: int, most: float, bad: bool
) -> None:
    paths = [("a.jpg", "broken")] * count
    if not bad:
        return check_unreadable(count, total, paths, most)
    with pytest.raises(InputError, match=f"{count} of {total} .* more than --max-unreadable"):
        check_unreadable(count, total, paths, most)


def test_progress_is_told_picture_by_picture(model: Path, place: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluate(model, place, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]


def test_split_and_limit_choose_the_pictures(model: Path, tmp_path: Path) -> None:
    for split, colour in (("train", "red"), ("test", "green")):
        (tmp_path / split / "red").mkdir(parents=True)
        for i in range(5):
            picture = Image.new("RGB", (16, 16), COLOURS[colour])
            picture.save(tmp_path / split / "red" / f"{i}.png")
    assert evaluate(model, tmp_path).top1_accuracy == 0
    assert evaluate(model, tmp_path, split="train").top1_accuracy == 1
    assert evaluate(model, tmp_path, limit=3).images == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crops": 0}, "crops are 1, 10, 12 or 144; got 0"),
        ({"split": "test"}, "no split named 'test'"),
        ({"engine": "onxn"}, "no engine named 'onxn'"),
        ({"device": "gpu"}, "device is auto, cpu or cuda"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"limit": 0}, "a limit must be at least 1"),
    ],
)
def test_wrong_options_are_refused(
    model: Path, place: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(model, place, **options)


def test_a_class_the_model_does_not_know_is_an_error(model: Path, place: Path) -> None:
    (place / "red").rename(place / "crimson")
    with pytest.raises(InputError, match="does not know: crimson; the model's are: red, green"):
        evaluate(model, place)


def test_an_architecture_without_weights_is_an_error(place: Path) -> None:
    with pytest.raises(InputError, match="is an architecture and has no weights"):
        evaluate("googlenet", place)


def test_two_classes_are_judged_at_every_threshold(colours: Path, tmp_path: Path) -> None:
    network = create_model("googlenet_small", num_classes=2)
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, ("red", "green")))
    seen: list[tuple[bool, float]] = []

    def observe(dataset: Dataset, index: int, probabilities: Floats) -> None:
        seen.append((bool(dataset.labels[index] == 1), float(probabilities[1])))

    told = evaluate(path, colours, observe=observe).to_json()["binary"]
    positive, scores = map(list, zip(*seen, strict=True))
    assert told == {
        "positive": "green",
        "roc_auc": pytest.approx(roc_auc_score(positive, scores)),
        "average_precision": pytest.approx(average_precision_score(positive, scores)),
    }


def test_pictures_that_were_trained_on_are_told(colours: Path, tmp_path: Path) -> None:
    network = create_model("googlenet_small", num_classes=2)
    digest = open_data(colours).splits["train"].digest()
    path = tmp_path / "model.safetensors"
    info = ModelInfo(network.spec, ("green", "red"), training={"data": {"train_digest": digest}})
    save_model(path, network.state_dict(), info)
    assert not evaluate(path, colours).seen
    assert evaluate(path, colours, split="train", limit=4).to_json()["seen_in_training"] is True
    witness = Witness()
    result = evaluate(path, colours, split="train", limit=4, observe=witness.see)
    page = write_report(tmp_path / "page", result, witness).read_text("utf-8")
    assert "trained on just these pictures" in page
    assert "ROC" in page and (tmp_path / "page" / "curves.png").stat().st_size > 1000
    told = run("evaluate", str(path), str(colours), "--split", "train", "--limit", "4").stdout
    assert "the model was trained on just these pictures" in told
    assert "area under ROC" in told

"""What is a MODEL, and predictions whose probabilities are known by hand."""

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inception import Predictor, create_model, evaluate, load
from inception.data.datasets import Dataset
from inception.errors import InputError
from inception.models.spec import CLASSES, Flatten, Linear, Pool, Spec
from inception.pictures import check_paths
from inception.prediction import find_model, is_model
from inception.predictor import Label, Prediction
from inception.preprocessing import Preprocessing
from inception.runtime import Floats
from inception.weights.model_file import ModelInfo, read_info, save_model

CLASS_NAMES = ("red", "green", "blue")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; logits are twice the mean red, green and blue, from 0 to 1."""
    spec = Spec(
        "mean_colour",
        stages={"pool": Pool("average", grid=1)},
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=3,
        preprocessing=Preprocessing(size=16, mean=(0.0,) * 3, std=(255.0,) * 3),
    )
    weights = {n: torch.zeros_like(w) for n, w in create_model(spec).state_dict().items()}
    weights["classifier.linear.linear.weight"] = 2 * torch.eye(3)
    folder = tmp_path_factory.mktemp("run")
    save_model(folder / "model.safetensors", weights, ModelInfo(spec, CLASS_NAMES))
    return folder


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return Predictor(model, threads=2)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``1-blue.png``, ``2-red.png``, ``3-green.png``."""
    for i, name in enumerate(("blue", "red", "green"), start=1):
        picture(name).save(tmp_path / f"{i}-{name}.png")
    return tmp_path


def picture(name: str) -> Image.Image:
    return Image.new("RGB", (20, 24), COLOURS[name])


def png(name: str) -> bytes:
    file = io.BytesIO()
    picture(name).save(file, "PNG")
    return file.getvalue()


def names(predictions: list[Prediction]) -> list[str]:
    return [p.top[0].label for p in predictions]


def test_the_top_is_labels_with_probabilities_best_first(predictor: Predictor) -> None:
    x = np.full((24, 20, 3), (51, 255, 0), np.uint8)  # logits 0.4, 2, 0
    by_hand = np.exp([0.4, 2, 0]) / np.exp([0.4, 2, 0]).sum()
    (got,) = predictor.predict(x)
    assert got.path == "picture 0" and got.error is None
    assert [(t.label, t.index) for t in got.top] == [("green", 1), ("red", 0), ("blue", 2)]
    assert [t.probability for t in got.top] == pytest.approx(by_hand[[1, 0, 2]], abs=1e-6)


@pytest.mark.parametrize(("top", "count"), [(1, 1), (2, 2), (3, 3), (5, 3)])
def test_top_says_how_many_classes(predictor: Predictor, top: int, count: int) -> None:
    (got,) = predictor.predict(png("red"), top=top)
    assert len(got.top) == count and got.top[0].label == "red"


def test_arrays_bytes_and_paths_are_pictures_alike(predictor: Predictor, place: Path) -> None:
    path = place / "2-red.png"
    many = [np.asarray(picture("red")), png("red"), path, str(path)]
    got = predictor.predict(many)
    assert len({p.top for p in got}) == 1
    assert [p.path for p in got] == ["picture 0", "picture 1", str(path), str(path)]
    assert [predictor.predict(one)[0].top for one in many] == [p.top for p in got]


@pytest.mark.parametrize("kind", ["folder", "glob", "tar", "paths"])
def test_folders_globs_and_tars_give_their_pictures_in_order(
    predictor: Predictor, place: Path, kind: str
) -> None:
    tar = place / "pictures.tar"
    files = sorted(place.glob("*.png"))
    with tarfile.open(tar, "w") as opened:
        for file in files:
            opened.add(file, file.name)
    wanted = {"folder": place, "glob": f"{place}/*.png", "tar": tar, "paths": files}[kind]
    got = predictor.predict(wanted)
    assert names(got) == ["blue", "red", "green"]
    root = tar if kind == "tar" else place
    assert [p.path for p in got] == [f"{root}/{file.name}" for file in files]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(predictor: Predictor, place: Path) -> None:
    picture("blue").save(place / "a[1].png")
    assert names(predictor.predict(place / "a[1].png")) == ["blue"]


def test_an_unreadable_picture_gets_an_error_and_the_rest_goes_on(
    predictor: Predictor, place: Path
) -> None:
    (place / "2-broken.jpg").write_bytes(b"not a picture")
    float_array: Any = np.zeros((4, 4, 3))
    none: Any = np.zeros((0, 4, 3), np.uint8)
    grey: Any = np.zeros((4, 4), np.uint8)
    got = predictor.predict([place, b"", float_array, none, grey, place / "gone.jpg", png("red")])
    assert [p.top[0].label if p.top else p.error for p in got] == [
        "blue",
        "not a picture in any known format",
        "red",
        "green",
        "the file is empty",
        "an array must be uint8 [H, W, 3]; got float64 [4, 4, 3]",
        "an array must be uint8 [H, W, 3]; got uint8 [0, 4, 3]",
        "an array must be uint8 [H, W, 3]; got uint8 [4, 4]",
        "No such file or directory",
        "red",
    ]
    assert got[1].path == f"{place}/2-broken.jpg" and got[1].top == ()


def test_every_odd_picture_gets_an_answer(predictor: Predictor, real_data: Path) -> None:
    got = predictor.predict(real_data / "odd-images")
    assert len(got) == 27 and sum(p.error is not None for p in got) == 8
    for p in got:
        assert sum(t.probability for t in p.top) == pytest.approx(0 if p.error else 1, abs=1e-5)


@pytest.mark.parametrize("options", [{"crops": 10}, {"batch_size": 1}, {"threads": 1}])
def test_options_do_not_change_plain_pictures(
    model: Path, predictor: Predictor, place: Path, options: dict[str, Any]
) -> None:
    got = Predictor(model, **options).predict(place)
    for own, other in zip(got, predictor.predict(place), strict=True):
        assert [t.label for t in own.top] == [t.label for t in other.top]
        assert own.top[0].probability == pytest.approx(other.top[0].probability, abs=1e-6)


def test_a_stream_answers_before_the_pictures_end(predictor: Predictor) -> None:
    def endless() -> Any:
        while True:
            yield png("green")

    stream = predictor.stream(endless(), top=1)
    assert [next(stream).top[0].label for _ in range(100)] == ["green"] * 100


def test_json_is_the_contract() -> None:
    good = Prediction("a.png", (Label("cat", 3, 0.5),))
    assert good.to_json() == {
        "path": "a.png",
        "top": [{"label": "cat", "index": 3, "probability": 0.5}],
        "error": None,
    }
    bad = Prediction("b.png", (), "broken")
    assert bad.to_json() == {"path": "b.png", "top": [], "error": "broken"}


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        ("{}/empty", {}, "no pictures in .*/empty"),
        ("{}/*.bmp", {}, r"no file matches .*/\*\.bmp"),
        ([3], {}, "bytes, a uint8 array or a tensor; got a int"),
        (b"", {"top": 0}, "top must be at least 1; got 0"),
    ],
)
def test_what_holds_no_pictures_is_the_callers_mistake(
    predictor: Predictor, tmp_path: Path, pictures: Any, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = pictures.format(tmp_path) if isinstance(pictures, str) else pictures
    with pytest.raises(InputError, match=message):
        predictor.predict(given, **options)


def test_paths_can_be_checked_before_any_work(place: Path) -> None:
    check_paths([str(place), f"{place}/*.png"])
    with pytest.raises(InputError, match=r"no such file or folder: .*gone\.png"):
        check_paths([str(place), f"{place}/gone.png"])


def test_a_model_is_a_file_or_a_run_folder(model: Path) -> None:
    file = model / "model.safetensors"
    assert find_model(model) == find_model(str(file)) == file
    assert load(model).classes == load(file).classes == CLASS_NAMES


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("googlenet", "googlenet is an architecture and has no weights: train it first"),
        ("gogglenet", r"no such model: gogglenet; give a \.safetensors, \.xml, \.onnx file, "),
        ("{}", r"has no model\.safetensors"),
        ("{}/1-blue.png", "not a safetensors file"),
    ],
)
def test_what_is_no_model_is_refused(place: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Predictor(name.format(place))


def test_arguments_are_told_apart_as_model_or_picture(model: Path, place: Path) -> None:
    assert all(is_model(name) for name in (model, "gone.safetensors", "googlenet"))
    assert not any(is_model(name) for name in (place, place / "1-blue.png", "gone.jpg", "a.tar"))


def test_fast_decoding_shows_the_network_nearly_the_same(model: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path = tmp_path / "large.jpg"
    Image.fromarray(noise).resize((1200, 900), Image.Resampling.BICUBIC).save(path, quality=92)
    whole, fast = (Predictor(model, threads=1, fast_decode=fast) for fast in (False, True))
    (one,), (other,) = whole.predict(path, top=3), fast.predict(path, top=3)
    assert one != other  # it was decoded at a fraction
    assert [t.label for t in other.top] == [t.label for t in one.top]
    for a, b in zip(one.top, other.top, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=0.005)


def test_pillows_pictures_are_read_as_their_files_are(predictor: Predictor, place: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 256, (20, 9, 3), dtype=np.uint8)
    made = Image.fromarray(noise)
    made.save(place / "4-turned.png", exif=exif)
    made.convert("P").save(place / "5-palette.png", transparency=3)
    made.convert("I;16").save(place / "6-grey.png")
    paths = sorted(place.glob("*.png"))
    opened = [Image.open(path) for path in paths]
    got = predictor.predict(opened)
    assert [p.top for p in got] == [p.top for p in predictor.predict(paths)]
    assert predictor.predict(opened[0])[0].top == got[0].top
    assert predictor.predict(opened[3])[0].top == got[3].top  # it was not turned itself


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_place_without_pictures_among_others_is_told_and_the_others_go_on(
    predictor: Predictor, place: Path, at: int
) -> None:
    (place / "empty").mkdir()
    given = [place / "1-blue.png", place / "2-red.png"]
    given.insert(at, place / "empty")
    got = predictor.predict(given)
    assert [p.path for p in got] == [str(path) for path in given]
    assert got[at].error == "no pictures in it"
    assert [p.top[0].label for p in got if p.top] == ["blue", "red"]


def write_ensemble(folder: Path, model: Path, members: int, finished: int) -> Path:
    """Members that are sure of red, a little of green, and so on, one after the other."""
    info = read_info(model / "model.safetensors")
    for number in range(1, members + 1):
        weights = load(model).network.state_dict()
        weights["classifier.linear.linear.bias"][(number - 1) % 3] += number
        save_model(folder / f"member-{number}" / "model.safetensors", weights, info)
    plan = {"data": "", "members": [{}] * members, "finished": [{}] * finished}
    (folder / "ensemble.json").write_text(json.dumps(plan))
    return folder


def test_an_ensemble_answers_with_the_mean_of_its_members(
    model: Path, place: Path, tmp_path: Path
) -> None:
    folder = write_ensemble(tmp_path / "three", model, 3, 3)
    assert is_model(folder)
    members = [
        Predictor(folder / f"member-{n}", threads=1).predict(place, top=3) for n in (1, 2, 3)
    ]
    for together, *each in zip(Predictor(folder).predict(place, top=3), *members, strict=True):
        for label in together.top:
            own = [t.probability for p in each for t in p.top if t.label == label.label]
            assert len(own) == 3 and label.probability == pytest.approx(np.mean(own), abs=1e-6)


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_an_ensemble_predicts_what_evaluate_measures(
    model: Path, place: Path, tmp_path: Path, engine: str
) -> None:
    folder = write_ensemble(tmp_path / "three", model, 3, 3)
    pictures = tmp_path / "pictures"
    for name in CLASS_NAMES:
        (pictures / name).mkdir(parents=True)
        picture(name).save(pictures / name / "1.png")
    seen = {}

    def observe(dataset: Dataset, index: int, probabilities: Floats) -> None:
        seen[dataset.path(index)] = probabilities

    result = evaluate(folder, pictures, engine=engine, threads=1, observe=observe)
    assert result.models == tuple(str(folder / f"member-{n}") for n in (1, 2, 3))
    for p in Predictor(folder, engine, threads=1).predict(pictures, top=3):
        for label in p.top:
            assert label.probability == pytest.approx(seen[p.path][label.index], abs=1e-6)


def test_an_ensemble_that_cannot_answer_says_why(model: Path, tmp_path: Path) -> None:
    folder = write_ensemble(tmp_path / "two", model, 2, 1)
    with pytest.raises(InputError, match=r"1 of 2 members of .* are trained; go on: inception tr"):
        Predictor(folder)
    with pytest.raises(InputError, match=r"is an ensemble, of runs: give one, .*member-1"):
        find_model(folder)
    (folder / "ensemble.json").write_text("[]")
    with pytest.raises(InputError, match="not an ensemble's plan"):
        Predictor(folder)
    whole = write_ensemble(tmp_path / "whole", model, 2, 2)
    with pytest.raises(InputError, match="--exit-confidence is of one model"):
        Predictor(whole, exit_confidence=0.5)


def test_mixed_pictures_and_a_single_tensor_are_predicted(
    predictor: Predictor, place: Path
) -> None:
    tensor = torch.from_numpy(np.asarray(picture("red")).copy()).permute(2, 0, 1)
    mixed = [tensor, picture("green"), png("blue"), place / "2-red.png", torch.stack([tensor] * 2)]
    assert names(predictor.predict(mixed)) == ["red", "green", "blue", "red", "red", "red"]
    assert names(predictor.predict(tensor / 255)) == ["red"]


def test_a_predictor_measures_itself_as_evaluate_does(model: Path, tmp_path: Path) -> None:
    for name in CLASS_NAMES:
        (tmp_path / name).mkdir()
        picture(name).save(tmp_path / name / "1.png")
    shutil.copy(tmp_path / "red" / "1.png", tmp_path / "blue" / "2.png")
    got = Predictor(model, threads=1).evaluate(tmp_path)
    wanted = evaluate(model, tmp_path, threads=1)
    assert got.top1_accuracy == wanted.top1_accuracy == 0.75
    assert got.confusion.tolist() == wanted.confusion.tolist() and got.loss == wanted.loss
    assert repr(Predictor(model, threads=1)).startswith("Predictor('")

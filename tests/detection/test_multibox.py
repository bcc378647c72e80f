"""MultiBox finds what it learnt to, wherever priors lie; its file is whole or refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import fails, run
from PIL import Image
from safetensors.numpy import load_file, save_file

from inception.detection import multibox
from inception.detection.boxes import iou
from inception.detection.datasets import open_detection
from inception.detection.multibox import MULTIBOX, Proposer, design, head, read_multibox
from inception.detection.multibox_training import (
    DEVIATIONS,
    Head,
    HeadSettings,
    Target,
    losses,
    matched,
    train_multibox,
    views,
)
from inception.detection.priors import AROUND, GRID, cluster, pooling
from inception.errors import InputError
from inception.models import MODELS, create_model
from inception.weights.description import KEY
from inception.weights.model_file import ModelInfo, save_model

SIDE = 80


def write_set(place: Path, count: int = 12) -> Path:
    """Bright squares on a dark ground, one or two a picture."""
    rng = np.random.default_rng(0)
    for number in range(count):
        image = Image.new("RGB", (SIDE, SIDE), (20, 20, 20))
        objects = []
        for _ in range(1 + number % 2):
            x, y = rng.integers(2, SIDE - 34, 2).tolist()
            image.paste((250, 250, 250), (x, y, x + 30, y + 30))
            objects.append(
                f"<object><name>square</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
                f"<xmax>{x + 30}</xmax><ymax>{y + 30}</ymax></bndbox></object>"
            )
        image.save(place / f"{number}.png")
        (place / f"{number}.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network there is, with random weights."""
    torch.manual_seed(0)
    network = create_model("lenet5", num_classes=2, in_channels=3)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, ("a", "b")))
    return path


OPTIONS = ("--boxes", "12", "--epochs", "60", "--views", "2", "--lr", "0.01", "--threads", "1")


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Pictures of the usual size would take the tiny network a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multibox, "SIZE", 48)
        yield


@pytest.fixture(scope="module")
def trained(place: Path, backbone: Path) -> Path:
    out = backbone.parent / "multibox.safetensors"
    done = run(
        *("detect", "multibox", str(place), "--init", str(backbone), "--out", str(out)), *OPTIONS
    )
    assert done.returncode == 0, done.stderr
    assert "12 boxes a picture" in done.stdout
    return out


def test_it_finds_what_it_learnt_to(trained: Path, place: Path) -> None:
    told = json.loads(
        run(
            *("detect", "proposals", str(place), "--split", "train", "--search", "none"),
            *("--multibox", str(trained), "--json", "-"),
        ).stdout
    )
    (way,) = told["ways"]
    assert way["name"] == "MultiBox, 12 boxes" and way["recall"] > 0.9
    few = {row["proposals"]: row["recall"] for row in way["curve"]}
    assert few[2] > 0.6  # it is sure of the right ones


def test_runs_of_one_seed_give_one_file(place: Path, backbone: Path) -> None:
    dataset = open_detection(place, "train").subset(range(3))
    paths = [backbone.with_name(f"run{seed}.safetensors") for seed in (1, 1, 2)]
    content = []
    for path in paths:
        settings = HeadSettings(boxes=3, epochs=2, views=3, seed=int(path.stem[-1]))
        train_multibox(dataset, backbone, path, settings, threads=1)
        content.append(path.read_bytes())
    assert content[0] == content[1] != content[2]


def test_prediction_without_torch_is_the_trained_module(trained: Path) -> None:
    made, tensors = read_multibox(trained), load_file(trained)
    own = {name: tensors[f"{MULTIBOX}.{name}"] for name in made.shapes}
    features = np.random.default_rng(0).normal(size=(made.network.num_classes, 9, 7))
    module = Head(made, own["priors"], (9, 7))
    state = {n: torch.from_numpy(v) for n, v in own.items() if n != "priors"}
    state["reduce.weight"] = state["reduce.weight"][..., None, None]
    module.load_state_dict(state)
    shown = features.astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(shown)[None])[0].numpy()
    assert head(shown, own) == pytest.approx(expected, abs=1e-4)


def test_features_are_pooled_as_counted_pixel_by_pixel() -> None:
    rng = np.random.default_rng(1)
    fine = rng.normal(size=(40, 60))
    priors = np.array([[0.2, 0.3, 0.5, 0.7], [0.8, 0.8, 1.0, 1.0]], np.float32)
    rows, columns = pooling(priors, 40, 60)
    pooled = np.einsum("kih,hw,kjw->kij", rows, fine, columns)
    for prior, cells in zip(priors.astype(float), pooled, strict=True):
        centre, sides = (prior[:2] + prior[2:]) / 2, (prior[2:] - prior[:2]) * AROUND
        for i in range(GRID):
            for j in range(GRID):
                steps = (np.arange(200) + 0.5) / 200
                y = (centre[1] - sides[1] / 2 + sides[1] * (i + steps) / GRID) * 40
                x = (centre[0] - sides[0] / 2 + sides[0] * (j + steps) / GRID) * 60
                inside = (y[:, None] >= 0) & (y[:, None] < 40) & (x >= 0) & (x < 60)
                at = fine[np.clip(y, 0, 39).astype(int)[:, None], np.clip(x, 0, 59).astype(int)]
                assert cells[i, j] == pytest.approx(np.where(inside, at, 0).mean(), abs=0.02)


def test_clusters_are_where_the_boxes_are() -> None:
    rng = np.random.default_rng(2)
    centres = rng.uniform(0, 1, (5, 4))
    boxes = (centres[:, None] + rng.normal(0, 0.005, (5, 40, 4))).reshape(-1, 4)
    found = cluster(boxes, 5)
    nearest = np.abs(found[:, None] - centres[None]).max(axis=2).argmin(axis=1)
    assert sorted(nearest) == list(range(5))
    assert np.abs(found - centres[nearest]).max() < 0.005
    assert np.array_equal(cluster(boxes, 5), found)
    few = cluster(np.repeat(boxes[:3], 9, axis=0), 5)
    assert {tuple(row) for row in few} == {tuple(row) for row in boxes[:3].astype(np.float32)}


def test_each_object_has_a_prior_of_its_own() -> None:
    priors = np.array([[0, 0, 0.5, 0.5], [0.1, 0, 0.6, 0.5], [0.5, 0.5, 1, 1]], np.float32)
    boxes = np.array([[0.1, 0, 0.6, 0.5], [0.1, 0, 0.62, 0.5]])  # both nearest to the second
    target = matched(priors, boxes)
    assert sorted(target.priors.tolist()) == [0, 1]
    assert target.offsets.shape == (2, 4) and len(matched(priors, boxes[:0]).priors) == 0


def test_the_loss_is_the_papers() -> None:
    told = torch.zeros(1, 3, 5)
    told[0, :, 4] = torch.tensor([2.0, -1.0, 0.0])
    target = Target(torch.tensor([0]), torch.tensor([[1.0, 0.0, 2.0, 0.0]]))
    places, confidences = losses(told, [target])
    sure = 1 / (1 + np.exp(-told[0, :, 4].numpy()))
    assert float(places) == 2.5
    expected = -np.log(sure[0]) - np.log(1 - sure[1]) - np.log(1 - sure[2])
    assert float(confidences) == pytest.approx(expected, abs=1e-5)
    nothing = Target(torch.tensor([], dtype=torch.int64), torch.zeros(0, 4))
    assert float(losses(told, [nothing])[0]) == 0


def test_views_show_the_objects_where_they_say(place: Path) -> None:
    dataset = open_detection(place)
    for picture, boxes in views(dataset, 1, HeadSettings(views=8)):
        assert len(boxes) <= 2 and boxes.min(initial=0) >= 0 and boxes.max(initial=1) <= 1
        height, width = picture.shape[:2]
        for x1, y1, x2, y2 in boxes * ([width, height] * 2):
            assert picture[round(y1) : round(y2), round(x1) : round(x2)].mean() > 225


@pytest.mark.parametrize("name", MODELS)
def test_any_network_of_the_family_can_be_a_backbone(name: str) -> None:
    made = design(MODELS[name])
    assert made.boxes == 200 and made.stage in MODELS[name].stages
    assert type(made).from_json(json.loads(json.dumps(made.to_json()))) == made


def damaged(path: Path, name: str) -> Path:
    """The file with one thing changed."""
    tensors = load_file(path)
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        values = json.loads(json.loads(file.read(size))["__metadata__"][KEY])
    if name == "shape":
        tensors[f"{MULTIBOX}.priors"] = tensors[f"{MULTIBOX}.priors"][:-1]
    elif name == "missing":
        del tensors[f"{MULTIBOX}.out.bias"]
    elif name == "nan":
        tensors[f"{MULTIBOX}.out.bias"][0] = np.nan
    elif name == "field":
        values[MULTIBOX]["boxen"] = 3
    elif name == "count":
        values[MULTIBOX]["boxes"] = -1
    elif name == "stage":
        values[MULTIBOX]["stage"] = "conv1"
    else:
        values["format"] = 99
    out = path.with_name(f"{name}.safetensors")
    save_file(tensors, out, metadata={KEY: json.dumps(values)})
    return out


@pytest.mark.parametrize("name", ["shape", "missing", "nan", "field", "count", "stage", "format"])
def test_a_file_that_does_not_fit_is_refused_by_name(name: str, trained: Path) -> None:
    path = damaged(trained, name)
    with pytest.raises(InputError, match=f"^{path}: "):
        Proposer(path)


def test_what_is_wrong_is_said_in_one_line(place: Path, backbone: Path, tmp_path: Path) -> None:
    train = ("detect", "multibox", str(place), "--init", str(backbone), "--out")
    new = str(tmp_path / "new.safetensors")
    assert "is there and stays" in fails(*train, str(backbone))
    assert "is a .safetensors" in fails(*train, str(tmp_path / "new.pt"))
    assert "no stage with a grid named 'conv9'" in fails(*train, new, "--stage", "conv9")
    assert "epochs of a MultiBox must be at least 1" in fails(*train, new, "--epochs", "0")
    for path in place.glob("*.xml"):
        (tmp_path / path.name).write_text("<annotation/>")
        (tmp_path / f"{path.stem}.png").write_bytes((place / f"{path.stem}.png").read_bytes())
    train = ("detect", "multibox", str(tmp_path), "--init", str(backbone), "--out")
    assert "no objects to learn from" in fails(*train, new)
    measure = ("detect", "proposals", str(place), "--search", "none")
    assert "nothing proposes" in fails(*measure)
    assert "no MultiBox; one is made by" in fails(*measure, "--multibox", str(backbone))


def test_offsets_are_measured_in_deviations() -> None:
    priors = np.array([[0.2, 0.2, 0.4, 0.4]], np.float32)
    target = matched(priors, np.array([[0.22, 0.2, 0.42, 0.4]]))
    assert target.offsets[0].tolist() == pytest.approx([0.1 / DEVIATIONS[0], 0, 0, 0], abs=1e-5)
    assert iou(priors, priors) == 1

"""The doctor finds what a network expects, whatever its file says, with labels and without."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributions import Normal, kl_divergence

from inception.cli import app
from inception.data.datasets import open_data
from inception.data.images import Picture
from inception.errors import InputError
from inception.evaluation.diagnosis import Diagnosis, Trial, rank
from inception.evaluation.doctor import examine
from inception.evaluation.patient import _memories, open_patient
from inception.evaluation.showings import SHOWINGS
from inception.evaluation.specimens import open_specimens
from inception.models import create_model
from inception.models.network import Normalise
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.prediction import BACKBONE, SHIPPED_FILE, find_model, load
from inception.preprocessing import Preprocessing
from inception.weights.imagenet import imagenet_names
from inception.weights.model_file import ModelInfo, read_info, replace_info, save_model


def diagnose(file: Path, place: Path, limit: int, *, model: str | None = None) -> Diagnosis:
    patient = open_patient(file, model=model)
    specimens = open_specimens(place, patient.info.classes, limit=limit)
    return examine(patient, specimens.read, specimens.labels)


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """The shipped weights, whose file errs in mean, std, order of channels, size and classes."""
    path = tmp_path / "mistaken.safetensors"
    path.write_bytes(SHIPPED_FILE.read_bytes())
    _says_wrongly(path, 96)
    return path


def _says_wrongly(path: Path, size: int) -> None:
    info, half = read_info(path), (127.5, 127.5, 127.5)
    wrong = replace(info.preprocessing, size=size, channel_order="bgr", mean=half, std=half)
    spec = replace(info.spec, preprocessing=wrong)
    replace_info(path, replace(info, spec=spec, classes=info.classes[::-1]))


def test_weights_without_metadata_are_understood_and_put_right(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = find_model(BACKBONE)
    stripped, out = tmp_path / "stripped.safetensors", tmp_path / "right.safetensors"
    save_file(load_file(shipped), stripped)
    with pytest.raises(InputError, match="does not say which network"):
        open_patient(stripped)
    place = str(real_data / "imagenette")
    command = ["weights", "doctor", str(stripped), place, "--as", "googlenet_bn", "--limit", "32"]
    status = app([*command, "--out", str(out), "--json", "-"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    truth = read_info(shipped).preprocessing
    assert status == 0 and found["says"] is None and not found["guessing"]
    assert found["trials"][0] == found["expects"] and len(found["trials"]) > 30
    assert found["expects"]["preprocessing"] == json.loads(json.dumps(truth.to_json()))
    assert found["expects"]["class_offset"] == 0 and found["expects"]["accuracy"] > 0.75  # of 32
    assert load(out).info.preprocessing == truth


def same_pixels(found: Preprocessing, truth: Preprocessing) -> bool:
    return (
        replace(truth, mean=found.mean, std=found.std, channel_order=found.channel_order) == truth
    )


def test_wrong_metadata_are_seen_through_without_labels(
    mistaken: Path, real_data: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    kept = open_specimens(real_data / "dogs-vs-cats", ("cat", "dog"), limit=32)
    for number, picture in enumerate(kept.read()):
        Image.fromarray(picture).save(pictures / f"{number}.png")
    found, truth = diagnose(mistaken, pictures, 32), read_info(SHIPPED_FILE).preprocessing
    assert same_pixels(found.best.preprocessing, truth) and truth.size in found.sizes
    assert not found.agrees and found.best.losses is None and not found.unlike


def test_what_norms_remember_is_held_against_how_training_showed_pictures(
    real_data: Path, tmp_path: Path
) -> None:
    """Clear, whole pictures fit norms of blended crops worse than a wrong order of channels may."""
    model, size, showing = load(BACKBONE), 64, "cut at random and blended"
    how = replace(model.info.preprocessing, size=size)
    norms = [m for m in model.network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # mean of all batches
        norm.train()
    pictures = open_data(real_data / "imagenette").splits["train"].limited(256, 1)
    learnt = SHOWINGS[showing].squares((pictures.read(i) for i in range(256)), how)
    with torch.inference_mode():
        for batch in np.split(np.stack(learnt), 4):
            model.network(Normalise(how)(torch.from_numpy(batch)))
    path = tmp_path / "learnt.safetensors"
    save_model(path, model.network.state_dict(), model.info)
    _says_wrongly(path, size)
    patient = open_patient(path)
    specimens = open_specimens(real_data / "imagenette", patient.info.classes, limit=64)
    found = examine(patient, specimens.read)
    assert SHOWINGS[found.showing].crops == SHOWINGS[showing].crops and size in found.sizes
    assert same_pixels(found.best.preprocessing, how)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A network without batch norm that tells red from blue, and expects pixels from -1 to 1."""
    spec = Spec(
        "plain",
        stages={"conv": Conv(2, norm=None, bias=True), "pool": Pool("average", grid=1)},
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=3,
        preprocessing=Preprocessing(16, mean=(127.5,) * 3, std=(127.5,) * 3),
    )
    weights = {name: torch.zeros_like(w) for name, w in create_model(spec).state_dict().items()}
    weights["conv.conv.weight"][:, :, 0, 0] = torch.tensor([[6.0, 0, -6.0], [-6.0, 0, 6.0]])
    weights["classifier.linear.linear.weight"][1:] = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    weights["classifier.linear.linear.bias"][0] = 4.0
    path = tmp_path / "plain.safetensors"
    save_model(path, weights, ModelInfo(spec, ("background", "red", "blue")))
    return path


def test_an_offset_moves_the_classes_of_the_file_that_is_written(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    patient = open_patient(make_model(0))
    patient.save(tmp_path / "out.safetensors", Preprocessing(16), offset=1)
    seven = patient.info.classes
    assert load(tmp_path / "out.safetensors").classes == (seven[-1], *seven[:-1])


def test_a_background_class_is_found_by_the_offset(plain: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, colour in (("a-red", (200, 90, 60)), ("b-blue", (60, 90, 200))):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(np.array(colour) + rng.integers(-50, 51, (20, 20, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "data" / label / f"{number}.png"
            )
    found = diagnose(plain, tmp_path / "data", 24)
    assert (found.best.offset, found.best.accuracy) == (1, 1.0)
    assert found.best.preprocessing.channel_order == "rgb"
    assert found.best.misfit is None


def test_a_network_that_only_guesses_is_said_to(
    make_model: Callable[..., Path], odd_pictures: Path
) -> None:
    assert diagnose(make_model(0), odd_pictures, 21).guessing


def trial(
    losses: list[float] | None, misfit: float | None = None, tells: float = 0.5, size: int = 224
) -> Trial:
    each = tells + np.array([0.1, -0.1, 0.1, -0.1], np.float32) * (size != 224)
    array = None if losses is None else np.array(losses, np.float32)
    misfits = None if misfit is None else np.full(4, misfit, np.float32)
    return Trial(Preprocessing(size), "", 0, None, 0.5, misfits, each, array)


def test_odd_pictures_without_labels_are_said_to_prove_nothing() -> None:
    odd, fine = trial(None, 0.45), trial(None, 0.01)
    assert Diagnosis((odd,), 1, None, 4, 2).unlike and not Diagnosis((fine,), 1, None, 4, 2).unlike
    assert not Diagnosis((trial([0.1, 0.2, 0.1, 0.2], 0.45),), 1, None, 4, 2).unlike


def test_labels_decide_and_sure_answers_do_not() -> None:
    right, sure = trial([1.0, 1.2, 0.9, 1.0], 0.02), trial([2.0, 2.1, 2.0, 2.1], 0.01, tells=2.0)
    assert rank([sure, right]) == ([right, sure], 1)


def test_without_labels_a_sure_answer_to_which_batch_norms_object_is_not_believed() -> None:
    sure, fitting = trial(None, 0.9, tells=0.69), trial(None, 0.01, tells=0.3)
    assert rank([sure, fitting]) == ([fitting, sure], 1)


def test_without_either_the_answers_that_tell_most_are_believed() -> None:
    told, empty = trial(None, tells=0.6), trial(None, tells=0.1)
    assert rank([empty, told]) == ([told, empty], 1)


def test_of_what_only_chance_separates_the_file_is_believed_else_the_better_one() -> None:
    worse, better = trial(None, tells=0.49, size=112), trial(None, tells=0.5)
    assert rank([worse, better]) == ([better, worse], 2)
    assert rank([worse, better], said=worse.preprocessing) == ([worse, better], 2)


@pytest.mark.parametrize(
    ("trials", "sizes"),
    [
        ((trial([0.1, 0.2, 0.1, 0.2], 0.4), trial([0.1, 0.2, 0.1, 0.2], 0.4, size=112)), (224,)),
        ((trial(None, 0.01), trial(None, 0.03, tells=9.0, size=112)), (224,)),
        ((trial(None, 0.01), trial(None, 0.01, tells=9.0, size=112)), (112, 224)),
        ((trial(None, 0.01), trial(None, 0.03, size=256)), (224, 256)),
        ((trial(None, 0.01), trial(None, 0.03, size=299)), (224,)),
        ((trial(None, 0.4), trial(None, 0.5, size=112)), ()),
        ((trial(None, tells=0.5), trial(None, tells=0.1, size=112)), ()),
    ],
    ids=[
        "labels",
        "misfit",
        "misfit leaves two",
        "learnt from smaller ones",
        "from far smaller ones",
        "unlike its training",
        "answers alone",
    ],
)
def test_a_size_is_told_only_where_there_is_evidence_of_it(
    trials: tuple[Trial, Trial], sizes: tuple[int, ...]
) -> None:
    ordered, equals = rank(trials)
    found = Diagnosis(tuple(ordered), equals, None, 4, 2)
    assert found.sizes == sizes
    told = found.to_json()["expects"]["preprocessing"]["size"]
    assert told == (sizes[0] if len(sizes) == 1 else None)


def test_what_a_picture_adds_to_the_misfit_is_the_jackknifes() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6).eval()
    norm.running_mean = torch.linspace(-1, 1, 6)
    norm.running_var = torch.linspace(0.5, 2, 6)
    (memory,) = _memories(norm)
    x = torch.randn(5, 6, 4, 4)
    for part in (x[:3], x[3:]):
        norm(part)

    def divergence(seen: torch.Tensor) -> float:
        """Of torch's own normal distributions, pooled over the pictures."""
        std, mean = torch.std_mean(seen.double(), dim=(0, 2, 3), correction=0)
        heard = Normal(mean, (std**2 + norm.eps).sqrt())
        kept = Normal(norm.running_mean.double(), (norm.running_var + norm.eps).double().sqrt())
        return float(kl_divergence(heard, kept).mean())

    left = [divergence(torch.cat([x[:i], x[i + 1 :]])) for i in range(5)]
    expected = [5 * divergence(x) - 4 * without for without in left]
    assert memory.misfits().tolist() == pytest.approx(expected, abs=1e-5)


def test_norms_that_saw_no_pictures_are_no_evidence_and_the_size_stays_unknown(
    odd_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {"conv": Conv(4), "pool": Pool("average", grid=1)}
    head = {"flatten": Flatten(), "linear": Linear(CLASSES)}
    spec = Spec("fresh", stages, head, num_classes=2, preprocessing=Preprocessing(24))
    file, out = tmp_path / "fresh.safetensors", tmp_path / "out.safetensors"
    save_model(file, create_model(spec).state_dict(), ModelInfo(spec, ("a", "b")))
    pictures = tmp_path / "unlabelled"
    pictures.mkdir()
    for number, picture in enumerate(sorted(odd_pictures.rglob("*.png"))[:4]):
        (pictures / f"{number}.png").write_bytes(picture.read_bytes())
    command = ["weights", "doctor", str(file), str(pictures), "--out", str(out), "--json", "-"]
    app(command, standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["sizes"] == [] and found["expects"]["preprocessing"]["size"] is None
    assert load(out).info.preprocessing.size == 24
    app(command[:4], standalone_mode=False)
    assert "size unknown" in capsys.readouterr().out


def test_labels_may_be_wordnet_ids_names_or_just_in_order(tmp_path: Path) -> None:
    for label in ("n01440764", "n01443537"):
        (tmp_path / "ids" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "ids" / label / "a.png")
    with_background = imagenet_names(background=True)
    for classes, places in (
        (imagenet_names(), [0, 1]),
        (with_background, [1, 2]),
        (("n01443537", "n01440764"), [1, 0]),
        (("x", "y"), [0, 1]),
        (("background", "x", "y"), [0, 1]),
    ):
        labels = open_specimens(tmp_path / "ids", classes, limit=9).labels
        assert labels is not None and labels.tolist() == places
    assert open_specimens(tmp_path / "ids", ("a", "b", "c", "d"), limit=9).labels is None


def test_unreadable_pictures_are_left_out_with_their_labels(odd_pictures: Path) -> None:
    (odd_pictures / "blue" / "9.png").write_bytes(b"no picture")
    specimens = open_specimens(odd_pictures, ("blue",) * 7, limit=99)
    assert len(list(specimens.read())) == 21 and len(specimens.unreadable) == 1
    (odd_pictures / "only").mkdir()
    (odd_pictures / "only" / "9.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture of"):
        open_specimens(odd_pictures / "only", ("blue",), limit=9)


def test_grey_networks_are_refused(tmp_path: Path) -> None:
    network = create_model("lenet5", in_channels=1)
    path = tmp_path / "grey.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, tuple("0123456789")))

    def none() -> Iterator[Picture]:
        yield from ()

    with pytest.raises(InputError, match="only networks that take colour"):
        examine(open_patient(path), none)

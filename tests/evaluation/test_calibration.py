"""The temperature: found where it is known, and stored in the model's file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from inception import create_model
from inception.errors import InputError
from inception.evaluation import calibration
from inception.evaluation.calibration import calibrate, fit_temperature, tempered_loss
from inception.evaluation.evaluate import evaluate
from inception.evaluation.request import Request
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Pool, Spec
from inception.prediction import load
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine
from inception.runtime.early_exit import create_exit_engine
from inception.weights.model_file import ModelInfo, read_info, save_model


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that came by their probabilities: the temperature is 1."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, 4)).astype(np.float32)
    chances = softmax(logits.astype(np.float64)).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > chances).sum(axis=1).clip(0, 3)


@pytest.mark.parametrize("true", [0.1, 0.5, 1.0, 3.0, 20.0, 150.0])
def test_the_temperature_that_labels_were_drawn_by_is_found(true: float) -> None:
    logits, labels = drawn(200_000)
    assert fit_temperature(logits * np.float32(true), labels) == pytest.approx(true, rel=0.01)


@pytest.mark.parametrize("true", [0.5, 20.0])
def test_it_is_the_one_that_torch_descends_to(true: float) -> None:
    logits, labels = drawn(2000)
    found = fit_temperature(logits * np.float32(true), labels)
    cold = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    steps = torch.optim.LBFGS([cold], max_iter=100, line_search_fn="strong_wolfe")
    x, y = torch.from_numpy(logits).double() * true, torch.from_numpy(labels)

    def loss() -> torch.Tensor:
        steps.zero_grad()
        value = torch.nn.functional.cross_entropy(x / cold.exp(), y)
        value.backward()
        return value

    steps.step(loss)
    assert found == pytest.approx(float(cold.detach().exp()), rel=1e-4)
    assert tempered_loss(logits * np.float32(true), labels, found) == pytest.approx(
        float(loss().detach())
    )


def test_each_step_of_the_search_costs_one_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
        asked.append(temperature)
        return tempered_loss(logits, labels, temperature)

    monkeypatch.setattr(calibration, "tempered_loss", counted)
    fit_temperature(*drawn(100))
    assert len(asked) <= 31 and len(set(asked)) == len(asked)  # 120 were asked for before


def test_nothing_to_calibrate_on_is_refused(
    make_model: Callable[..., Path], odd_pictures: Path
) -> None:
    with pytest.raises(InputError, match="calibration needs pictures"):
        fit_temperature(np.empty((0, 2), np.float32), np.empty(0, np.int64))
    with pytest.raises(InputError, match="others to check on; 1 are too few"):
        calibrate(make_model(3), odd_pictures, Request(limit=1))


def test_a_stored_temperature_changes_how_sure_the_model_is_and_nothing_else(
    make_model: Callable[..., Path], odd_pictures: Path
) -> None:
    model = make_model(3)
    before = evaluate(model, odd_pictures)
    weights = load(model).network.state_dict()
    told = calibrate(model, odd_pictures)
    (classifier,) = told.exits
    assert told.fitted + told.held_out == 21 and min(told.fitted, told.held_out) > 4
    after = evaluate(model, odd_pictures)
    assert after.top1_accuracy == before.top1_accuracy
    assert after.loss < before.loss and classifier.loss_after < classifier.loss_before
    again = load(model)
    assert again.info.temperature == classifier.temperature != 1.0
    assert all((weights[n] == w).all() for n, w in again.network.state_dict().items())
    once_more = calibrate(model, odd_pictures).exits[0]
    assert once_more.temperature == pytest.approx(classifier.temperature, rel=1e-4)
    assert once_more.loss_before == pytest.approx(once_more.loss_after, rel=1e-6)


HEAD: dict[str, Layers] = {
    "pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)
}  # fmt: skip


def half_right(model: Path, folder: Path) -> Path:
    """Pictures of chance, two thirds of them what the classifier says, the others what the head."""
    shown = np.random.default_rng(0).integers(0, 256, (90, 4, 4, 3), dtype=np.uint8)
    pictures = shown.repeat(4, axis=1).repeat(4, axis=2)  # 16 x 16
    outputs = ["logits", "aux_logits:a"]
    said = create_engine(model, "torch", device="cpu", outputs=outputs).run(pictures)
    for name in "xyz":
        (folder / name).mkdir(parents=True)
    for number, picture in enumerate(pictures):
        label = "xyz"[said[outputs[number % 3 == 0]][number].argmax()]
        Image.fromarray(picture).save(folder / label / f"{number}.png")
    return folder


def test_every_head_has_a_temperature_of_its_own(tmp_path: Path) -> None:
    spec = Spec(
        "tiny",
        stages={"a": Conv(4, 3), "b": Conv(5, 3)},
        classifier=HEAD,
        aux={"a": HEAD},
        num_classes=3,
        preprocessing=Preprocessing(size=16, crop=1.0),
    )
    torch.manual_seed(1)
    weights = {n: 2 * torch.randn_like(w) for n, w in create_model(spec).state_dict().items()}
    path = tmp_path / "two.safetensors"
    save_model(path, weights, ModelInfo(spec, tuple("xyz")))
    told = calibrate(path, half_right(path, tmp_path / "half"))
    head, classifier = told.exits
    assert (head.exit, classifier.exit) == ("a", "classifier")
    assert abs(np.log(head.temperature / classifier.temperature)) > 0.1
    info = read_info(path)
    assert info.temperature == classifier.temperature
    assert info.aux_temperatures == {"a": head.temperature}
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    for engine in ("torch", "openvino", "onnx"):
        outputs = ["probabilities", "logits", "aux:a", "aux_logits:a"]
        said = create_engine(path, engine, device="cpu", outputs=outputs).run(pictures)
        wanted = [softmax(said["logits"] / info.temperature)]
        wanted += [softmax(said["aux_logits:a"] / head.temperature)]
        np.testing.assert_allclose(said["probabilities"], wanted[0], atol=1e-6)
        np.testing.assert_allclose(said["aux:a"], wanted[1], atol=1e-6)
        if engine != "onnx":
            every = create_exit_engine(path, 0.5, engine, device="cpu").answer_all(pictures)
            np.testing.assert_allclose(every, np.stack(wanted[::-1], axis=1), atol=1e-5)


def test_means_over_crops_and_exported_models_are_refused(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    from inception.cli import app

    arguments = ["evaluate", str(make_model(3)), str(odd_pictures), "--calibrate", "--crops", "10"]
    refusal = CliRunner().invoke(app, arguments).exception
    assert str(refusal) == "--calibrate is of one crop of each picture; leave out --crops 10"
    exported = tmp_path / "model.xml"
    exported.touch()
    with pytest.raises(InputError, match="was exported and stays as it is"):
        calibrate(exported, odd_pictures)


@pytest.mark.parametrize("heat", [0, -1.0, float("nan"), float("inf"), "hot", None])
def test_a_head_s_temperature_that_is_none_is_refused(heat: Any) -> None:
    spec = Spec("tiny", stages={"a": Conv(4, 3)}, classifier=HEAD, aux={"a": HEAD}, num_classes=3)
    info = ModelInfo(spec, tuple("xyz"), aux_temperatures={"a": 2.5}).to_json()
    assert ModelInfo.from_json(info).aux_temperatures == {"a": 2.5}
    with pytest.raises(InputError, match="a temperature is from 1e-6 to 1e6; a has"):
        ModelInfo.from_json({**info, "aux_temperatures": {"a": heat}})


def test_a_model_that_is_the_less_wrong_the_less_sure_it_is_is_refused(tmp_path: Path) -> None:
    """It knows two colours and takes each for the other."""
    spec = Spec(
        name="swapped",
        stages={"conv": Conv(3, kernel=1, activation=None, bias=False)},
        classifier={
            "pool": Pool("average", grid=1),
            "flatten": Flatten(),
            "logits": Linear(CLASSES),
        },
        num_classes=2,
        preprocessing=Preprocessing(size=8, mean=(0.0,) * 3, std=(255.0,) * 3),
    )
    network, path = create_model(spec), tmp_path / "swapped.safetensors"
    weights = {name: torch.zeros_like(t) for name, t in network.state_dict().items()}
    weights["conv.conv.weight"] = torch.eye(3)[..., None, None]
    weights["classifier.logits.linear.weight"] = torch.tensor([[0.0, 0, 9], [9, 0, 0]])
    save_model(path, weights, ModelInfo(spec, ("red", "blue")))
    before = path.read_bytes()
    for number in range(12):
        for place, colour in enumerate(("red", "blue")):
            picture = Image.new("RGB", (8, 8), (200, number, 0) if not place else (0, number, 200))
            (tmp_path / "data" / colour).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "data" / colour / f"{number}.png")
    with pytest.raises(InputError, match="the model is no better than guessing"):
        calibrate(path, tmp_path / "data", Request(engine="torch"))
    assert path.read_bytes() == before

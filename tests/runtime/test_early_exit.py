"""Stopping early: heads whose logits can be worked out by hand, and GoogLeNet's extremes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inception import create_model
from inception.errors import InputError
from inception.models import get_spec
from inception.models.cost import cost
from inception.models.exits import exit_costs, exit_names
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.runtime import Floats
from inception.runtime.early_exit import EarlyExitEngine, create_exit_engine
from inception.runtime.torch_engine import TorchEngine
from inception.weights.model_file import ModelInfo, save_model

SIZE = 4
GIVES: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "logits": Linear(CLASSES, bias=False),
}
COLOURS = Spec(
    "colours",
    stages={"a": Conv(3, activation=None, bias=False), "b": Conv(3, activation=None, bias=False)},
    classifier=GIVES,
    aux={"b": GIVES, "a": GIVES},  # not in the network's order
    num_classes=2,
    preprocessing=Preprocessing(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1)),
)


def colour_network(*, red: float = 0.01, green: float = 0.02, blue: float = 0.03) -> InceptionNet:
    """Head a answers sigmoid(red * r) for class 0, head b by green, the classifier by blue."""
    network = create_model(COLOURS)
    parts = {"aux.a": (0, red), "aux.b": (1, green), "classifier": (2, blue)}
    weights = {f"{stage}.conv.weight": torch.eye(3)[:, :, None, None] for stage in "ab"}
    for part, (channel, factor) in parts.items():
        linear = torch.zeros(2, 3)
        linear[0, channel] = factor
        weights[next(n for n in network.state_dict() if n.startswith(f"{part}."))] = linear
    network.load_state_dict(weights)
    return network


def pictures(*colours: tuple[int, int, int]) -> np.ndarray:
    """One picture of each colour alone."""
    return np.tile(np.array(colours, np.uint8)[:, None, None], (1, SIZE, SIZE, 1))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def batch_sizes(network: InceptionNet, stage: str) -> list[int]:
    """Filled with how many pictures each run of a stage sees."""
    seen: list[int] = []
    network.get_submodule(stage).register_forward_hook(lambda _, x, __: seen.append(len(x[0])))
    return seen


def test_the_first_head_that_is_sure_answers() -> None:
    network = colour_network()
    later = batch_sizes(network, "b"), batch_sizes(network, "classifier")
    engine = EarlyExitEngine(network, confidence=0.9, device="cpu", threads=1)
    answers = engine.answer(pictures(GREEN, RED, BLUE, BLACK))
    assert engine.exits == ("a", "b", "classifier")
    assert answers.exits.tolist() == [1, 0, 2, 2]
    by_hand = [sigmoid(0.02 * 255), sigmoid(0.01 * 255), sigmoid(0.03 * 255), 0.5]
    np.testing.assert_allclose(answers.probabilities[:, 0], by_hand, rtol=1e-6)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, rtol=1e-6)
    assert later == ([3], [2])  # who has an answer is not computed further
    assert engine.answered == {"a": 1, "b": 1, "classifier": 2}


def test_a_batch_that_has_all_its_answers_ends_there() -> None:
    network = colour_network()
    later = batch_sizes(network, "b"), batch_sizes(network, "classifier")
    engine = EarlyExitEngine(network, confidence=0.9, device="cpu", threads=1)
    assert engine.answer(pictures(RED, RED)).exits.tolist() == [0, 0]
    assert later == ([], [])


def test_a_head_must_be_surer_than_the_confidence() -> None:
    half = EarlyExitEngine(colour_network(), confidence=0.5, device="cpu", threads=1)
    assert half.answer(pictures(BLACK, RED)).exits.tolist() == [2, 0]  # black: 0.5 everywhere


def test_confidence_1_never_stops_even_where_a_head_says_1() -> None:
    network = colour_network(red=1.0)
    heads = batch_sizes(network, "aux.a"), batch_sizes(network, "aux.b")
    engine = EarlyExitEngine(network, confidence=1, device="cpu", threads=1)
    answers = engine.answer(pictures(RED, BLUE))
    assert heads == ([], [])  # nor are the heads paid for
    assert engine.answer_all(pictures(RED))[0, 0, 0] == 1.0  # what head a would have said
    assert answers.exits.tolist() == [2, 2]
    np.testing.assert_allclose(answers.probabilities[:, 0], [0.5, sigmoid(7.65)], rtol=1e-6)


def test_what_is_no_number_goes_to_the_end() -> None:
    network = colour_network(red=float("nan"))
    engine = EarlyExitEngine(network, confidence=0, device="cpu", threads=1)
    assert engine.answer(pictures(RED)).exits.tolist() == [1]  # head b is a number


def test_the_temperature_is_the_classifier_s() -> None:
    engine = EarlyExitEngine(
        colour_network(), confidence=0.9, temperature=2.0, device="cpu", threads=1
    )
    every = engine.answer_all(pictures(RED, BLUE))
    by_hand = [[sigmoid(2.55), 0.5, 0.5], [0.5, 0.5, sigmoid(7.65 / 2)]]
    np.testing.assert_allclose(every[:, :, 0], by_hand, rtol=1e-6)


@pytest.fixture(scope="module")
def small() -> InceptionNet:
    """GoogLeNet's small form with its two heads and random weights."""
    torch.manual_seed(0)
    return create_model("googlenet_small", num_classes=5)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def said_by(network: InceptionNet, shown: np.ndarray) -> dict[str, Floats]:
    """What the heads and the classifier say, from the network's own forward."""
    x = Normalise(network.spec.preprocessing)(torch.from_numpy(shown))
    with torch.inference_mode():
        logits, heads = network(x, aux=True)
    return {n: t.softmax(dim=1).numpy() for n, t in {**heads, "classifier": logits}.items()}


@pytest.mark.parametrize(("confidence", "exit"), [(0, "inception_4a"), (1, "classifier")])
def test_the_extremes_are_the_first_head_and_the_full_network_to_the_bit(
    small: InceptionNet, noise: np.ndarray, confidence: float, exit: str
) -> None:
    engine = EarlyExitEngine(small, confidence=confidence, device="cpu", threads=1)
    answers = engine.answer(noise)
    assert {engine.exits[number] for number in answers.exits} == {exit}
    assert np.array_equal(answers.probabilities, said_by(small, noise)[exit])
    assert np.array_equal(engine.run(noise)["probabilities"], answers.probabilities)
    if confidence == 1:
        full = TorchEngine(small, device="cpu", threads=1).run(noise)["probabilities"]
        # that engine folds batch norm, which rounds elsewhere
        np.testing.assert_allclose(answers.probabilities, full, atol=1e-6)


def test_one_run_to_the_end_tells_what_every_exit_says(
    small: InceptionNet, noise: np.ndarray
) -> None:
    engine = EarlyExitEngine(small, confidence=0.5, device="cpu", threads=1)
    every, said = engine.answer_all(noise), said_by(small, noise)
    for number, name in enumerate(engine.exits):
        assert np.array_equal(every[:, number], said[name])


def test_multiply_adds_by_exit_are_the_published_ones() -> None:
    costs = exit_costs(get_spec("googlenet"))
    assert costs == {
        "inception_4a": 987_769_856,
        "inception_4d": 1_298_246_656,
        "classifier": 1_591_044_096,
    }
    full = 1_582_671_872
    assert round(100 * costs["inception_4a"] / full, 1) == 62.4
    assert round(100 * costs["inception_4d"] / full, 1) == 82.0
    unpaid = exit_costs(get_spec("googlenet"), heads=False)
    assert unpaid == {
        "inception_4a": 987_769_856,
        "inception_4d": 1_294_076_928,
        "classifier": full,
    }


def test_multiply_adds_by_exit_are_sums_of_cost_s_stages() -> None:
    spec = get_spec("googlenet_bn")
    counted, costs = cost(spec), exit_costs(spec)
    stages = {stage.name: stage.multiply_adds for stage in counted.stages}
    heads = {head.name: head.multiply_adds for head in counted.aux}
    names = list(stages)
    for name in exit_names(spec)[:-1]:
        upto = names[: names.index(name) + 1]
        passed = [head for head in heads if head in upto]
        assert costs[name] == sum(stages[s] for s in upto) + sum(heads[h] for h in passed)
    assert costs["classifier"] == counted.multiply_adds_with_aux
    assert exit_costs(get_spec("vgg16")) == {"classifier": cost(get_spec("vgg16")).multiply_adds}


def test_a_model_without_heads_and_other_engines_are_refused(tmp_path: Path) -> None:
    network = colour_network()
    path, bare = tmp_path / "heads.safetensors", tmp_path / "bare.safetensors"
    info = ModelInfo(network.spec, ("red", "other"))
    weights = network.state_dict()
    save_model(path, weights, info)
    save_model(bare, {n: w for n, w in weights.items() if not n.startswith("aux.")}, info)
    assert create_exit_engine(path, 0.5, device="cpu").exits == ("a", "b", "classifier")
    with pytest.raises(InputError, match=r"bare\.safetensors has no auxiliary heads"):
        create_exit_engine(bare, 0.5)
    with pytest.raises(InputError, match="only the torch engine stops early, not openvino"):
        create_exit_engine(path, 0.5, "openvino")
    for confidence in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="from 0 to 1"):
            create_exit_engine(path, confidence)

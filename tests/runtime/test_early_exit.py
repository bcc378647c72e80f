"""Stopping early: heads whose logits can be worked out by hand, and GoogLeNet's extremes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from inception.runtime import Floats, create_engine
from inception.runtime.early_exit import (
    EarlyExitEngine,
    Part,
    create_exit_engine,
    exit_engine,
)
from inception.weights.model_file import COUNTERS, ModelInfo, save_model

ENGINES = ("torch", "openvino")
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


def engine_of(network: InceptionNet, confidence: float, engine: str, **how: Any) -> EarlyExitEngine:
    state = network.state_dict()
    weights = {n: t.numpy() for n, t in state.items() if not n.endswith(COUNTERS)}
    return exit_engine(
        network.spec, weights, confidence, engine=engine, device="cpu", threads=1, **how
    )


def seen_by(engine: EarlyExitEngine) -> list[list[int]]:
    """Filled with how many pictures each part sees in each of its runs."""

    class Counting:
        def __init__(self, part: Part) -> None:
            self.part, self.seen = part, list[int]()

        def run(self, x: np.ndarray) -> Mapping[str, Floats]:
            self.seen.append(len(x))
            return self.part.run(x)

    counting = [Counting(part) for part in engine._parts]
    engine._parts = counting
    return [part.seen for part in counting]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_head_that_is_sure_answers(engine: str) -> None:
    early = engine_of(colour_network(), 0.9, engine)
    seen = seen_by(early)
    answers = early.answer(pictures(GREEN, RED, BLUE, BLACK))
    assert early.exits == ("a", "b", "classifier") and early.name == engine
    assert answers.exits.tolist() == [1, 0, 2, 2]
    by_hand = [sigmoid(0.02 * 255), sigmoid(0.01 * 255), sigmoid(0.03 * 255), 0.5]
    np.testing.assert_allclose(answers.probabilities[:, 0], by_hand, rtol=1e-5)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert seen == [[4], [3], [2]]  # who has an answer is not computed further
    assert early.answered == {"a": 1, "b": 1, "classifier": 2}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_that_has_all_its_answers_ends_there(engine: str) -> None:
    early = engine_of(colour_network(), 0.9, engine)
    seen = seen_by(early)
    assert early.answer(pictures(RED, RED)).exits.tolist() == [0, 0]
    assert seen == [[2], [], []]


def test_a_head_must_be_surer_than_the_confidence() -> None:
    half = engine_of(colour_network(), 0.5, "torch")
    assert half.answer(pictures(BLACK, RED)).exits.tolist() == [2, 0]  # black: 0.5 everywhere


@pytest.mark.parametrize("engine", ENGINES)
def test_confidence_1_never_stops_even_where_a_head_says_1(engine: str) -> None:
    early = engine_of(colour_network(red=1.0), 1, engine)
    assert early.answer_all(pictures(RED))[0, 0, 0] == 1.0  # what head a would say
    seen = seen_by(early)
    answers = early.answer(pictures(RED, BLUE))
    assert seen == [[], [], []]  # the parts have heads, which are not paid for
    assert answers.exits.tolist() == [2, 2]
    np.testing.assert_allclose(answers.probabilities[:, 0], [0.5, sigmoid(7.65)], rtol=1e-5)


def test_what_is_no_number_goes_to_the_end() -> None:
    early = engine_of(colour_network(red=float("nan")), 0, "torch")
    assert early.answer(pictures(RED)).exits.tolist() == [1]  # head b is a number


@pytest.mark.parametrize("engine", ENGINES)
def test_the_temperature_is_the_classifier_s(engine: str) -> None:
    early = engine_of(colour_network(), 0.9, engine, temperature=2.0)
    every = early.answer_all(pictures(RED, BLUE))
    by_hand = [[sigmoid(2.55), 0.5, 0.5], [0.5, 0.5, sigmoid(7.65 / 2)]]
    np.testing.assert_allclose(every[:, :, 0], by_hand, rtol=1e-5)


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
        logits, heads = network.eval()(x, aux=True)
    return {n: t.softmax(dim=1).numpy() for n, t in {**heads, "classifier": logits}.items()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("confidence", "exit"), [(0, "inception_4a"), (1, "classifier")])
def test_the_extremes_are_the_first_head_and_the_full_network(
    small: InceptionNet, noise: np.ndarray, confidence: float, exit: str, engine: str
) -> None:
    early = engine_of(small, confidence, engine)
    answers = early.answer(noise)
    assert {early.exits[number] for number in answers.exits} == {exit}
    np.testing.assert_allclose(answers.probabilities, said_by(small, noise)[exit], atol=1e-5)
    assert np.array_equal(early.run(noise)["probabilities"], answers.probabilities)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_extremes_are_to_the_bit_what_the_engine_says_that_never_stops(
    small: InceptionNet, noise: np.ndarray, tmp_path: Path, engine: str
) -> None:
    path = tmp_path / "small.safetensors"
    save_model(path, small.state_dict(), ModelInfo(small.spec, tuple("abcde")))
    full = create_engine(path, engine, device="cpu", threads=1)
    assert np.array_equal(
        engine_of(small, 1, engine).answer(noise).probabilities,
        full.run(noise)["probabilities"],
    )
    head = create_engine(path, engine, device="cpu", threads=1, outputs=["aux:inception_4a"])
    first = engine_of(small, 0, engine).answer(noise).probabilities
    np.testing.assert_array_equal(first, head.run(noise)["aux:inception_4a"])


@pytest.mark.parametrize("engine", ENGINES)
def test_one_run_to_the_end_tells_what_every_exit_says(
    small: InceptionNet, noise: np.ndarray, engine: str
) -> None:
    early = engine_of(small, 0.5, engine)
    every, said = early.answer_all(noise), said_by(small, noise)
    for number, name in enumerate(early.exits):
        np.testing.assert_allclose(every[:, number], said[name], atol=1e-5)


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
    with pytest.raises(InputError, match="no engine named 'caffe'"):
        create_exit_engine(path, 0.5, "caffe")
    with pytest.raises(InputError, match=r"model\.xml has no auxiliary heads"):
        create_exit_engine(tmp_path / "model.xml", 0.5, device="cpu")
    for confidence in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="from 0 to 1"):
            create_exit_engine(path, confidence)

"""Zero-cost scores against numbers worked by hand, and the filter made of them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from inception.errors import InputError
from inception.models.build import build
from inception.models.cost import cost
from inception.models.network import InceptionNet
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.search.budget import Budget, Pricing, fitted
from inception.search.filtering import DRAWS, filter_draws
from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode
from inception.search.study import Plan, ScoreName, candidates, open_study
from inception.search.trainer import SHORT, open_task
from inception.search.worker import Worker
from inception.search.zero_cost import SCORES, activation_overlap, gradient_norm, score, synflow
from inception.training.group import Interrupted

POOLED = {"pool": Pool("average", grid=1), "flatten": Flatten()}
LABELS = torch.tensor([0, 1])


def tiny(stage: Layers, **weights: list[Any]) -> InceptionNet:
    """A stage, the mean of its maps, two classes; weights as given."""
    classifier = {**POOLED, "logits": Linear(CLASSES)}
    spec = Spec("tiny", {"first": stage}, classifier, num_classes=2, preprocessing=Preprocessing(4))
    network = build(spec)
    state = network.state_dict()
    for name, values in weights.items():
        path = {"conv": "first.conv.weight", "logits": "classifier.logits.linear.weight"}[name]
        state[path].copy_(torch.tensor(values).reshape(state[path].shape))
    return network


def test_synflow_adds_up_what_flows_through_each_layer() -> None:
    network = tiny(Conv(1, bias=False), conv=[-2.0, 1.0, 3.0], logits=[0.5, -1.0])
    # 6 comes out of the convolution, 3 + 6 of the classes; each of both layers carries those 9
    assert synflow(network, torch.rand(2, 3, 4, 4), LABELS) == pytest.approx(math.log(18))


def test_activation_overlap_counts_what_two_pictures_switch_alike() -> None:
    network = tiny(Conv(2, kernel=4, padding=0, bias=False))
    state = network.state_dict()["first.conv.weight"]
    state.zero_()
    state[0, 0], state[1, 1] = 1 / 16, 1 / 16  # units see the first and the second colour
    pictures = torch.ones(2, 3, 4, 4)
    pictures[0, 1] = -1
    # of 2 units they share one: |2 1; 1 2| = 3
    assert activation_overlap(network, pictures, LABELS) == pytest.approx(math.log(3))
    assert activation_overlap(network, torch.ones(2, 3, 4, 4), LABELS) == -math.inf


def test_the_gradients_length_is_that_of_the_loss() -> None:
    network = tiny(Pool("max", kernel=2, stride=2), logits=[0.0] * 6)
    picture = torch.tensor([3.0, 0.0, 4.0])[None, :, None, None].expand(1, 3, 4, 4)
    # both classes at one half: half the picture's values, 5 long, one row up and one down
    assert gradient_norm(network, picture, LABELS[:1]) == pytest.approx(5 * math.sqrt(0.5))


def test_every_score_is_a_number_and_the_same_again() -> None:
    assert tuple(SCORES) == get_args(ScoreName)
    spec = decode(draw(Space(modules=((1, 1), (1, 1), (1, 1))), Dice(2)), 3)
    pictures, labels = torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 2, 0])
    for name in SCORES:
        random = torch.get_rng_state()
        value = score(name, spec, pictures, labels)
        assert math.isfinite(value)
        assert score(name, spec, pictures, labels) == value
        assert torch.equal(torch.get_rng_state(), random)
    assert score("multiply-adds", spec, pictures, labels) == cost(spec).multiply_adds


FEW = Space(modules=((1, 1), (1, 1), (1, 1)), stems=("conv7",), image_sizes=(32,))
PLAN = Plan({}, FEW, Budget(2_000_000), "random", filter="parameters", filter_of=16)


def test_the_best_eighth_of_the_draws_is_trained_first(colours: Path, tmp_path: Path) -> None:
    task = open_task(colours, replace(SHORT, image_size=32, threads=1, precision="fp32"), 8)
    study, pricing = open_study(str(tmp_path / "study.journal"), PLAN), Pricing()
    seen: list[int] = []
    with pytest.raises(Interrupted):
        filter_draws(study, PLAN, task, pricing, stopping=lambda: len(seen) > 2,
                     progress=lambda done, total: seen.append(done))  # fmt: skip
    assert filter_draws(study, PLAN, task, pricing) == 2
    assert filter_draws(study, PLAN, task, pricing) == 0  # once a study
    Worker(study, PLAN, task, tmp_path, train=lambda *_, **__: 0.5).run(3)
    given = []
    for number in range(16):
        seed = np.random.SeedSequence([PLAN.seed, DRAWS + number]).generate_state(1)[0]
        if genome := fitted(draw(FEW, Dice(int(seed))), PLAN.budget, pricing, 2):
            given.append(cost(decode(genome, 2)).parameters)
    trained = [c.price.parameters for c in candidates(study)]
    assert trained[:2] == sorted(given, reverse=True)[:2]


def test_a_filter_that_is_none_is_refused(tmp_path: Path) -> None:
    plan = replace(PLAN, filter="sinflow")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'synflow'"):
        open_study(str(tmp_path / "study.journal"), plan)


def test_a_study_without_a_filter_goes_on_as_one_from_before_there_was_any(tmp_path: Path) -> None:
    plan = replace(PLAN, filter=None)
    open_study(str(tmp_path / "study.journal"), plan)
    open_study(str(tmp_path / "study.journal"), replace(plan, filter_of=8))  # which says nothing
    with pytest.raises(InputError, match="differs in filter"):
        open_study(str(tmp_path / "study.journal"), PLAN)

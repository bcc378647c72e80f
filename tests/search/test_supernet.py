"""A supernet's parts are candidates with its weights; trained once, it scores all of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import fails, run

from inception.data.loading import Batch
from inception.errors import InputError
from inception.models.build import build
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.search.budget import Budget, Pricing
from inception.search.filtering import filter_draws
from inception.search.sampling import Dice, Edge, Space, Told, draw, hand_made
from inception.search.space import decode
from inception.search.study import Plan, candidates, open_study
from inception.search.supernet import Supernet, train_supernet
from inception.search.trainer import SHORT, Task, open_task
from inception.search.worker import Worker
from inception.training.group import Interrupted
from inception.weights.model_file import transplant

SPACE = Space(image_sizes=(32,), only_widths=True)
PLAN = Plan({}, SPACE, Budget(20_000_000), "random", filter="supernet", filter_of=8)


@pytest.fixture
def task(colours: Path) -> Task:
    config = replace(SHORT, image_size=32, threads=1, precision="fp32", batch_size=8, epochs=1)
    return open_task(colours, config, 16)


def drawn(seed: int, task: Task) -> Spec:
    return replace(decode(draw(SPACE, Dice(seed)), len(task.train.classes)), aux={})


def test_only_widths_differ_from_the_house() -> None:
    house = decode(draw(replace(SPACE, only_widths=False), Told(hand_made(SPACE))))
    for seed in range(20):
        spec = decode(draw(SPACE, Dice(seed)))
        assert list(spec.stages) == list(house.stages)
        first, same = (each.to_json()["stages"]["conv1"] for each in (spec, house))
        assert first["kernel"] == same["kernel"]
    least, most = (cost(decode(draw(SPACE, Edge(most=m)))).parameters for m in (False, True))
    assert least < cost(house).parameters < most


def test_a_part_is_the_candidate_with_the_first_channels(task: Task) -> None:
    made = Supernet(SPACE, task)
    pictures = torch.randn(3, 3, 32, 32)
    for seed in range(2):
        spec, part = drawn(seed, task), made.part(drawn(seed, task))
        assert part.spec.stages == spec.stages
        network = build(spec).train()
        assert not transplant(network, {n: w.detach() for n, w in part.weights.items()}).fresh
        torch.manual_seed(0)  # dropout
        ours = made._logits(spec, pictures)
        torch.manual_seed(0)
        torch.testing.assert_close(ours, network(pictures), atol=1e-4, rtol=1e-4)
        path = "inception_3a.conv1x1.conv.weight"
        own, whole = part.weights[path], made.network.state_dict()[path]
        assert torch.equal(own, whole[: own.shape[0], : own.shape[1]])


def test_a_step_moves_what_the_candidates_share(task: Task) -> None:
    made = Supernet(SPACE, task)
    batch = Batch(np.random.default_rng(0).random((4, 32, 32, 3), np.float32), np.arange(4) % 2, ())
    made.step(batch, Dice(0))
    assert all(p.grad is not None and p.grad.any() for p in made.network.parameters())


def test_what_it_learnt_tells_candidates_apart_from_chance(task: Task) -> None:
    longer = replace(task, config=replace(task.config, epochs=3))
    steps: list[int] = []
    made = train_supernet(SPACE, longer, progress=lambda step, total: steps.append(total - step))
    assert steps[-1] == 0
    found = [made.accuracy(drawn(seed, task)) for seed in range(2)]
    assert np.mean(found) > 0.6
    assert made.accuracy(drawn(0, task)) == found[0]
    with pytest.raises(Interrupted):
        train_supernet(SPACE, task, stopping=lambda: True)


def test_the_best_by_the_supernet_are_trained_first(task: Task, tmp_path: Path) -> None:
    study = open_study(str(tmp_path / "study.journal"), PLAN)
    assert filter_draws(study, PLAN, task, Pricing()) == 1
    Worker(study, PLAN, task, tmp_path, train=lambda *_, **__: 0.5).run(2)
    found = candidates(study)
    assert len(found) == 2
    assert all(c.price.multiply_adds <= 20_000_000 for c in found)
    with pytest.raises(InputError, match="--only-widths"):
        open_study(str(tmp_path / "other"), replace(PLAN, space=replace(SPACE, only_widths=False)))


def test_typed(colours: Path, tmp_path: Path) -> None:
    how = ("--image-size", "32", "--epochs", "1", "--trials", "1", "--pictures", "8")
    command = ("search", str(colours), *how, "--filter", "supernet", "--filter-of", "8")
    assert "--only-widths" in fails(*command, "--out", str(tmp_path / "s"))
    done = run(*command, "--only-widths", "--threads", "1", "--out", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    assert "8 draws scored by supernet" in done.stdout
    assert (tmp_path / "s" / "best.json").exists()

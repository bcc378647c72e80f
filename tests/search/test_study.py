"""Studies: trials shared, kept, given up, retried; what comes out of them."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from inception.errors import InputError
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.search import worker as worker_file
from inception.search.budget import Budget
from inception.search.outcome import best, front, write_outcome
from inception.search.sampling import Space
from inception.search.study import SAMPLERS, Plan, candidates, open_study
from inception.search.trainer import Halved, Task
from inception.search.worker import Told, Worker
from inception.training.folder import this_process
from inception.training.group import Interrupted
from inception.training.losses import NotFiniteError

# Optuna writes every draw to the storage; a small stem may not fit the budget
FEW = Space(modules=((1, 1), (1, 2), (1, 1)), stems=("conv7", "conv3"))
PLAN = Plan({"train": "1"}, FEW, Budget(multiply_adds=40_000_000), "random")
TASK: Any = SimpleNamespace(
    train=SimpleNamespace(classes=("cat", "dog")), config=SimpleNamespace(epochs=3)
)


def study_in(folder: Path, plan: Plan = PLAN) -> optuna.Study:
    return open_study(str(folder / "study.journal"), plan)


def trained(spec: Spec, task: Task, folder: Path, **told: Any) -> float:
    """Stands for a training: the more it computes the better, a little more each epoch."""
    reached = []
    for epoch in (1, 2, 3):
        reached.append(min(cost(spec).multiply_adds / 4e7, 1) * (0.5 + 0.1 * epoch))
        if told["reached"](reached) and epoch < 3:
            raise Halved
    return reached[-1]


def work(folder: Path, trials: int, plan: Plan = PLAN, **options: Any) -> optuna.Study:
    study = study_in(folder, plan)
    Worker(study, plan, TASK, folder, **{"train": trained, **options}).run(trials)
    return study


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_candidate_over_the_budget_is_trained(sampler: Any, tmp_path: Path) -> None:
    seen = []

    def watching(spec: Spec, *given: Any, **told: Any) -> float:
        seen.append(cost(spec).multiply_adds)
        return trained(spec, *given, **told)

    study = work(tmp_path, 10, replace(PLAN, sampler=sampler), train=watching)
    assert len(seen) == 10
    assert max(seen) <= 40_000_000
    assert sorted(c.price.multiply_adds for c in candidates(study)) == sorted(seen)


def test_the_network_made_by_hand_comes_first(tmp_path: Path) -> None:
    found = candidates(work(tmp_path, 2, replace(PLAN, space=Space())))
    assert [c.hand_made for c in found] == [True, False]
    assert [len(stage) for stage in found[0].genome.stages] == [2, 5, 2]


def test_candidates_that_are_behind_are_given_up(tmp_path: Path) -> None:
    found = candidates(work(tmp_path, 10))
    given_up = [c for c in found if c.state == "PRUNED"]
    assert given_up
    assert {c.epochs for c in given_up} <= {1, 2}
    whole = candidates(work(tmp_path / "whole", 6, replace(PLAN, halving=False)))
    assert {c.state for c in whole} == {"COMPLETE"}


def test_a_study_draws_the_same_whoever_works(tmp_path: Path) -> None:
    alone = candidates(work(tmp_path / "alone", 6))
    for trials in (1, 3, 6):  # each call is another worker
        study = work(tmp_path / "several", trials)
    assert [c.genome for c in candidates(study)] == [c.genome for c in alone]


def test_another_search_in_the_same_storage_is_refused(tmp_path: Path) -> None:
    work(tmp_path, 1)
    with pytest.raises(InputError, match="differs in budget: go on with it as it was begun"):
        study_in(tmp_path, replace(PLAN, budget=Budget(parameters=5)))


@pytest.mark.parametrize(
    ("storage", "message"),
    [("nonsense://x", "cannot be used"), ("sqlite:////nowhere/at/all.db", "cannot be used")],
)
def test_a_storage_that_cannot_be_used_is_one_line(storage: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_study(storage, PLAN)


def test_a_database_serves_as_a_file_does(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    for trials in (2, 4):
        study = open_study(storage, PLAN)
        Worker(study, PLAN, TASK, tmp_path, train=trained).run(trials)
    assert len(candidates(study)) == 4


def test_a_stopped_trial_waits_and_goes_on_in_its_folder(tmp_path: Path) -> None:
    folders: list[str] = []

    def stopped(spec: Spec, task: Task, folder: Path, **told: Any) -> float:
        folders.append(folder.name)
        if len(folders) == 2:
            raise Interrupted
        return trained(spec, task, folder, **told)

    with pytest.raises(Interrupted):
        work(tmp_path, 3, train=stopped)
    study = work(tmp_path, 3, train=stopped)
    assert folders == ["0000", "0001", "0001", "0003"]
    assert len(candidates(study)) == 3


def test_a_loss_that_is_no_number_ends_the_candidate_alone(tmp_path: Path) -> None:
    told: list[str] = []

    def broken(spec: Spec, task: Task, folder: Path, **rest: Any) -> float:
        if folder.name == "0001":
            raise NotFiniteError("the main loss is nan at step 3: the run stopped")
        return trained(spec, task, folder, **rest)

    reports = Told(refused=lambda number, why: told.append(f"{number} {why}"))
    study = work(tmp_path, 3, train=broken, told=reports)
    assert told == ["1 the main loss is nan at step 3"]
    assert [c.number for c in candidates(study)] == [0, 2, 3]


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_study import PLAN, TASK, study_in
from inception.search.worker import Worker

def forever(spec, task, folder, **told):
    (folder / "last.safetensors").write_text("half-way")
    print("training", flush=True)
    time.sleep(60)

folder = Path({folder!r})
Worker(study_in(folder), PLAN, TASK, folder, train=forever).run(4)
"""


def test_a_killed_workers_trial_is_retried_from_its_checkpoint(tmp_path: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "training\n"
        killed.kill()
    found: list[tuple[str, bool]] = []

    def watching(spec: Spec, task: Task, folder: Path, **told: Any) -> float:
        found.append((folder.name, (folder / "last.safetensors").exists()))
        return trained(spec, task, folder, **told)

    study = work(tmp_path, 3, train=watching)
    assert found[0] == ("0000", True)
    assert len(found) == 3
    assert [c.number for c in candidates(study)] == [1, 2, 3]


def test_a_trial_under_way_elsewhere_is_left_alone_until_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_in(tmp_path)
    trial = study.ask()
    there = {**this_process(), "host": "elsewhere", "beat": time.time()}
    trial.set_user_attr("worker", there)
    assert len(candidates(work(tmp_path, 3))) == 2  # the third is under way
    trial.set_user_attr("worker", {**there, "beat": time.time() - worker_file.STALE_S - 1})
    assert len(candidates(work(tmp_path, 3))) == 3


def test_two_workers_share_the_trials(tmp_path: Path) -> None:
    """One takes its turns while another's candidate trains."""
    inner: list[int] = []

    def nesting(spec: Spec, task: Task, folder: Path, **told: Any) -> float:
        if not inner:
            inner.append(0)
            work(tmp_path, 4, train=trained)
        return trained(spec, task, folder, **told)

    study = work(tmp_path, 4, train=nesting)
    found = candidates(study)
    assert [c.number for c in found] == [0, 1, 2, 3]
    assert all(c.state in ("COMPLETE", "PRUNED") for c in found)


def test_the_front_has_those_that_none_beats(tmp_path: Path) -> None:
    found = candidates(work(tmp_path, 8, replace(PLAN, sampler="nsga2")))
    kept = front(found, "multiply_adds")
    for one in kept:
        assert not [
            c
            for c in found
            if c.whole
            and (c.accuracy or 0) >= (one.accuracy or 0)
            and c.price.multiply_adds < one.price.multiply_adds
        ]
    assert best(found) == kept[-1]


def test_what_comes_out_can_be_trained(tmp_path: Path) -> None:
    study = work(tmp_path, 6)
    written = write_outcome(tmp_path, candidates(study), "multiply_adds", ("cat", "dog"))
    assert all(path.stat().st_size for path in written)
    spec = Spec.from_json(json.loads((tmp_path / "best.json").read_text()))
    assert spec.num_classes == 2
    assert (tmp_path / "best.svg").read_text().startswith("<svg")
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 7


def test_where_nothing_was_trained_nothing_is_written(tmp_path: Path) -> None:
    assert write_outcome(tmp_path, [], "multiply_adds", ("cat",)) == []


def test_a_budget_that_nothing_fits_is_told_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_file, "MOST_REFUSED", 2)
    with pytest.raises(InputError, match="over the budget at an eighth of its widths too; give a"):
        work(tmp_path, 1, replace(PLAN, budget=Budget(parameters=10)))

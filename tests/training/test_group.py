"""Several processes train one network: what one would, whatever happens to one of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from colours import write_colours
from command_line import run
from processes import Ended, launch, values
from safetensors.torch import load_file

from inception.errors import InputError
from inception.machine import available_cores
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Norm, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.training import feature_cache
from inception.training.config import TrainConfig
from inception.training.group import Elsewhere, Group, joined, local_cores
from inception.training.loop import Training
from inception.training.run import RunSummary, train

HEAD = {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)}


def spec(norm: Norm | None = None) -> Spec:
    return Spec(
        "tiny",
        stages={"conv1": Conv(8, kernel=3, stride=2, norm=norm), "conv2": Conv(8, kernel=3)},
        aux={"conv1": HEAD},
        classifier=HEAD,
        preprocessing=Preprocessing(size=12),
    )


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return of_spec(tmp_path, spec())


def of_spec(folder: Path, made: Spec) -> TrainConfig:
    path = folder / f"{made.digest()}.json"
    path.write_text(json.dumps(made.to_json()))
    return TrainConfig(model=str(path), epochs=4, batch_size=10, lr=0.05, threads=1, device="cpu",
                       augment="none", eval_crop=1.0, max_unreadable=0.2)  # fmt: skip


def uneven(data: Path) -> Path:
    for number in (1, 4, 6):
        (data / "val" / "red" / f"{number}.png").unlink()
    return data


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def differences(one: Path, two: Path, name: str = "last.safetensors") -> dict[str, float]:
    """Of each tensor the largest."""
    a, b = load_file(one / name), load_file(two / name)
    assert a.keys() == b.keys()
    return {n: float((a[n].double() - b[n].double()).abs().max()) for n in a}


def assert_same_run(one: Path, two: Path, *, within: float) -> None:
    assert max(differences(one, two).values()) <= within
    rows = [rows_of(folder / "metrics.csv") for folder in (one, two)]
    for ours, theirs in zip(*rows, strict=True):
        for name in ("loss", "loss_main", "loss_conv1", "val_loss"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), abs=within)
        told = float(theirs["train_accuracy"])  # the last bits may turn one of 48 pictures
        assert float(ours["train_accuracy"]) == pytest.approx(told, abs=0.03)
        assert (ours["top1_accuracy"], ours["lr"]) == (theirs["top1_accuracy"], theirs["lr"])
    for name in ("confusion.csv", "unreadable.csv"):
        assert (one / name).read_text() == (two / name).read_text()


CASES: dict[str, dict[str, Any]] = {
    "as it is": {"steps": 20},
    "fewer pictures in a batch than processes": {"batch_size": 2, "steps": 12},
    "parts of batches": {"accumulate": 2, "optimiser": "adamw", "lr": 1e-3, "steps": 7},
    "averages since the middle": {"steps": 5, "average": "polyak", "clip_norm": None},
    "pictures that cannot be read": {"batch_size": 3, "steps": 16},
}


def train_cases(data: Path, cases: dict[str, TrainConfig], out: Path) -> None:
    with joined():  # the same processes for all
        for name, config in cases.items():
            train(data, config, out=out / name)


@dataclass(frozen=True)
class Alone:
    """Runs of one process, to compare with."""

    data: Path
    cases: dict[str, TrainConfig]
    out: Path


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "broken"])
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """On 48 pictures to learn from and 13 to validate on, which neither 2 nor 3 divide."""
    folder = tmp_path_factory.mktemp("alone")
    data, config = uneven(write_colours(folder / "colours")), of_spec(folder, spec())
    if request.param:
        for place in ("train/red/3", "train/red/4", "train/green/9", "val/green/2"):
            (data / f"{place}.png").write_bytes(b"no picture")
    cases = {n: replace(config, **c) for n, c in CASES.items() if request.param == ("cannot" in n)}
    train_cases(data, cases, folder / "runs")
    return Alone(data, cases, folder / "runs")


@pytest.mark.parametrize("size", [2, 3])
def test_shares_of_a_batch_teach_what_the_whole_batch_does(
    alone: Alone, tmp_path: Path, size: int
) -> None:
    values(launch(size, train_cases, alone.data, alone.cases, tmp_path))
    for name in alone.cases:
        assert_same_run(alone.out / name, tmp_path / name, within=1e-5)
    rows = rows_of(tmp_path / name / "confusion.csv")
    counted = sum(int(count) for row in rows for n, count in row.items() if n != "true")
    assert counted == 13 - ("cannot" in name)


def test_batch_norm_keeps_the_mean_of_what_the_shares_saw(colours: Path, tmp_path: Path) -> None:
    """Of equal shares that is the whole batch's mean; variances lack what lies between shares."""
    config = replace(of_spec(tmp_path, spec(Norm())), steps=1, batch_size=12, average="none")
    train(colours, config, out=tmp_path / "one")
    values(launch(2, train_cases, colours, {"two": config}, tmp_path))
    apart = differences(tmp_path / "one", tmp_path / "two")
    assert apart["network/conv1.norm.running_mean"] < 1e-6
    assert 0 < apart["network/conv1.norm.running_var"] < 0.1
    two = load_file(tmp_path / "two" / "last.safetensors")
    for name, tensor in load_file(tmp_path / "two" / "model.safetensors").items():
        assert torch.equal(tensor, two[f"network/{name}"])  # what was trained, not what it began as


def at_step(step: int, act: Callable[[], object]) -> None:
    """Lets this process do something in the middle of training, before that step of its own."""
    train_step, seen = Training._train_step, []

    def stumble(self: Training, batch: Any) -> None:
        seen.append(batch)
        if len(seen) == step:
            act()
        train_step(self, batch)

    Training._train_step = stumble  # type: ignore[method-assign]


def asked_to_stop() -> None:
    at_step(7, partial(signal.raise_signal, signal.SIGTERM))


def killed() -> None:
    at_step(7, lambda: os.kill(os.getpid(), signal.SIGKILL))


def crashes() -> None:
    def crash() -> None:
        raise ZeroDivisionError("a fault of ours")

    at_step(7, crash)


def told(ended: list[Ended]) -> list[str]:
    """The lines that all of them print on standard error."""
    return [line for each in ended if each.value for line in each.value.stderr.splitlines()]


def statuses(ended: list[Ended]) -> list[int]:
    return [each.value.returncode if each.value else -each.killed_by for each in ended]


@dataclass(frozen=True)
class Together:
    """A run of two processes that nothing befell, and how it was begun."""

    data: Path
    config: TrainConfig
    whole: Path

    def begin(self, out: Path, **others: object) -> list[str]:
        settings = {"model": self.config.model, "epochs": 2, "batch-size": 10, "threads": 1,
                    "device": "cpu", "augment": "none", "set": "checkpoint_s=1e-3",
                    "out": out} | others  # fmt: skip
        return ["train", str(self.data), *(f"--{n}={v}" for n, v in settings.items())]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Together:
    folder = tmp_path_factory.mktemp("together")
    made = Together(write_colours(folder / "colours"), of_spec(folder, spec()), folder / "whole")
    values(launch(2, run, *made.begin(made.whole)))
    return made


@pytest.fixture(scope="module")
def cut(together: Together) -> Path:
    out = together.whole.with_name("cut")
    ended = launch(2, run, *together.begin(out), fault=asked_to_stop)
    assert statuses(ended) == [130, 130]
    assert told(ended) == [f"interrupted and saved; go on with: inception train --resume {out}"]
    return out


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_signal_to_one_process_stops_all_and_any_number_goes_on(
    together: Together, cut: Path, tmp_path: Path, size: int
) -> None:
    out = Path(shutil.copytree(cut, tmp_path / "cut"))
    again = ["train", "--resume", str(out)]
    ended = launch(size, run, *again) if size > 1 else [Ended(run(*again))]
    assert statuses(ended) == [0] * size
    lines = [line for line in ended[0].value.stdout.splitlines() if "(was 2)" in line]
    assert len(lines) == (size != 2)
    assert not any(each.value.stdout for each in ended[1:])
    apart = differences(out, together.whole)
    assert max(apart.values()) <= (0 if size == 2 else 1e-5)


def test_a_process_that_is_killed_ends_all_and_the_run_goes_on(
    together: Together, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ended = launch(3, run, *together.begin(out), fault=killed)
    assert statuses(ended) == [2, 2, -signal.SIGKILL]
    assert told(ended) == [
        "inception: another process of the run is gone: killed, or out of memory; the run is "
        f"saved, `inception train --resume {out}` goes on with it"
    ]
    assert statuses(launch(2, run, "train", "--resume", str(out))) == [0, 0]
    assert max(differences(out, together.whole).values()) <= 1e-5


def test_a_fault_of_ours_in_one_process_is_told_by_it_alone(
    together: Together, tmp_path: Path
) -> None:
    *others, one = launch(3, run, *together.begin(tmp_path / "run"), fault=crashes)
    assert isinstance(one.error, ZeroDivisionError)
    assert statuses(others) == [2, 2] and told(others) == []
    with pytest.raises(Elsewhere, match="process 1: ZeroDivisionError: a fault of ours"):
        ended = launch(2, train, together.data, together.config, fault=crashes)
        raise ended[0].error or AssertionError


def run_in(folders: list[Path], command: list[str]) -> Any:
    """The command line, each process in a folder of its own."""
    os.chdir(folders[int(os.environ["RANK"])])
    return run(*command)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("", "no such file or folder: colours"),
        ("train/red/0.png", "process 1 of the run does not have the pictures, network or settings"),
    ],
)
def test_a_mistake_in_one_process_is_one_line_and_ends_all(
    together: Together, tmp_path: Path, missing: str, message: str
) -> None:
    name = together.data.name
    lacking = write_colours(tmp_path / name) / missing
    lacking.unlink() if missing else shutil.rmtree(lacking)
    command = replace(together, data=Path(name)).begin(tmp_path / "run")
    ended = launch(2, run_in, [together.data.parent, tmp_path], command)
    assert statuses(ended) == [2, 2]
    [line] = told(ended)
    assert message in line
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_loss_that_is_no_number_is_told_once(together: Together, tmp_path: Path) -> None:
    ended = launch(2, run, *together.begin(tmp_path / "run", lr=1e12, set="clip_norm=none"))
    assert statuses(ended) == [2, 2]
    [line] = told(ended)
    assert "loss is" in line and "at step" in line


def test_patience_ends_all_after_the_same_epoch(together: Together, tmp_path: Path) -> None:
    config = replace(together.config, epochs=9, lr=1e-9, patience=1)
    one, other = values(launch(2, train, together.data, config))
    assert one.epochs == other.epochs == 2


def test_members_are_trained_by_all(together: Together, tmp_path: Path) -> None:
    ended = launch(2, run, *together.begin(tmp_path / "run", members=2, epochs=1))
    assert statuses(ended) == [0, 0] and told(ended) == []
    plan = json.loads((tmp_path / "run" / "ensemble.json").read_text())
    assert len(plan["finished"]) == 2
    run(*together.begin(tmp_path / "one", members=2, epochs=1))
    for number in (1, 2):
        one, two = (tmp_path / n / f"member-{number}" for n in ("one", "run"))
        assert max(differences(one, two).values()) <= 1e-5


def tune(data: Path, config: TrainConfig, out: Path) -> RunSummary:
    feature_cache.AT_ONCE = 20  # three blocks of pictures to share
    return train(data, config, out=out)


@pytest.mark.parametrize("head", ["linear", "knn"])
def test_features_are_computed_by_all_and_cached_once(
    together: Together, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(feature_cache, "AT_ONCE", 20)
    config = replace(together.config, model=None, init=str(together.whole), freeze="backbone",
                     cached_views=2, epochs=2, augment="light", head=head)  # fmt: skip
    kept = {}
    for size in (1, 2):
        monkeypatch.setenv("INCEPTION_CACHE", str(tmp_path / f"cache{size}"))
        out = tmp_path / str(size)
        ended = launch(size, tune, together.data, config, out)
        assert len({summary.top1_accuracy for summary in values(ended)}) == 1
        found = (tmp_path / f"cache{size}" / "features").glob("*/*")
        kept[size] = {
            path.relative_to(tmp_path / f"cache{size}"): path.read_bytes() for path in found
        }
    assert kept[1] == kept[2] and len(kept[1]) == 4
    assert max(differences(tmp_path / "1", tmp_path / "2", "model.safetensors").values()) == 0


def exchanged() -> list[Any]:
    with joined() as group:
        tensors = [torch.full((2, 2), float(group.rank)), torch.ones(3) * group.rank]
        group.add_up(tensors)
        first = torch.full((2, 3), group.rank).T
        group.broadcast([first])
        return [
            group.gather(f"of {group.rank}"),
            group.first(lambda: group.rank),
            group.sum([group.rank, 0.5]),
            (group.any(group.rank == 2), group.any(False)),
            [t.tolist() for t in (*tensors, first)],
            list(group.share(range(7))),
            local_cores(),
        ]


def test_a_group_agrees() -> None:
    told = values(launch(3, exchanged))
    for each in told:
        assert each[0] == ["of 0", "of 1", "of 2"]
        assert each[1] == 0
        assert each[2] == [3.0, 1.5]
        assert each[3] == (True, False)
        assert each[4] == [[[3.0, 3.0]] * 2, [3.0] * 3, [[0, 0]] * 3]
        assert each[6] == max(1, available_cores() // 3)
    assert sorted(row for each in told for row in each[5]) == list(range(7))


def test_a_group_of_one_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed", None)
    with joined() as group:
        assert group == Group() and group.leads
        assert group.gather("a") == ["a"] and group.first(lambda: 3) == 3
        assert group.sum([0.5]) == [0.5] and group.any(True)
        assert group.share(range(3)) == range(3)
        group.check_same("anything")


def test_processes_that_do_not_find_each_other_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match=r"WORLD_SIZE is 2, but .* torchrun, or"), joined():
        pass


def test_torchrun_trains_with_the_command_line(together: Together, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, "-m", "inception", *together.begin(tmp_path / "run")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes, fp32 on cpu" in done.stdout
    assert max(differences(tmp_path / "run", together.whole).values()) == 0

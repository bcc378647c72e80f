"""Ensembles: members that differ in what they see, stopped and gone on with."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inception.errors import InputError
from inception.evaluation.evaluate import evaluate
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Norm, Pool, Spec
from inception.prediction import load
from inception.training.config import TrainConfig
from inception.training.ensemble import Members, is_ensemble, resume_ensemble, train_ensemble
from inception.training.group import Interrupted
from inception.training.loop import Reports

TINY = Spec(
    "tiny",
    stages={"conv1": Conv(16, kernel=3, norm=Norm()), "conv2": Conv(8, kernel=3, stride=2)},
    classifier={"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)},
)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY.to_json()))
    return TrainConfig(
        model=str(path), image_size=16, epochs=2, batch_size=16, threads=1, eval_crop=1.0
    )


def weights(run: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(run / name)


def stop_in_member(number: int, out: Path) -> Reports:
    """Reports that interrupt as Ctrl-C does, at the first step of that member."""

    def step(*_: object) -> None:
        if (out / f"member-{number}" / "config.json").exists():
            signal.raise_signal(signal.SIGINT)

    return Reports(step=step)


def test_members_share_initial_weights_and_see_other_pictures(config: TrainConfig) -> None:
    members = Members(3, wider=1.25, areas=((0.08, 1.0), (0.3, 1.0)))
    configs = members.configs(replace(config, seed=5))
    assert [c.seed for c in configs] == [5, 5, 5]
    assert [c.sampling_seed for c in configs] == [5, 6, 7]
    assert [c.area for c in configs] == [(0.08, 1.0), (0.3, 1.0), (0.08, 1.0)]
    assert [c.width for c in configs] == [1.0, 1.0, 1.25]


def test_members_begin_alike_and_end_apart(
    colours: Path, tmp_path: Path, config: TrainConfig
) -> None:
    still = replace(config, lr=1e-12, average="none", weight_decay=0.0)
    for name, each in (("still", still), ("moved", config)):
        train_ensemble(colours, each, Members(2), out=tmp_path / name)
    one, two = (weights(tmp_path / "still" / f"member-{n}") for n in (1, 2))
    torch.testing.assert_close(one["conv1.conv.weight"], two["conv1.conv.weight"])
    one, two = (weights(tmp_path / "moved" / f"member-{n}") for n in (1, 2))
    assert not torch.allclose(one["conv1.conv.weight"], two["conv1.conv.weight"], atol=1e-4)


def test_a_member_with_the_data_seed_of_none_is_the_ordinary_run(
    colours: Path, tmp_path: Path, config: TrainConfig
) -> None:
    from inception.training.run import train

    train(colours, config, out=tmp_path / "run")
    train_ensemble(colours, config, Members(2), out=tmp_path / "both")
    alone, first = weights(tmp_path / "run"), weights(tmp_path / "both" / "member-1")
    assert [n for n in alone if not torch.equal(alone[n], first[n])] == []


def test_an_ensemble_goes_on_with_its_first_unfinished_member(
    colours: Path, tmp_path: Path, config: TrainConfig
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_ensemble(colours, config, Members(3), out=whole)
    with pytest.raises(Interrupted):
        train_ensemble(colours, config, Members(3), out=cut, reports=stop_in_member(2, cut))
    assert is_ensemble(cut) and not (cut / "member-3").exists()
    written = (cut / "member-1" / "last.safetensors").stat().st_mtime_ns
    begun: list[int] = []
    summary = resume_ensemble(cut, begins=lambda number, of: begun.append(number))
    assert begun == [2, 3] and len(summary.members) == 3
    assert (cut / "member-1" / "last.safetensors").stat().st_mtime_ns == written
    for number in (1, 2, 3):
        for name in ("model.safetensors", "last.safetensors"):
            a, b = (weights(root / f"member-{number}", name) for root in (whole, cut))
            assert [n for n in a if not torch.equal(a[n], b[n])] == []
    again = resume_ensemble(cut, begins=lambda number, of: begun.append(number))
    assert begun == [2, 3] and again == summary


def test_the_wider_member_says_so_and_answers_with_the_others(
    colours: Path, tmp_path: Path, config: TrainConfig
) -> None:
    summary = train_ensemble(colours, config, Members(2, wider=1.5), out=tmp_path / "out")
    slim, wide = (load(member.folder) for member in summary.members)
    assert slim.info.spec.departures == ()
    assert wide.info.spec.departures == ("convolutions 1.5 times as wide, to multiples of 8",)
    assert wide.network.get_submodule("conv1.conv").weight.shape[0] == 24  # 16 times 1.5
    assert wide.metadata["training"]["config"]["width"] == 1.5
    result = evaluate([m.folder for m in summary.members], colours)
    assert result.images == 16 and len(result.models) == 2


def test_an_ensemble_is_not_overwritten(colours: Path, tmp_path: Path, config: TrainConfig) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ensemble.json").write_text("{}")
    with pytest.raises(InputError, match="holds an ensemble already"):
        train_ensemble(colours, config, Members(2), out=tmp_path / "out")
    with pytest.raises(InputError, match="not an ensemble's plan"):
        resume_ensemble(tmp_path / "out")
    with pytest.raises(InputError, match="at least 1 member"):
        Members(0)

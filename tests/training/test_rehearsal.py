"""A run that is tried and given up."""

from pathlib import Path

import pytest
from command_line import fails, run

from inception.training.config import TrainConfig
from inception.training.rehearsal import STEPS, rehearse

SMALL = TrainConfig(model="lenet5", batch_size=4, threads=1)


def test_a_few_steps_tell_of_all(colours: Path) -> None:
    told = rehearse(colours, TrainConfig.from_json({**SMALL.to_json(), "epochs": 3}))
    assert told.steps == 3 * 12 and told.start.config.epochs == 3
    assert 0 < told.seconds_per_step < 60 and told.memory_mb > 50
    assert told.seconds == pytest.approx(36 * told.seconds_per_step)
    assert not told.start.folder.exists()
    short = rehearse(colours, TrainConfig.from_json({**SMALL.to_json(), "steps": 2}))
    assert short.steps == 2 and short.seconds_per_step > 0


def test_the_command_prints_it_and_leaves_nothing(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--model", "lenet5", "--batch-size", "4", "--threads", "1", "--epochs", "2"]
    lines = run("train", str(colours), *options, "--dry-run").stdout.splitlines()
    assert lines[0].startswith("lenet5, 2 classes (green, red), 32 px; 48 pictures to learn from")
    assert lines[-1].startswith(f"{STEPS} steps were tried: ") and "all 24 take about" in lines[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["colours"]
    line = fails("train", str(colours), "--set", "cached_views=1", "--dry-run")
    assert "on cached features" in line

"""Ablations: what they change, what is kept, and the table."""

import csv
import json
import signal
from pathlib import Path

import pytest

from inception.cli.ablations import ablations
from inception.data.datasets import open_data
from inception.errors import InputError
from inception.evaluation.evaluate import evaluate
from inception.models import get_spec
from inception.models.cost import cost
from inception.reproduce import ablations as module
from inception.reproduce.ablations import (
    ABLATIONS,
    BASE,
    DIGITS_SETTINGS,
    PICTURES_SETTINGS,
    Ablation,
    markdown,
    run_ablations,
)
from inception.training.config import TrainConfig
from inception.training.design import design
from inception.training.group import Interrupted
from inception.training.loop import Reports

SMALL = ("model=googlenet_small", "width=0.125", "image_size=8", "epochs=1", "batch_size=24")
THREE = (ABLATIONS[0], Ablation("heads", "none", ("aux_heads=0",)), Ablation("same", "as base"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small base, one change, and one that changes nothing."""
    monkeypatch.setattr(module, "PICTURES_SETTINGS", SMALL)
    monkeypatch.setattr(module, "ABLATIONS", THREE)


@pytest.mark.parametrize("base", [DIGITS_SETTINGS, PICTURES_SETTINGS])
def test_each_ablation_changes_its_part_and_nothing_else(base: tuple[str, ...]) -> None:
    config = TrainConfig().with_settings(base)
    plain, _ = design(config, 10)
    assert ABLATIONS[0].name == BASE and ABLATIONS[0].settings == ()
    for ablation in ABLATIONS:
        changed = config.with_settings(ablation.settings)
        spec, _ = design(changed, 10)
        given = {setting.partition("=")[0] for setting in ablation.settings}
        differ = {n for n in vars(config) if getattr(changed, n) != getattr(config, n)}
        assert differ <= given
        same = {"auxiliary heads": "stages", "classifier": "stages", "norm": "classifier"}
        part = same.get(ablation.group, "stages")
        assert getattr(spec, part) == getattr(plain, part), ablation.folder
    assert len({ablation.folder for ablation in ABLATIONS}) == len(ABLATIONS)


def test_rows_are_compared_with_the_base_and_kept(few: None, colours: Path, tmp_path: Path) -> None:
    begun: list[tuple[str, int, int]] = []

    def begins(ablation: Ablation, number: int, of: int) -> None:
        begun.append((ablation.name, number, of))

    rows = run_ablations(tmp_path, colours, threads=1, begins=begins)
    assert begun == [(BASE, 1, 2), ("none", 2, 2)]  # what changes nothing is left out
    base, bare = rows
    small, _ = design(TrainConfig().with_settings(SMALL), 2)
    assert base.difference == 0 and base.parameters == bare.parameters == cost(small).parameters
    assert base.parameters < cost(get_spec("googlenet_small")).parameters / 50
    assert bare.difference == bare.top1_accuracy - base.top1_accuracy
    own = evaluate(tmp_path / "base-as-it-is", colours)
    assert (own.top1_accuracy, own.loss) == (base.top1_accuracy, pytest.approx(base.loss))
    written = (tmp_path / "heads-none" / "last.safetensors").stat().st_mtime_ns
    assert run_ablations(tmp_path, colours, threads=1) == rows
    assert (tmp_path / "heads-none" / "last.safetensors").stat().st_mtime_ns == written


def test_stopped_ablations_go_on_and_other_settings_are_refused(
    few: None, colours: Path, tmp_path: Path
) -> None:
    def step(*_: object) -> None:
        if (tmp_path / "heads-none" / "config.json").exists():
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        run_ablations(tmp_path, colours, threads=1, reports=Reports(step=step))
    assert (tmp_path / "base-as-it-is" / "row.json").exists()
    assert not (tmp_path / "heads-none" / "row.json").exists()
    assert len(run_ablations(tmp_path, colours, threads=1)) == 2
    with pytest.raises(InputError, match=r"base-as-it-is is of a run with epochs=1, not"):
        run_ablations(tmp_path, colours, epochs=3)


def test_the_table_is_written_as_csv_and_markdown(
    few: None, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablations(tmp_path, colours, None, quiet=False, threads=1) == 0
    printed = capsys.readouterr().out
    assert "2 of 2: heads, none" in printed and "one seed: small differences are chance" in printed
    with (tmp_path / "ablations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == ["base", "heads"]
    lines = (tmp_path / "ablations.md").read_text().splitlines()
    assert len(lines) == 4 and "none (`aux_heads=0`)" in lines[3]
    saved = json.loads((tmp_path / "heads-none" / "row.json").read_text())
    assert markdown([module.Row(**saved)]).splitlines()[2].count("|") == 9


def test_digits_are_made_where_no_data_is_named(tmp_path: Path) -> None:
    config, place = module._base(tmp_path, None, epochs=2)
    assert (config.epochs, config.model, place) == (2, "googlenet_small", tmp_path / "digits")
    assert len(open_data(place).splits["train"]) == 1079

"""Cross-validation: every picture validates once, and what the folds' runs come to."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from colours import write_colours
from command_line import fails, run

from inception.data.datasets import open_data
from inception.data.holdout import Fold, in_fold
from inception.errors import InputError
from inception.training.run import train


@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_picture_is_in_one_fold_and_classes_are_spread(count: int) -> None:
    labels = np.repeat([0, 1, 2], [11, 20, 7])
    digests = [str(n).encode() for n in range(len(labels))]
    digests[3] = digests[4] = digests[5]  # copies
    digests[0], digests[30] = b"both", b"both"  # of two classes: learnt from
    folds = [in_fold(labels, digests, 0, Fold(n, count)) for n in range(1, count + 1)]
    times = np.sum(folds, axis=0)
    assert [int(n) for n in np.flatnonzero(times != 1)] == [0, 30] and not times[[0, 30]].any()
    assert all(len(set(fold[[3, 4, 5]].tolist())) == 1 for fold in folds)
    for label in range(3):
        held = [int(fold[labels == label].sum()) for fold in folds]
        assert max(held) - min(held) <= 2  # three copies weigh as one
    again = [in_fold(labels, digests, 0, Fold(n, count)) for n in range(1, count + 1)]
    assert np.array_equal(folds, again)
    other = [in_fold(labels, digests, 1, Fold(n, count)) for n in range(1, count + 1)]
    assert not np.array_equal(folds, other)


def test_a_fold_is_of_the_training_pictures_alone(colours: Path) -> None:
    data = open_data(colours)
    learning, validating = data.for_training(0, Fold(2, 4))
    keys = [{part.key(i) for i in range(len(part))} for part in (learning, validating)]
    assert len(keys[0]) + len(keys[1]) == 48 and not keys[0] & keys[1] and len(keys[1]) == 12
    assert learning.notes[-1] == "fold 2 of 4: 12 pictures of 48 validate; val left out"
    with pytest.raises(InputError, match="too few pictures"):
        data.for_training(0, Fold(1, 49))


def test_the_command_gives_mean_and_deviation(tmp_path: Path) -> None:
    data, out = str(write_colours(tmp_path / "colours")), tmp_path / "cv"
    how = ("--model", "lenet5", "--epochs", "1", "--threads", "1")
    done = run("train", data, *how, "--folds", "3", "--out", str(out), "--json", f"{out}.json")
    assert done.returncode == 0, done.stderr
    told = json.loads(Path(f"{out}.json").read_text())
    top1 = [member["top1_accuracy"] for member in told["members"]]
    assert told["mean_accuracy"] == pytest.approx(statistics.mean(top1))
    assert told["deviation"] == pytest.approx(np.std(top1, ddof=1))
    (told_of_all,) = [line for line in done.stdout.splitlines() if "± " in line]
    assert told_of_all.endswith("of 3 folds")
    assert [n for n in range(1, 4) if f"fold {n} of 3" in done.stdout] == [1, 2, 3]
    again = run("train", "--resume", str(out), "--json", "-")
    assert json.loads(again.stdout)["mean_accuracy"] == told["mean_accuracy"]
    assert "leave out --folds" in fails("train", "--resume", str(out), "--folds", "4")


def test_folds_and_other_ways_are_not_mixed(colours: Path, tmp_path: Path) -> None:
    place = str(colours)
    assert "--folds is of one network" in fails("train", place, "--folds", "3", "--members", "2")
    assert "folds must be 2 or more; got 1" in fails("train", place, "--folds", "1")
    with pytest.raises(InputError, match="folds are of several runs"):
        train(colours, folds=3, out=tmp_path / "run")
    with pytest.raises(InputError, match="fold 4 is none of 3 folds"):
        train(colours, folds=3, fold=4, out=tmp_path / "run")
    with pytest.raises(InputError, match="fold 1 is none of no folds"):
        train(colours, fold=1, out=tmp_path / "run")


def test_folds_that_only_guess_say_what_to_try(tmp_path: Path) -> None:
    data, out = str(write_colours(tmp_path / "colours")), tmp_path / "cv"
    how = ("--model", "lenet5", "--epochs", "1", "--threads", "1", "--lr", "1e-9")
    told = run("train", data, *how, "--folds", "3", "--out", str(out)).stdout.splitlines()
    said = [line for line in told if line.startswith("that is no better than always answering")]
    after = told[told.index(said[0]) + 1 :]
    assert len(said) == 1 and after[0].startswith("  --init: ")
    assert all(line.startswith("  ") for line in after)

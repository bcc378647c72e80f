"""Short trainings: two halves of a validation set, and a stopped one that goes on as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inception.models import get_spec
from inception.search.trainer import SHORT, Halved, open_task, short_training
from inception.training.folder import LAST
from inception.training.group import Interrupted

SPEC = replace(get_spec("nin_small"), num_classes=2)
CONFIG = replace(SHORT, epochs=2, image_size=32, batch_size=8, threads=1, precision="fp32")


def test_a_stopped_candidate_ends_as_one_that_was_not(colours: Path, tmp_path: Path) -> None:
    task = open_task(colours, CONFIG, 16)
    whole: list[list[float]] = []
    accuracy = short_training(SPEC, task, tmp_path / "whole", reached=lambda a: whole.append(a))
    steps: list[int] = []
    with pytest.raises(Interrupted):
        short_training(
            SPEC,
            task,
            tmp_path / "cut",
            stopping=lambda: len(steps) == 3,
            beat=lambda step, total: steps.append(step),
        )
    told: list[list[float]] = []
    again = short_training(SPEC, task, tmp_path / "cut", reached=lambda a: told.append(a))
    assert (again, told[-1]) == (accuracy, whole[-1])
    assert (tmp_path / "cut" / LAST).exists()
    with pytest.raises(Halved):
        short_training(SPEC, task, tmp_path / "half", reached=lambda accuracies: True)


def test_the_halves_of_the_validation_set_share_no_picture(colours: Path) -> None:
    task = open_task(colours, CONFIG, 6)
    assert len(task.train) == 6
    rows = [set(half.rows.tolist()) for half in (task.choosing, task.final)]
    assert not rows[0] & rows[1]
    assert abs(len(rows[0]) - len(rows[1])) <= 1
    assert {int(n) for n in np.unique(task.choosing.labels)} <= {0, 1}

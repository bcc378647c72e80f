"""Every picture once an epoch: over processes, threads, shards larger than memory, and kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import write_colours
from processes import launch, values

from inception.data import loading, tars
from inception.data.datasets import open_data
from inception.data.packing import Packing, pack
from inception.data.tars import TarSource
from inception.errors import InputError
from inception.training import loop, records
from inception.training.config import TrainConfig
from inception.training.loop import Training
from inception.training.run import train

DEATH = 4  # a step in the middle of the epoch, which has 10


def fed(data: Path, out: Path, told: Path, dies_at: int | None, resume: bool) -> None:
    """A run that writes down which pictures each of its steps learnt from, perhaps to its death."""
    assert TarSource.__init__.__kwdefaults__
    TarSource.__init__.__kwdefaults__["memory"], tars.STRETCH = 60_000, 9_000
    rank = int(os.environ["RANK"])
    batch_of, train_step = loading._batch, Training._train_step

    def noted(dataset: Any, prepared: Any, size: int) -> Any:
        batch = batch_of(dataset, prepared, size)
        object.__setattr__(batch, "keys", [dataset.key(i) for i, _ in prepared])
        return batch

    def step(self: Training, batch: Any) -> None:
        assert self.train_set.blocks is not None
        if self._global_step() == dies_at and rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        (told / f"{self.state.step}-{rank}").write_text(json.dumps(batch.keys))
        train_step(self, batch)

    loading._batch, Training._train_step = noted, step  # type: ignore[method-assign]
    if resume:
        train(None, resume=out)
    else:
        config = TrainConfig(model="lenet5", image_size=32, epochs=1, batch_size=5, threads=2,
                             device="cpu", lr=1e-3, checkpoint_s=1e-3)  # fmt: skip
        train(data, config, out=out)


def seen(told: Path) -> Counter[str]:
    """How often each picture was learnt from."""
    return Counter(key for path in told.iterdir() for key in json.loads(path.read_text()))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    pack(open_data(write_colours(folder / "d")), folder / "s", Packing(per_shard=20), threads=1)
    return folder / "s"


def test_three_processes_of_two_threads_see_each_picture_once_whatever_befalls_them(
    shards: Path, tmp_path: Path
) -> None:
    told, again = tmp_path / "told", tmp_path / "again"
    told.mkdir()
    every = Counter(open_data(shards).splits["train"].source.keys)
    assert len(every) == every.total() == 48
    ended = launch(3, fed, shards, tmp_path / "run", told, DEATH, False)
    assert ended[2].killed_by == signal.SIGKILL
    assert all(isinstance(each.error, InputError) for each in ended[:2])
    assert 0 < seen(told).total() < 48
    for path in told.iterdir():  # what died with the third is learnt from again
        if int(path.name.partition("-")[0]) >= DEATH:
            path.unlink()
    shutil.copytree(told, again)
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    for size, folder, learnt in ((3, "run", told), (2, "other", again)):
        values(launch(size, fed, shards, tmp_path / folder, learnt, None, True))
        assert seen(learnt) == every


def test_losses_read_together_are_those_read_one_by_one(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "draw_curves", lambda *_: None)
    monkeypatch.setattr(records, "draw_confusion", lambda *_: None)
    config = TrainConfig(model="lenet5", image_size=32, epochs=1, batch_size=8, accumulate=2,
                         threads=1, device="cpu", checkpoint_s=1e-3)  # fmt: skip
    losses, faults = [], []
    for steps in (1, 4):
        monkeypatch.setitem(loop.STEPS_UNREAD, "cpu", steps)
        train(colours, config, out=tmp_path / str(steps))
        rows = (tmp_path / str(steps) / "metrics.csv").read_text().splitlines()
        losses.append([row.split(",")[:6] for row in rows])
        assert 0 <= float(rows[1].split(",")[-1]) <= 1 and rows[0].endswith(",waiting")
        with pytest.raises(Exception, match="at step") as fault:
            train(colours, config, out=tmp_path / f"nan{steps}", lr=1e30, clip_norm=None)
        faults.append(str(fault.value))
    assert losses[0] == losses[1] and faults[0] == faults[1]
    assert np.isfinite(float(losses[0][1][2]))

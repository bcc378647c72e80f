"""What TensorBoard, MLflow and Weights & Biases are told; the last two by stand-ins."""

import importlib.machinery
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import fails, run

from inception.errors import InputError
from inception.runtime.torch_engine import pick_device
from inception.training.loggers import logged
from inception.training.loop import Reports

HOW = ("--model", "lenet5", "--threads", "1", "--quiet")
TOLD = {"loss", "val_loss", "top1_accuracy", "top5_accuracy", "lr", "seconds"}


@pytest.mark.filterwarnings("ignore")  # of TensorBoard's own imports
def test_tensorboard_has_a_point_an_epoch(colours: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    done = run(
        "train", str(colours), *HOW, "--epochs", "2", "--logger", "tensorboard", "--out", str(out)
    )
    assert done.returncode == 0, done.stderr
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) >= TOLD
    points = events.Scalars("top1_accuracy")
    rows = (out / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("top1_accuracy")
    assert [p.step for p in points] == [1, 2]
    assert [p.value for p in points] == [
        pytest.approx(float(row.split(",")[column])) for row in rows[1:]
    ]


class StandIn(ModuleType):
    """A package that keeps what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.told: list[Any] = []

    def start_run(self, **how: Any) -> Any:
        self.told.append(how)
        return SimpleNamespace(info=SimpleNamespace(run_id="abc"))

    def log_params(self, values: Any) -> None:
        self.told.append(values["model"])

    def log_metrics(self, values: Any, step: int) -> None:
        assert set(values) >= TOLD
        self.told.append(step)

    def end_run(self) -> None:
        self.told.append("end")

    def init(self, **how: Any) -> Any:
        self.told.append(how["config"]["model"])
        return SimpleNamespace(log=self.log_metrics, finish=self.end_run)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_others_are_told_settings_and_epochs(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = StandIn(name)
    monkeypatch.setitem(sys.modules, name, package)
    out = tmp_path / "run"
    done = run("train", str(colours), *HOW, "--epochs", "2", "--logger", name, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert package.told[-4:] == ["lenet5", 1, 2, "end"]
    if name == "mlflow":
        assert package.told[0] == {"run_id": None, "run_name": "run"}
        assert json.loads((out / "mlflow.json").read_text()) == {"run_id": "abc"}


def test_a_logger_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = StandIn("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", package)

    def refuse(values: Any, step: int) -> None:
        raise ConnectionError("no server\nat all")

    monkeypatch.setattr(package, "log_metrics", refuse)
    warned: list[str] = []
    config = SimpleNamespace(logger="mlflow", to_json=lambda: {"model": "lenet5"})
    start: Any = SimpleNamespace(config=config, folder=tmp_path, resumed_at=None, identity={})
    with logged(start, Reports(warning=warned.append)) as reports:
        for epoch in (1, 2):
            reports.epoch({"epoch": epoch, "loss": 1.0}, True)
    assert warned == ["mlflow is told no more: no server at all"]


def test_a_missing_logger_is_told_before_the_run(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inception.training.loggers.find_spec", lambda name: None)
    words = ("train", str(colours), *HOW, "--logger", "wandb", "--out", str(tmp_path / "run"))
    assert "pip install wandb" in fails(*words)
    assert not (tmp_path / "run").exists()
    assert "no logger named" in fails(*words[:-4], "--logger", "wandbb")


def test_apple_s_gpu_is_taken_where_torch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU of Apple's"):
        pick_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("mps") == torch.device("mps")
    assert pick_device("cpu") == torch.device("cpu")

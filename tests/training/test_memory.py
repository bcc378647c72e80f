"""A run for which there is no memory left ends in one line, and goes on."""

from pathlib import Path

import pytest
from command_line import run

from inception import cli
from inception.errors import lacks_memory
from inception.training import records
from inception.training.loop import Training

ALLOCATOR = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4294967296 bytes"
FAULTS = [MemoryError(), RuntimeError(ALLOCATOR), RuntimeError("CUDA out of memory. Tried to")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: str(f)[:9])
def test_a_run_without_memory_is_one_line_and_goes_on(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(records, "draw_curves", lambda *_: None)
    monkeypatch.setattr(records, "draw_confusion", lambda *_: None)
    train_step = Training._train_step

    def fails(self: Training, batch: object) -> None:
        if self.state.step == 2:
            raise fault
        train_step(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Training, "_train_step", fails)
    words = ["--model", "lenet5", "--image-size", "32", "--threads", "1", "--device", "cpu",
             "--steps", "3", "--batch-size", "9", "--set", "checkpoint_s=0.001"]  # fmt: skip
    done = run("train", str(colours), *words, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "not enough memory: give it more" in line and "goes on with it" in line
    monkeypatch.setattr(Training, "_train_step", train_step)
    assert run("train", "--resume", str(tmp_path / "run")).returncode == 0


def test_other_faults_of_torch_are_no_lack_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> int:
        raise error

    assert cli._status(lambda: fail(RuntimeError(ALLOCATOR))) == 2
    assert "not enough memory" in capsys.readouterr().err
    other = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not lacks_memory(other) and not lacks_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError, match="mat1"):
        cli._status(lambda: fail(other))

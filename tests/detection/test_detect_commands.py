"""``inception detect train`` and ``evaluate`` as they are typed."""

import json
import signal
from pathlib import Path

import pytest
from command_line import fails, run

from inception.detection import run as detect_run
from inception.training.loop import Reports

pytestmark = pytest.mark.usefixtures("quick_search")
SMALL = ["--set", "context_px=4", "--set", "regions=8", "--picture-size", "64", "--threads", "1"]


def command(squares: Path, classifier: Path, out: Path, *more: str) -> list[str]:
    made_of = ["--init", str(classifier), "--out", str(out), "--epochs", "1"]
    return ["detect", "train", str(squares), *made_of, *SMALL, *more]


def test_a_run_is_trained_measured_and_told_as_json(
    squares: Path, classifier: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = run(*command(squares, classifier, out))
    assert done.returncode == 0, done.stderr
    assert "fast on small from" in done.stdout and "frozen up to c2" in done.stdout
    assert "2 classes (green, red); 8 pictures to learn from, 3 to validate on" in done.stdout
    assert "mAP " in done.stdout and f"the detector: {out / 'model.safetensors'}" in done.stdout
    coco = tmp_path / "found.json"
    told = run("detect", "evaluate", str(out), str(squares), "--json", "-", "--coco", str(coco))
    values = json.loads(told.stdout)
    assert {"map50", "map", "per_class", "seconds", "images", "unreadable"} <= values.keys()
    assert [row["class"] for row in values["per_class"]] == ["green", "red"]
    for row in json.loads(coco.read_text()):
        assert row["image_id"] in (1, 2, 3) and row["category_id"] in (1, 2)
    told = run("detect", "evaluate", str(out), str(out), str(squares), "--limit", "2")
    assert "by 2 detectors together on 2 pictures (val)" in told.stdout


def test_ctrl_c_saves_and_says_how_to_go_on(
    squares: Path, classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    learning = detect_run.Learning.__init__

    def interrupted(self: object, *parts: object, **how: object) -> None:
        reports = Reports(lambda *_: signal.raise_signal(signal.SIGINT))
        learning(self, *parts, **{**how, "reports": reports})  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(detect_run.Learning, "__init__", interrupted)
        done = run(*command(squares, classifier, out))
    assert done.returncode == 130
    assert f"`inception detect train --resume {out}` goes on with it" in done.stderr
    done = run("detect", "train", "--resume", str(out))
    assert done.returncode == 0 and "resumed at epoch 1, step 1" in done.stdout


def test_settings_are_listed() -> None:
    done = run("detect", "train", "--set", "help")
    assert done.returncode == 0
    assert "mode=fast" in done.stdout and "kept_regions=64" in done.stdout


TRAIN = ["detect", "train", "DATA"]
WRONG = {
    "no data": (["detect", "train"], "training needs a data set"),
    "no such setting": (
        [*TRAIN, "--set", "region=8"],
        "did you mean 'regions'?",
    ),
    "no value": ([*TRAIN, "--set", "regions"], "a setting is key=value"),
    "no number": (
        [*TRAIN, "--set", "regions=few"],
        "regions takes a whole number",
    ),
    "an unknown mode": ([*TRAIN, "--mode", "faster"], "faster"),
    "another setting on resuming": (
        ["detect", "train", "--resume", "x", "--epochs", "3"],
        "a resumed run keeps its settings",
    ),
    "no run to resume": (["detect", "train", "--resume", "nowhere"], "no run folder"),
    "no detector to measure": (["detect", "evaluate", "DATA"], "a detector is needed too"),
    "no such data": (["detect", "train", "nowhere"], "no such file or folder: nowhere"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_callers_mistake_is_told_in_one_line(
    arguments: list[str], said: str, squares: Path
) -> None:
    assert said in fails(*(str(squares) if each == "DATA" else each for each in arguments))

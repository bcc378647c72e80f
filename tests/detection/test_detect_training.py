"""Detectors are trained: they learn, and a run that was killed goes on as if it had not been."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inception.detection.detector import Mode
from inception.detection.detector_file import read_detector
from inception.detection.evaluate import evaluate
from inception.detection.run import DetectReports, train
from inception.detection.settings import DetectConfig
from inception.detection.svm import fit_svm
from inception.errors import InputError
from inception.training.loop import Reports
from inception.training.records import read_start

pytestmark = pytest.mark.usefixtures("quick_search")


class KilledError(Exception):
    """Stands for SIGKILL: nothing is saved any more."""


@pytest.fixture
def config(classifier: Path) -> DetectConfig:
    return DetectConfig(
        init=str(classifier), picture_size=64, context_px=4, epochs=2, regions=16, kept_regions=24,
        threads=1, device="cpu", checkpoint_s=1e-9, batch_size=3,
    )  # fmt: skip


def killed_after(steps: int) -> DetectReports:
    done = iter(range(1, 10**6))

    def step(*_: Any) -> None:
        if next(done) > steps:
            raise KilledError

    return DetectReports(training=Reports(step))


@pytest.mark.parametrize(
    ("mode", "freeze", "optimiser"),
    [
        ("fast", "pooled", "muon"),
        ("fast", "none", "muon"),
        ("fast", "mixed", "adamw"),
        ("rcnn", "pooled", "muon"),
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    mode: Mode,
    freeze: str,
    optimiser: str,
    config: DetectConfig,
    squares: Path,
    tmp_path: Path,
) -> None:
    settings = {"mode": mode, "freeze": freeze, "optimiser": optimiser}  # as --set takes them
    config = config.with_settings([f"{name}={value}" for name, value in settings.items()])
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(squares, config, out=whole)
    with pytest.raises(KilledError):
        train(squares, config, out=broken, reports=killed_after(4))
    train(None, resume=broken)
    ours, theirs = (load_file(place / "model.safetensors") for place in (whole, broken))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    frozen = {"pooled": ("c1.", "mixed.", "c2."), "none": (), "mixed": ("c1.", "mixed.")}[freeze]
    first = load_file(config.init)
    for name, values in ours.items():
        if not name.startswith("classifier.") and name.endswith(".weight"):
            same = torch.equal(values, first[name])
            assert same == name.startswith(frozen), name


def test_a_detector_learns_to_find_squares(
    config: DetectConfig, squares: Path, tmp_path: Path
) -> None:
    config = replace(config, freeze="none", epochs=40, lr=1e-2, batch_size=4, regions=32)
    rows: list[dict[str, Any]] = []
    reports = DetectReports(training=Reports(epoch=lambda row, best: rows.append(row)))
    summary = train(squares, config, out=tmp_path / "run", reports=reports)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert summary.evaluation.metrics["map50"] > 0.3  # of what cannot be seen, about 0
    info = read_detector(tmp_path / "run" / "model.safetensors")
    assert info.metrics["map50"] == summary.evaluation.metrics["map50"]
    names = {"config.json", "metrics.csv", "curves.png", "unreadable.csv", "last.safetensors"}
    assert names <= {path.name for path in (tmp_path / "run").iterdir()}
    again, _ = evaluate([tmp_path / "run"], squares, threads=1)
    assert again.metrics == summary.evaluation.metrics
    twice, _ = evaluate([tmp_path / "run", tmp_path / "run"], squares, threads=1)
    assert twice.metrics["map50"] == pytest.approx(again.metrics["map50"])  # as sure as itself


def test_svms_score_regions_in_place_of_the_softmax(
    config: DetectConfig, squares: Path, tmp_path: Path
) -> None:
    summary = train(
        squares, replace(config, mode="rcnn", scoring="svm", freeze="none"), out=tmp_path / "run"
    )
    assert read_detector(summary.model).detector.scoring == "svm"
    weights = load_file(summary.model)["classifier.logits.linear.weight"]
    assert bool((weights[2] == 0).all()) and bool((weights[:2] != 0).any())


def test_an_svm_is_scikit_learns() -> None:
    from sklearn.svm import LinearSVC

    from inception.detection.svm import COST, POSITIVE_WEIGHT

    generator = torch.Generator().manual_seed(0)
    features = 5 * torch.randn(60, 4, generator=generator)
    positive = features[:, 0] + 0.3 * features[:, 1] > 2
    weight, bias = fit_svm(features, positive)
    theirs = LinearSVC(
        C=1.0, tol=1e-8, max_iter=100_000, intercept_scaling=1e3,
        class_weight={True: COST * POSITIVE_WEIGHT, False: COST},
    )  # fmt: skip
    theirs.fit(features.numpy(), positive.numpy())
    assert weight.tolist() == pytest.approx(theirs.coef_[0].tolist(), abs=1e-3)
    assert float(bias) == pytest.approx(float(theirs.intercept_[0]), abs=1e-3)


Change = Callable[[DetectConfig], DetectConfig]
WRONG: dict[str, tuple[Change, str]] = {
    "freezing past what is pooled": (
        lambda c: replace(c, freeze="top"),
        "freeze that stage or one",
    ),
    "no such stage to freeze": (lambda c: replace(c, freeze="c9"), "no stage named 'c9'"),
    "no such stage to pool": (lambda c: replace(c, stage="c9"), "named 'c9'"),
    "no such model": (lambda c: replace(c, init="nothing"), "no such model: nothing"),
    "an architecture": (lambda c: replace(c, init="googlenet"), "has no weights"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_trained_is_said_in_one_line(
    change: Change, said: str, config: DetectConfig, squares: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        train(squares, change(config), out=tmp_path / "run")


def test_a_resumed_run_must_be_a_detectors_and_its_data_the_same(
    config: DetectConfig, squares: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no run folder"):
        train(None, resume=tmp_path)
    (tmp_path / "config.json").write_text('{"config": {}, "data": {}, "model": {}}')
    with pytest.raises(InputError, match="no run of a detector"):
        train(None, resume=tmp_path)
    run = tmp_path / "run"
    train(squares, replace(config, epochs=1), out=run)
    with pytest.raises(InputError, match="holds a run already: `inception detect train --resume"):
        train(squares, config, out=run)
    assert train(None, resume=run).epochs == 1  # it had ended already
    with pytest.raises(InputError, match="is a detector's run: `inception detect train --resume"):
        read_start(run)


def test_sizes_of_views_are_shares() -> None:
    config = DetectConfig().with_settings(["smaller=0.5,0.8"])
    assert DetectConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.with_settings(["smaller=none"]).smaller == ()
    for wrong in ("0", "1.5", "0.5,-1", "nan"):
        with pytest.raises(InputError, match=r"^smaller must be above 0, at most 1; got"):
            config.with_settings([f"smaller={wrong}"])

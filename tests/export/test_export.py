"""Exports answer as the model does, say so beside them, and are refused where they do not."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inception.export
from inception import Predictor, create_model, evaluate, load
from inception.cli import main
from inception.errors import InputError
from inception.evaluation.calibration import calibrate
from inception.export import export
from inception.export.certificate import Bars, Certificate, Comparison, share_range
from inception.models.spec import CLASSES, Conv, Flatten, Linear, LocalResponseNorm, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine, read_program
from inception.runtime.program import Normalise, Program
from inception.weights.model_file import ModelInfo, read_info, save_model

FILES = {"openvino": "m.xml", "onnx": "m.onnx", "pt2": "m.pt2"}
WAYS = [(f, p) for f in FILES for p in ("fp32", "fp16", "int8") if (f, p) != ("pt2", "int8")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Tells green from red by their means: right on every picture of ``colours``."""
    spec = Spec(
        "greener",
        stages={
            "conv": {"conv": Conv(3), "norm": LocalResponseNorm(size=3)},
            "pool": Pool("average", grid=1),
        },
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=2,
        preprocessing=Preprocessing(size=16, mean=(0.0,) * 3, std=(255.0,) * 3),
    )
    weights = {n: torch.zeros_like(w) for n, w in create_model(spec).state_dict().items()}
    weights["conv.conv.conv.weight"] = torch.eye(3)[:, :, None, None]
    weights["classifier.linear.linear.weight"] = torch.tensor([[0.0, 9, 0], [9.0, 0, 0]])
    path = tmp_path / "greener.safetensors"
    save_model(path, weights, ModelInfo(spec, ("green", "red"), licence="CC0", temperature=1.5))
    return path


@pytest.mark.parametrize(("format", "precision"), WAYS)
def test_an_export_answers_as_the_model_and_says_so(
    format: str, precision: str, model: Path, colours: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / FILES[format]
    certificate = export(model, format, out, precision=precision, calibrate=colours)
    assert certificate is not None and not certificate.failures
    assert certificate.pictures == 16 and certificate.accuracy == certificate.accuracy_torch == 1.0
    assert certificate.agreement == 1.0
    assert certificate.largest_difference < {"fp32": 1e-5, "fp16": 1e-3, "int8": 0.05}[precision]
    said = json.loads((out.parent / f"{out.name}.certificate.json").read_text("utf-8"))
    assert said == json.loads(json.dumps(certificate.to_json())) and said["passed"]
    text = (out.parent / f"{out.name}.certificate.txt").read_text("utf-8")
    assert "same class    100.00%" in text and f"{format}, {precision}" in text
    proofs = {f"{out.name}.certificate.json", f"{out.name}.certificate.txt"}
    weights = {"m.bin"} if format == "openvino" else set()
    assert {f.name for f in out.parent.iterdir()} == {out.name} | weights | proofs


@pytest.mark.parametrize("file", ["m.xml", "m.onnx"])
def test_an_exported_file_is_a_model(file: str, model: Path, colours: Path, tmp_path: Path) -> None:
    format = next(f for f, name in FILES.items() if name == file)
    out = tmp_path / file
    assert export(model, format, out) is None  # nothing to compare on
    assert read_info(out) == read_info(model)
    picture = next((colours / "val" / "red").iterdir())
    wanted = Predictor(model, "torch").predict(picture)[0].top
    got = Predictor(out).predict(picture)[0].top
    assert [t.label for t in got] == ["red", "green"]
    assert [t.probability for t in got] == pytest.approx([t.probability for t in wanted], abs=1e-5)
    assert evaluate(out, colours).top1_accuracy == 1.0
    code = (
        "import sys; from inception.cli import main\n"
        "try: main()\nfinally: sys.stderr.write(str('torch' in sys.modules))"
    )
    command = [sys.executable, "-c", code, "predict", str(out), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("red") and done.stderr == "False"


def test_onnx_files_run_in_openvino_too(model: Path, tmp_path: Path) -> None:
    export(model, "onnx", tmp_path / "m.onnx")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    engines = [create_engine(tmp_path / "m.onnx", name) for name in ("onnx", "openvino")]
    one, other = (engine.run(pictures)["probabilities"] for engine in engines)
    np.testing.assert_allclose(one, other, atol=1e-6)


def with_wrong_mean(path: Path) -> Program:
    program = read_program(path)
    wrong = np.array((250, 0, 0), np.float32)
    steps = [replace(s, mean=wrong) if isinstance(s, Normalise) else s for s in program.steps]
    return replace(program, steps=tuple(steps))


@pytest.mark.parametrize("format", FILES)
def test_an_export_with_a_wrong_mean_is_refused_and_leaves_nothing(
    format: str,
    model: Path,
    colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(inception.export, "read_program", with_wrong_mean)
    out = tmp_path / "out" / FILES[format]
    words = ["export", str(model), "--format", format, "--out", str(out), "--check", str(colours)]
    monkeypatch.setattr(sys, "argv", ["inception", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert list(out.parent.iterdir()) == []
    printed = capsys.readouterr()
    assert "refused, nothing written: agreement 50.00% is under 98%; accuracy drops" in printed.err
    assert "accuracy      50.00%, torch 100.00%, a drop of 50.00 points" in printed.out


def without_temperature(path: Path) -> Program:
    program = read_program(path)
    steps = [replace(s, temperature=1.0) if hasattr(s, "temperature") else s for s in program.steps]
    assert steps != list(program.steps)
    return replace(program, steps=tuple(steps))


@pytest.mark.parametrize(("format", "precision"), WAYS)
def test_an_export_that_lost_its_temperature_is_refused(
    format: str,
    precision: str,
    model: Path,
    colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It puts every picture into the same class as before."""
    monkeypatch.setattr(inception.export, "read_program", without_temperature)
    certificate = export(
        model, format, tmp_path / FILES[format], precision=precision, calibrate=colours
    )
    assert certificate is not None and certificate.agreement == 1.0
    assert "before any rounding they differ by" in "; ".join(certificate.failures)
    assert not (tmp_path / FILES[format]).exists()


def test_answers_that_are_no_numbers_are_refused_in_valid_json() -> None:
    answers = np.full((8, 2, 2), 0.5, np.float32)
    answers[3, 1] = np.nan
    certificate = of(Comparison(answers, np.zeros(8, np.int64), (1.0, 1.0), 0))
    assert certificate.failures == ("its or torch's answers to 1 pictures are no numbers",)
    said = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    assert (said["passed"], said["largest_difference"]) == (False, None)
    assert "probabilities are no numbers" in certificate.to_text()


def of(comparison: Comparison, precision: str = "int8", **bars: float) -> Certificate:
    facts = {"model": "m", "file": "f", "format": "onnx", "pictures_from": "p", "options": {}}
    return Certificate.of(comparison, Bars(**bars), precision=precision, bytes=1, calibrated_on=9,
                          calibrated_alike=0, versions={}, **facts)  # fmt: skip


def compared(count: int, wrong: int, *, shift: float = 0.0) -> Comparison:
    """Two that are equally sure and disagree about so many pictures, torch being right."""
    one, other = np.full((count, 2), (0.9, 0.1)), np.full((count, 2), (0.9 - shift, 0.1 + shift))
    other[:wrong] = (0.1, 0.9)
    told = np.stack([one, other], axis=1).astype(np.float32)
    return Comparison(told, np.zeros(count, np.int64), (0.2, 0.1), 0)


@pytest.mark.parametrize(
    ("count", "wrong", "bars", "passes"),
    [
        (153, 0, {}, True),
        (153, 4, {}, True),  # what a good int8 model may do by chance
        (153, 15, {}, False),
        (2000, 52, {}, False),  # the same share as 4 of 153, surely
        (2000, 52, {"min_agreement": 0.97, "max_drop": 3}, True),
        (8, 4, {}, False),
        (1, 1, {}, False),
        (40, 16, {"min_agreement": 0.5, "max_drop": 60}, True),
    ],
)
def test_the_bar_knows_how_many_pictures_there_were(
    count: int, wrong: int, bars: dict[str, float], passes: bool
) -> None:
    certificate = of(compared(count, wrong), **bars)
    assert (not certificate.failures) == passes, certificate.failures
    low, high = certificate.agreement_range
    assert low <= certificate.agreement <= high
    text = certificate.to_text()
    assert f"of all such pictures {low:.1%} to {high:.1%} (95 % sure)" in text
    if not passes:
        assert "--calibrate" not in certificate.advice
        assert all(x in certificate.advice for x in ("calibrate on", "fp16", "--min-agreement"))


@pytest.mark.parametrize(("hits", "count"), [(149, 153), (0, 5), (5, 5), (1, 1), (1960, 2000)])
def test_the_range_of_a_share_is_clopper_and_pearson_s(hits: int, count: int) -> None:
    beta = pytest.importorskip("scipy.stats").beta
    low = 0.0 if hits == 0 else beta.ppf(0.05, hits, count - hits + 1)
    high = 1.0 if hits == count else beta.ppf(0.95, hits + 1, count - hits)
    assert share_range(hits, count) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("precision", "shift", "passes"),
    [("fp32", 9e-5, True), ("fp32", 2e-4, False), ("fp16", 9e-3, True), ("fp16", 2e-2, False)],
)
def test_probabilities_may_differ_as_the_precision_does(
    precision: str, shift: float, passes: bool
) -> None:
    assert (not of(compared(50, 0, shift=shift), precision).failures) == passes


def test_pictures_calibrated_on_are_not_compared_on(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    flat = colours / "train"  # no splits
    (tmp_path / "flat").mkdir()
    certificate = export(model, "onnx", tmp_path / "m.onnx", precision="int8", calibrate=flat)
    assert certificate is not None and certificate.calibrated_alike == 0
    assert (certificate.calibrated_on, certificate.pictures) == (24, 24)
    assert "on 24 pictures, none of them among those compared on" in certificate.to_text()
    one = flat / "red" / "0.png"
    certificate = export(model, "onnx", tmp_path / "n.onnx", precision="int8", calibrate=one)
    assert certificate is not None and certificate.calibrated_alike == certificate.pictures == 1


def test_a_graph_beside_another_export_s_weights_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(model, "openvino", tmp_path / "one.xml")
    assert Predictor(tmp_path / "one.xml").classes == ("green", "red")
    with monkeypatch.context() as patch:
        patch.setattr(inception.export, "read_program", with_wrong_mean)
        export(model, "openvino", tmp_path / "other.xml")
    (tmp_path / "other.bin").rename(tmp_path / "one.bin")
    with pytest.raises(InputError, match=r"one.bin is not the one that .*one.xml was exported"):
        Predictor(tmp_path / "one.xml")
    text = (tmp_path / "one.xml").read_text()
    older = re.sub(r"<inception_weights [^>]*/>", "", text)
    assert older != text
    (tmp_path / "one.xml").write_text(older)
    Predictor(tmp_path / "one.xml")  # exports of older versions have no digest


def test_an_openvino_file_says_with_which_option_its_certificate_holds(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    import openvino as ov

    certificate = export(model, "openvino", tmp_path / "m.xml", check=colours)
    assert certificate is not None
    assert certificate.options == {"INFERENCE_PRECISION_HINT": "f32"}
    assert "holds with    INFERENCE_PRECISION_HINT=f32" in certificate.to_text()
    said = (
        ov.Core()
        .read_model(tmp_path / "m.xml")
        .get_rt_info(["runtime_options", "INFERENCE_PRECISION_HINT"])
    )
    assert said.astype(str) == "f32"


def test_pictures_without_labels_are_compared_on_too(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    place = colours / "val" / "red"
    (place / "broken.png").write_bytes(b"no picture")
    certificate = export(model, "onnx", tmp_path / "m.onnx", check=place)
    assert certificate is not None and certificate.accuracy is None
    assert (certificate.pictures, certificate.unreadable) == (8, 1)
    assert "accuracy      unknown" in certificate.to_text()


@pytest.mark.parametrize(
    ("format", "out", "how", "message"),
    [
        ("onxn", "m.onnx", {}, "no format named 'onxn'; did you mean 'onnx'"),
        ("onnx", "m.xml", {}, "onnx is written to a .onnx file"),
        ("onnx", "m.onnx", {"precision": "int4"}, "no precision named 'int4'"),
        ("pt2", "m.pt2", {"precision": "int8"}, "pt2 has no int8; it has fp32, fp16"),
        ("onnx", "m.onnx", {"precision": "int8"}, "int8 needs pictures .*--calibrate DATA"),
        ("onnx", "m.onnx", {"check": "gone"}, "no such file or folder: gone"),
        ("onnx", "m.onnx", {"max_drop": -1}, "max-drop is in points, from 0; got -1"),
        ("onnx", "m.onnx", {"max_drop": float("nan")}, "max-drop is in points, from 0; got nan"),
        ("onnx", "m.onnx", {"min_agreement": 98}, "min-agreement is from 0 to 1; got 98"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    format: str, out: str, how: dict[str, Any], message: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        export(model, format, tmp_path / "out" / out, **how)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["m.xml", "m.onnx"])
def test_an_exported_file_is_not_taken_for_weights(file: str, model: Path, tmp_path: Path) -> None:
    out = tmp_path / file
    export(model, next(f for f, name in FILES.items() if name == file), out)
    with pytest.raises(InputError, match="was exported and has no torch network"):
        load(out)
    with pytest.raises(InputError, match="was exported before"):
        export(out, "onnx", tmp_path / "n.onnx")
    with pytest.raises(InputError, match="torch cannot run it"):
        create_engine(out, "torch")
    with pytest.raises(InputError, match="was exported and stays as it is"):
        calibrate(out, tmp_path)


@pytest.mark.parametrize("file", ["m.xml", "m.onnx"])
@pytest.mark.parametrize("content", [b"", b"<xml", b"\xff\x00GIF89a", b"<net></net>"])
def test_a_file_of_another_kind_is_refused_by_name(
    file: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=file):
        Predictor(tmp_path / file)

"""Exports answer as the model does, say so beside them, and are refused where they do not."""

import json
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


def test_a_drop_that_is_allowed_passes(
    model: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception.export, "read_program", with_wrong_mean)
    monkeypatch.setattr("inception.export.certificate.LEAST_AGREEMENT", 0.4)
    certificate = export(model, "onnx", tmp_path / "m.onnx", check=colours, max_drop=60)
    assert certificate is not None and certificate.drop == pytest.approx(50)
    assert (tmp_path / "m.onnx").exists()


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
        calibrate(out, np.full((2, 2), 0.5, np.float32), np.array([0, 1]))


@pytest.mark.parametrize("file", ["m.xml", "m.onnx"])
@pytest.mark.parametrize("content", [b"", b"<xml", b"\xff\x00GIF89a", b"<net></net>"])
def test_a_file_of_another_kind_is_refused_by_name(
    file: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=file):
        Predictor(tmp_path / file)

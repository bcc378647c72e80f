"""``inception benchmark`` as its users meet it."""

import json
from pathlib import Path

import pytest
from command_line import fails, run
from PIL import Image

KEYS = [  # DESIGN §5
    *("name", "engine", "precision", "batch", "images_per_second", "latency_ms_p50"),
    *("latency_ms_p99", "peak_memory_mb", "macs_per_second", "share_of_ceiling"),
]


def test_table_json_and_plot_of_a_fresh_network(tmp_path: Path, colours: Path) -> None:
    wanted = ["lenet5", "--engines", "torch,openvino", "--batch-sizes", "2"]
    wanted += ["--precisions", "int8,fp32", "--seconds", "0"]
    outputs = ["--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")]
    done = run("benchmark", *wanted, *outputs, "--pictures", str(colours / "val"), "--threads", "1")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "a.json").read_text())
    forms = [("torch", "fp32"), ("openvino", "fp32"), ("openvino", "int8")]
    assert [(row["engine"], row["precision"]) for row in rows] == forms
    row = rows[0]
    assert list(row)[: len(KEYS)] == KEYS
    assert row["name"] == "lenet5" and row["batch"] == 2
    assert row["images_per_second"] == pytest.approx(2000 / row["latency_ms_p50"])
    assert row["macs_per_second"] == pytest.approx(416_520 * row["images_per_second"])
    assert row["latency_ms_p99"] >= row["latency_ms_p50"] > 0 and row["files_per_second"] > 0
    assert f"{row['images_per_second']:,.1f}" in done.stdout
    assert "1 threads; the machine's best dense kernel: fp32" in done.stdout
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG" and image.width > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no such model: missing"),
        (["--batch-sizes", "1,x"], "--batch-sizes are whole numbers, as 1,8,32; got '1,x'"),
        (["--batch-sizes", "0"], "--batch-sizes are whole numbers"),
        (["--against", "timm"], "no rival named 'timm'"),
        (["--engines", "trch"], "no engine named 'trch'; did you mean 'torch'?"),
        (["--precisions", "int4"], "no precision named 'int4'"),
        (["--precisions", "int8", "--engines", "torch"], "only openvino and onnx run int8"),
        (["--pictures", "missing"], "no such file or folder: missing"),
        (["googlenet_small", "--against", "torchvision"], "torchvision has no googlenet_small"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    assert message in fails("benchmark", *arguments)

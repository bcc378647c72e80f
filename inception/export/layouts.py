"""Model repositories for other servers: NVIDIA Triton, OpenVINO Model Server.

A repository has a folder a model, with a folder a version in it. What describes the model lies
around its file, which ``export`` writes and checks as ever.
"""

from __future__ import annotations

import json
from pathlib import Path

from inception.errors import InputError, unknown
from inception.files import write_text
from inception.prediction import MODEL_FILES
from inception.runtime.program import PICTURES, PROBABILITIES
from inception.weights.model_file import ModelInfo, read_info

LAYOUTS = ("triton", "ovms")
BACKENDS = {".xml": "openvino", ".onnx": "onnxruntime"}  # Triton's, by the suffix of the file
FORMATS = {"openvino": ".xml", "onnx": ".onnx"}
VERSION = "1"
LABELS = "labels.txt"
CONFIG = "config.json"
MOST_AT_ONCE = 32
WAIT_US = 5000
QUEUE = 256


def place_in(repository: Path, layout: str, format: str, model: str) -> Path:
    """Where a model's file lies in a repository.

    Raises:
        InputError: no such layout, or a format that its server does not load.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    if format not in FORMATS:
        raise InputError(f"{layout} loads {' and '.join(FORMATS)}; got --format {format}")
    given = Path(model)
    name = given.stem if given.suffix in MODEL_FILES else given.resolve().name
    return repository / name / VERSION / f"model{FORMATS[format]}"


def describe(file: Path, layout: str) -> None:
    """Writes what the layout's server reads about a model's file, and the class names.

    Raises:
        InputError: the place cannot be written to, or holds a configuration that is none.
    """
    info, folder = read_info(file), file.parents[1]
    write_text(folder / LABELS, "".join(f"{' '.join(c.split())}\n" for c in info.classes))
    if layout == "triton":
        write_text(folder / "config.pbtxt", triton_config(folder.name, file.suffix, info))
    else:
        path = folder.parent / CONFIG
        write_text(path, json.dumps(ovms_config(path, folder.name), indent=2) + "\n")


def triton_config(name: str, suffix: str, info: ModelInfo) -> str:
    """A ``ModelConfig`` as text: pictures that arrive together run together."""
    side = info.preprocessing.size
    how = json.dumps(info.preprocessing.to_json())
    return f"""\
name: {_quoted(name)}
backend: "{BACKENDS[suffix]}"
default_model_filename: "model{suffix}"
max_batch_size: {MOST_AT_ONCE}
input [ {{ name: "{PICTURES}" data_type: TYPE_UINT8 dims: [ {side}, {side}, 3 ] }} ]
output [ {{
  name: "{PROBABILITIES}" data_type: TYPE_FP32 dims: [ {len(info.classes)} ]
  label_filename: "{LABELS}"
}} ]
dynamic_batching {{
  max_queue_delay_microseconds: {WAIT_US}
  default_queue_policy {{ max_queue_size: {QUEUE} }}
}}
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
parameters {{ key: "preprocessing" value {{ string_value: {_quoted(how)} }} }}
"""


def ovms_config(path: Path, name: str) -> dict[str, list[dict[str, dict[str, object]]]]:
    """The server's list of models, with this one in it; the batch is as large as a request's."""
    try:
        known = json.loads(path.read_text("utf-8"))["model_config_list"] if path.exists() else []
        others = [entry for entry in known if entry["config"]["name"] != name]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no configuration of OpenVINO Model Server") from error
    own = {"name": name, "base_path": name, "plugin_config": {"PERFORMANCE_HINT": "THROUGHPUT"}}
    return {"model_config_list": [*others, {"config": own}]}


def _quoted(text: str) -> str:
    """A string of a protocol buffer's text format: what is not plain ASCII by its octal number."""
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in text.encode())
    return f'"{"".join(plain)}"'

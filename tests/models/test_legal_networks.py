"""What is no legal network is refused in one line that names it, at once and without memory."""

import copy
import json
import math
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from torch import nn

from inception import create_model
from inception.errors import InputError
from inception.models import MODELS
from inception.models.check import DEEPEST, MOST_LAYERS, check
from inception.models.network import InceptionNet
from inception.models.reserved import MODULE_NAMES, NETWORK_NAMES
from inception.models.spec import (
    CLASSES,
    Conv,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Spec,
    branches,
)
from inception.preprocessing import Preprocessing
from inception.runtime import read_program
from inception.weights.description import KEY
from inception.weights.model_file import ModelInfo, load_model, read_info, save_model

SPEC = Spec(
    "small",
    {
        "a": Conv(4, kernel=3, norm=Norm()),
        "b": Pool("max", kernel=2, stride=2),
        "c": branches(p=Conv(2), q={"r": Conv(2), "s": Conv(3, kernel=3)}),
        "d": LocalResponseNorm(),
        "e": Residual({"x": Conv(5)}),
    },
    {
        "pool": Pool("average", grid=1),
        "flatten": Flatten(),
        "drop": Dropout(0.5),
        "logits": Linear(CLASSES),
    },
    aux={"b": {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)}},
    num_classes=3,
    preprocessing=Preprocessing(size=24),
)
INFO = ModelInfo(SPEC, ("u", "v", "w"))
S, C = "spec.stages", "spec.classifier"
NAN, INF = math.nan, math.inf
DROP = "(left out)"  # text, so that every process names the cases alike


def nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = {"m": value}
    return value


CONV: dict[str, Any] = {"layer": "conv", "width": 5}
POOL: dict[str, Any] = {"layer": "pool", "kind": "max", "kernel": 2}
WRONG: list[tuple[str, Any]] = [  # where in the description, what stands there instead
    *[(f"{S}.a.width", v) for v in (0, -1, 1.5, "many", "8", True, None, [4], 10**9, 10**30, NAN)],
    *[(f"{S}.a.kernel", v) for v in ([], [1, 2, 3], [3, "x"], 0, 2.0, 10**9, None, {"a": 1})],
    *[(f"{S}.a.stride", v) for v in (0, 1.5, [1], 10**9)],
    *[(f"{S}.a.padding", v) for v in (-1, 2, 1.5, None, "foo", 5000, 10**9, [0, 2], [0, 0, 0])],
    *[(f"{S}.a.groups", v) for v in (0, 2, 3, "x")],
    *[(f"{S}.a.multiplier", v) for v in (0, 2)],
    *[(f"{S}.a.activation", v) for v in ("gelu", ["relu"], {"a": 1}, 1)],
    *[(f"{S}.a.bias", v) for v in ("yes", 1)],
    *[(f"{S}.a.norm", v) for v in ("batch", POOL, {"layer": "norm", "eps": "x"}, 3)],
    *[(f"{S}.a.norm.{f}", v) for f in ("eps", "momentum") for v in (-5.0, NAN, INF, None)],
    *[(f"{S}.b.kind", v) for v in ("median", None, "MAX", DROP)],
    *[(f"{S}.b.kernel", v) for v in (DROP, 1000, 10**6)],
    *[(f"{S}.b.grid", v) for v in (0, [2, 2], 30000, 2**33, 1.0)],
    *[(f"{S}.b.ceil", v) for v in (1, "no")],
    (f"{S}.b.padding", 2),
    *[(f"{S}.c.branches", v) for v in ({}, [1], None, {"p": {}, "q": POOL})],
    *[(f"{S}.d.{f}", v) for f in ("alpha", "beta", "k") for v in (NAN, -1, "x", INF)],
    *[(f"{S}.d.size", v) for v in (0, 17, 2 * 10**6, 10**9)],
    *[(f"{S}.e.body.x", v) for v in ({**CONV, "width": 4}, {**CONV, "stride": 2})],
    *[(f"{S}.e.scale", v) for v in (NAN, "x", None)],
    *[(f"{S}.d", v) for v in ({"layer": "norm"}, {"layer": "attention"}, "x", 3, None, [CONV])],
    *[(f"{S}.d", v) for v in ({"layer": 5}, {**CONV, "alpha": 3}, {"layer": "flatten"})],
    *[(f"{S}.d", nested(depth, CONV)) for depth in (DEEPEST, 30, 200)],
    *[(S, v) for v in ({}, [1, 2], None, {str(i): {} for i in range(MOST_LAYERS + 1)})],
    *[(f"{C}.drop.probability", v) for v in (40, NAN, "x", DROP)],
    *[(f"{C}.logits.width", v) for v in (7, "class", 10**6)],
    (f"{C}.flatten", {"layer": "flatten", "axis": 1}),
    *[(C, v) for v in ({}, {"layer": "flatten"}, {"layer": "linear", "width": "classes"})],
    (C, {"f": {"layer": "flatten"}, "l": {"layer": "conv", "width": "classes"}}),
    *[("spec.aux", v) for v in ({"zzz": {"layer": "flatten"}}, [1], {"b": {"layer": "flatten"}})],
    *[("spec.num_classes", v) for v in (0, 2, 10**9, "3", 3.0)],
    *[("spec.in_channels", v) for v in (0, 1, 4, 3.0, 10**6)],
    *[("spec.name", v) for v in ({"a": 1}, "", "a\nb", "\x1b[31mred", "x" * 1000)],
    *[("spec.initialisation", v) for v in (["he"], "xavier", None)],
    *[("spec.departures", v) for v in ("abc", [1], None)],
    *[("spec", v) for v in ([1], None, {})],
    ("spec.depth", 3),
    *[("preprocessing.size", v) for v in (0, 10**9, 10**5, 24.5, "24", NAN, True, 8193, 1)],
    *[("preprocessing.mean", v) for v in ("abc", ["a"] * 3, [NAN] * 3, [1.0], 1.0, [1e300] * 3)],
    *[("preprocessing.std", v) for v in ([0.0] * 3, [-1.0] * 3, [INF] * 3, None)],
    *[("preprocessing.crop", v) for v in (NAN, 1e-9, 0, 2, "x")],
    *[("preprocessing.channel_order", v) for v in ("grey", "rbg", 3)],
    *[("preprocessing", v) for v in ([1], None, "x", {"sice": 3})],
    *[("classes", v) for v in ("uvw", [1, 2, 3], ["u"], None, DROP, [{"a": 1}] * 3)],
    *[("temperature", v) for v in (0, -1, "warm", None, INF, NAN, True)],
    *[("metrics", v) for v in ([1], "x", None)],
    *[("training", v) for v in ([1], None)],
    *[("licence", v) for v in (3, None)],
    *[("parents", v) for v in ("x", [1])],
    *[("format", v) for v in (99, "1", None, 0, 1.0, 10**100)],
]
NAMES = [
    *("", "a.x", "A", "é", "a-b", "_modules", "a\n", "x" * 65),
    *("forward", "training", "train", "type", "half", "keys", "state_dict", "children"),
]


def edited(place: str, value: Any) -> dict[str, Any]:
    description = json.loads(json.dumps(INFO.to_json()))
    *path, last = place.split(".")
    inner = description
    for key in path:
        inner = inner[key]
    if value is DROP:
        del inner[last]
    else:
        inner[last] = value
    return dict(description)


def renamed(part: str, old: str, new: str) -> dict[str, Any]:
    """The description with another name for a stage, a branch or a layer."""
    description = copy.deepcopy(edited("licence", ""))
    *path, last = part.split(".")
    inner = description
    for key in path:
        inner = inner[key]
    inner[last] = {new if name == old else name: held for name, held in inner[last].items()}
    return description


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        call()
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


@pytest.mark.parametrize(("place", "value"), WRONG, ids=[f"{p}={str(v)[:30]}" for p, v in WRONG])
def test_a_description_that_is_wrong_somewhere_is_refused_in_one_line(
    place: str, value: Any
) -> None:
    message = refused(lambda: ModelInfo.from_json(edited(place, value)))
    assert message


def test_the_description_that_the_wrong_ones_were_made_of_is_right() -> None:
    assert ModelInfo.from_json(edited("licence", "CC0")).spec == SPEC


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [(S, "e"), (f"{S}.c.branches", "p"), (C, "drop")])
def test_a_name_that_cannot_be_a_modules_is_refused(part: tuple[str, str], name: str) -> None:
    assert "name" in refused(lambda: ModelInfo.from_json(renamed(*part, name)))


@pytest.mark.parametrize("name", ["spec", "features", "aux", "classifier", "embed", "image_size"])
def test_a_stage_cannot_have_the_name_of_something_the_network_has(name: str) -> None:
    assert "is taken" in refused(lambda: ModelInfo.from_json(renamed(S, "e", name)))


def test_the_reserved_names_are_all_that_torch_and_the_network_take() -> None:
    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if re.fullmatch("[a-z0-9][a-z0-9_]*", name)}

    network = create_model(SPEC)
    torch_names = public(nn.Module()) | public(nn.Sequential()) | public(nn.ModuleDict())
    assert torch_names <= MODULE_NAMES
    assert public(network) - set(SPEC.stages) <= MODULE_NAMES | NETWORK_NAMES
    assert public(network) >= NETWORK_NAMES


@pytest.mark.parametrize("name", MODELS)
def test_every_network_of_ours_is_legal(name: str) -> None:
    check(MODELS[name])
    assert Spec.from_json(json.loads(json.dumps(MODELS[name].to_json()))) == MODELS[name]


def test_a_spec_made_in_python_is_checked_before_it_is_built() -> None:
    spec = Spec("x", {"a": Conv(8, multiplier=2)}, SPEC.classifier)
    assert refused(lambda: create_model(spec)) == (
        "stages.a: a convolution takes either a width or a depthwise multiplier"
    )


def test_a_linear_takes_maps_of_one_pixel() -> None:
    classifier = {"pool": Pool("average", grid=1), "logits": Linear(CLASSES)}
    network = create_model(Spec("x", {"a": Conv(4)}, classifier, num_classes=3))
    assert isinstance(network, InceptionNet)
    assert network.num_features == 4


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check") / "m.safetensors"
    save_model(path, create_model(SPEC).state_dict(), INFO)
    return path


WEIGHTS: dict[str, Callable[[str, Any], Any]] = {
    "not a number": lambda name, w: w * np.nan,
    "one infinity": lambda name, w: np.where(np.arange(w.size).reshape(w.shape) == 1, np.inf, w),
    "variance": lambda name, w: w * 0 - 5 if name.endswith("running_var") else w,
    "int8": lambda name, w: w.astype(np.int8),
    "bool": lambda name, w: w.astype(bool),
    "complex": lambda name, w: w.astype(np.complex64),
    "shapes": lambda name, w: w[None],
}


@pytest.mark.parametrize("load", [load_model, read_program])
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_cannot_be_are_refused(
    case: str, load: Callable[[Path], object], file: Path, tmp_path: Path
) -> None:
    weights = {name: WEIGHTS[case](name, w) for name, w in load_file(file).items()}
    path = tmp_path / "m.safetensors"
    save_file(weights, path, metadata={KEY: json.dumps(INFO.to_json())})
    assert refused(lambda: load(path)).startswith(str(path))


def header(text: str | bytes, data: bytes = bytes(64)) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw + data


def described(text: str, tensors: str = "") -> bytes:
    metadata = f'{{"__metadata__":{{"{KEY}":{json.dumps(text)}}}{tensors}}}'
    return header(metadata, bytes(64) if tensors else b"")


DEEP = '{"m":' * 1000 + "1" + "}" * 1000
FILES: dict[str, bytes] = {
    "empty": b"",
    "short": b"123",
    "huge header": struct.pack("<Q", 1 << 62) + b"{}",
    "metadata is a number": header('{"__metadata__":{"inception":3}}', b""),
    "list": described("[1]"),
    "null": described("null"),
    "text": described('"x"'),
    "no JSON": described("{"),
    "a number of 5000 digits": described('{"spec":' + "9" * 5000 + "}"),
    "nested 1,000 deep": described(DEEP),
    "nested 100,000 deep": described('{"m":' * 100_000 + "1" + "}" * 100_000),
    "stages nested 1,000 deep": described(json.dumps(edited(f"{S}.d", "@")).replace('"@"', DEEP)),
    "a huge shape": described(
        json.dumps(INFO.to_json()),
        ',"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,64]}',
    ),
    "no tensors": described(json.dumps(INFO.to_json())),
}


@pytest.mark.parametrize("load", [load_model, read_program])
@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_model_is_refused(
    case: str, load: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(FILES[case])
    refused(lambda: load(path))


def test_a_newer_format_says_what_to_do() -> None:
    message = refused(lambda: ModelInfo.from_json(edited("format", 99)))
    assert message.endswith("bring the package inception-nets up to date")


def test_nothing_wrong_takes_time_or_memory() -> None:
    """All of the table in one process of 400 MB more than it starts with, a minute of its time."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_legal_networks import WRONG, ModelInfo, InputError, edited\n"
        "def used(): return resource.getrusage(resource.RUSAGE_SELF)\n"
        "before = used()\n"
        "for place, value in WRONG:\n"
        "    start = used().ru_utime\n"
        "    try: ModelInfo.from_json(edited(place, value))\n"
        "    except InputError: pass\n"
        "    assert used().ru_utime - start < 2, (place, value)\n"
        "print((used().ru_maxrss - before.ru_maxrss) // 1024)\n"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, here], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 200  # MB


def test_read_info_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(described(json.dumps(edited(f"{S}.b.kind", "median"))))
    message = f"{path}: stages.b: kind of a Pool must be 'max' or 'average'; got 'median'; did"
    assert refused(lambda: read_info(path)).startswith(message)

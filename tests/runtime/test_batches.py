"""Every engine takes a batch in every form that numpy has of it, and refuses the same others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inception import create_model
from inception.errors import InputError
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, create_engine, torch_engine
from inception.runtime.buckets import Buckets
from inception.runtime.early_exit import create_exit_engine
from inception.runtime.torch_engine import TorchEngine
from inception.weights.model_file import ModelInfo, save_model

SIZE, COUNT = 8, 4
HEAD = {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)}
TINY = Spec(
    "tiny",
    stages={"a": Conv(3, 3), "b": Conv(4, 3)},
    classifier=HEAD,
    aux={"a": HEAD},
    num_classes=3,
    preprocessing=Preprocessing(size=SIZE),
)
Open = Callable[[Path], Engine]
ENGINES: dict[str, Open] = {
    "torch": lambda model: create_engine(model, "torch", device="cpu", threads=1),
    "openvino": lambda model: create_engine(model, "openvino", threads=2),
    "onnx": lambda model: create_engine(model, "onnx", threads=1),
    "torch, stopping": lambda model: create_exit_engine(model, 0.3, "torch", device="cpu"),
    "openvino, stopping": lambda model: create_exit_engine(model, 0.3, "openvino"),
    "torch, never stopping": lambda model: create_exit_engine(model, 1, "torch", device="cpu"),
}


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.setflags(write=False)
    return x


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "as it is": lambda x: x,
    "mirrored": lambda x: x[:, :, ::-1].copy()[:, :, ::-1],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "bgr turned round": lambda x: x[..., ::-1].copy()[..., ::-1],
    "read-only": read_only,
    "channels first": lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    "Fortran's order": np.asfortranarray,
    "cut out": lambda x: np.pad(x, ((0, 0), (1, 2), (3, 1), (0, 1)))[:, 1:-2, 3:-1, :3],
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
    "of bytes": lambda x: np.frombuffer(x.tobytes(), np.uint8).reshape(x.shape),
    "a list of pictures": list,
    "a tuple of flipped pictures": lambda x: tuple(p[::-1].copy()[::-1] for p in x),
    "a tensor": lambda x: torch.from_numpy(x.copy()),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "floats": (np.zeros((2, SIZE, SIZE, 3), np.float32), "got float32 [2, 8, 8, 3]"),
    "signed": (np.zeros((2, SIZE, SIZE, 3), np.int8), "got int8 [2, 8, 8, 3]"),
    "one picture": (np.zeros((SIZE, SIZE, 3), np.uint8), "got uint8 [8, 8, 3]"),
    "another size": (np.zeros((2, 9, 9, 3), np.uint8), "got uint8 [2, 9, 9, 3]"),
    "channels first": (np.zeros((2, 3, SIZE, SIZE), np.uint8), "got uint8 [2, 3, 8, 8]"),
    "none": (np.zeros((0, SIZE, SIZE, 3), np.uint8), "got uint8 [0, 8, 8, 3]"),
    "nothing": ([], r"got float64 [0]"),
    "of several sizes": (
        [np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)],
        "got pictures of several shapes",
    ),
    "words": (["cat.jpg"], "got <U7 [1]"),
    "None": (None, "got object []"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("batches") / "tiny.safetensors"
    save_model(path, create_model(TINY).state_dict(), ModelInfo(TINY, ("a", "b", "c")))
    return path


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_takes_every_form_of_a_batch_and_refuses_what_is_none(
    name: str, model: Path
) -> None:
    engine = ENGINES[name](model)
    shape = (COUNT, SIZE, SIZE, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    wanted = engine.run(pictures)["probabilities"]
    for form, make in FORMS.items():
        got = engine.run(make(pictures))["probabilities"]
        np.testing.assert_array_equal(got, wanted, err_msg=form)
    for form, (given, told) in REFUSED.items():
        with pytest.raises(InputError) as refusal:
            engine.run(given)
        assert str(refusal.value) == f"the network takes pictures uint8 [N, 8, 8, 3]; {told}", form


def test_early_exits_compute_on_a_gpu_as_the_engine_does(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_engine, "pick_device", lambda device: torch.device("meta"))
    whole = create_engine(model, "torch")
    stopping = create_exit_engine(model, 1, "torch")
    for engine in (whole, stopping._whole, *stopping._parts):
        assert isinstance(engine, TorchEngine) and isinstance(engine._run, Buckets)
        assert engine._run.module.dtype is torch.bfloat16

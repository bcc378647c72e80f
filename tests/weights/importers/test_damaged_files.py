"""Files with a few bytes changed, lost or added are read, or refused in one line; nothing else."""

import io
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import caffe_nets
import h5py
import numpy as np
import pytest
import tensorflow_files
import torch
from foreign import message
from safetensors.torch import save

from inception.errors import InputError
from inception.weights.importers import apart, keras_file
from inception.weights.importers.files import open_file

DAMAGED = 60  # of each kind; 4,000 were tried when the readers were made
ARRAYS = {f"InceptionV1/Conv{i}/weights": np.ones((2, 2, 3, 4), np.float32) for i in range(6)}
TENSORS = {name: torch.ones(3, 2) for name in ("conv.weight", "fc.weight")}


def caffe_net() -> caffe_nets.CaffeNet:
    net = caffe_nets.CaffeNet(8)
    net.linear("fc", net.conv("conv1", "data", 3, 4, 3), 4, 3)
    return net


def graph() -> bytes:
    made = tensorflow_files.Graph()
    x = made.norm("norm", made.conv("conv2d0", "input", 3, 4, 3), 5, 1e-4, 0.5, 2.0)
    made.flat("flat", x, 4)
    return made.bytes


def pickled(*, old: bool) -> bytes:
    out = io.BytesIO()
    torch.save(TENSORS, out, _use_new_zipfile_serialization=not old)
    return out.getvalue()


def hdf5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["conv2d/conv2d/kernel:0"] = np.ones((2, 2), np.float32)
        file["dense/dense/kernel:0"] = np.ones((2, 2), np.float32)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("model.weights.h5", hdf5())
    return out.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "new.caffemodel": lambda: caffe_nets.caffemodel(caffe_net()),
    "old.caffemodel": lambda: caffe_nets.old_caffemodel(caffe_net()),
    "one.ckpt": lambda: tensorflow_files.first_form(ARRAYS),
    "graph.pb": graph,
    "new.pth": lambda: pickled(old=False),
    "old.pth": lambda: pickled(old=True),
    "a.safetensors": lambda: save(TENSORS),
    "a.h5": hdf5,
    "a.keras": archive,
}


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at, kind = int(random.integers(len(changed))), random.integers(4)
        few = random.bytes(int(random.integers(1, 12)))
        if kind == 0:
            del changed[at : at + len(few)]
        elif kind == 1:
            changed[at:at] = few
        else:
            changed[at] = few[0] if kind == 2 else random.choice([0, 127, 128, 255])
    return bytes(changed)


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_read_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "read_h5", keras_file.read_h5)  # a process each would take a minute
    monkeypatch.setattr(apart, "read_archive", keras_file.read_archive)
    whole, random = WHOLE[name](), np.random.default_rng(0)
    path = tmp_path / name
    path.write_bytes(whole)
    assert open_file(path).tensors
    refused = 0
    for _ in range(DAMAGED):
        path.write_bytes(damaged(whole, random))
        try:
            open_file(path)
        except InputError:
            refused += 1
    assert refused > DAMAGED / 3


def test_a_damaged_index_is_read_or_refused(tmp_path: Path) -> None:
    path = tensorflow_files.second_form(ARRAYS, tmp_path / "model.ckpt")
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(DAMAGED):
        path.write_bytes(damaged(whole, random))
        try:
            open_file(path)
        except InputError as error:
            assert str(error)


def one_block_many_times() -> bytes:
    block, handle = tensorflow_files.block({f"v{i:04}".encode(): b"" for i in range(1000)})
    return tensorflow_files.table_of({f"k{i:04}".encode(): handle for i in range(2000)}, block)


def long_keys() -> bytes:
    """Keys of 4,000 characters that differ in the last: three bytes and a few each."""
    return tensorflow_files.table({b"v" * 4000 + f"{i:06}".encode(): b"" for i in range(9000)})


def many_variables_in_one_place(folder: Path) -> Path:
    arrays = {f"v{i}": np.ones(1000, np.float32) for i in range(50)}
    path = tensorflow_files.second_form(arrays, folder / "m.ckpt", overlap=True)
    return path


def hard_links() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["conv2d/kernel:0"] = np.ones((256, 1024), np.float32)
        for i in range(1000):
            file[f"conv2d_{i + 1}/kernel:0"] = file["conv2d/kernel:0"]
    return out.getvalue()


def blobs_of_a_long_name() -> bytes:
    blob = message((7, message((1, b"\1"))), (5, bytes(4)))
    return message((100, message((1, "n" * 9000), *[(7, blob)] * 2000)))


AMPLIFYING: dict[str, Callable[[], bytes]] = {
    "block.ckpt": one_block_many_times,
    "keys.ckpt": long_keys,
    "links.h5": hard_links,
    "name.caffemodel": blobs_of_a_long_name,
    "rank.caffemodel": lambda: message(
        (100, message((1, "a"), (7, message((7, message((1, b"\1" * 9000))), (5, bytes(4))))))
    ),
}


@pytest.mark.parametrize("name", AMPLIFYING)
def test_a_file_cannot_give_more_than_it_holds(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(AMPLIFYING[name]())
    assert path.stat().st_size < 3_000_000
    tracemalloc.start()
    with pytest.raises(InputError):
        open_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


def test_variables_do_not_share_their_values(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies where others do"):
        open_file(many_variables_in_one_place(tmp_path))


def test_a_reader_that_crashes_or_hangs_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5())
    with monkeypatch.context() as patch:
        patch.setattr(apart, "TIME_S", 0.001)
        with pytest.raises(InputError, match=r"a.h5: damaged; HDF5 was not done after 0.001 s"):
            open_file(path)
    crash = "import os; os.kill(os.getpid(), 11)"
    run = subprocess.run

    def crashing(command: list[str], **options: Any) -> Any:
        return run([command[0], "-c", crash], **options)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", crashing)
        with pytest.raises(InputError, match=r"a.h5: damaged; HDF5 failed on it \(status -11\)"):
            open_file(path)


def test_a_reader_apart_takes_no_module_from_where_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h5py.py").write_text("raise SystemExit(5)")
    (tmp_path / "a.h5").write_bytes(hdf5())
    monkeypatch.chdir(tmp_path)
    assert open_file(Path("a.h5")).tensors


@pytest.mark.parametrize("change", ["encrypted", "packed", "cut"])
@pytest.mark.parametrize("name", ["a.keras", "new.pth"])
def test_an_encrypted_packed_or_cut_archive_is_refused(
    name: str, change: str, tmp_path: Path
) -> None:
    whole, path = bytearray(WHOLE[name]()), tmp_path / name
    central = whole.index(b"PK\x01\x02")
    if change == "cut":
        del whole[len(whole) // 2 :]
    for start, flags, method in ((0, 6, 8), (central, 8, 10)):
        if change == "encrypted":
            whole[start + flags] |= 1
        elif change == "packed":
            whole[start + method] = 99
    path.write_bytes(whole)
    with pytest.raises(InputError) as refusal:
        open_file(path)
    assert "\n" not in str(refusal.value)

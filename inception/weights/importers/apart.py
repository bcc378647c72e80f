"""Keras' files read in a process of its own, with limits, for damage makes HDF5 crash or hang."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from inception.errors import InputError, not_installed
from inception.weights.importers import keras_file

if TYPE_CHECKING:
    from torch import Tensor

READERS: dict[str, Callable[[Path], dict[str, keras_file.Array]]] = {
    "h5": keras_file.read_h5,
    "archive": keras_file.read_archive,
}
TIME_S = 60  # and a second for each 20 MB; VGG's 550 MB take two
MEMORY = 2 << 30  # bytes, and four times the file
REFUSED = 2  # exit status: what is printed says why


def read_h5(path: Path) -> dict[str, Tensor]:
    """``keras_file.read_h5`` in a process of its own."""
    return _read("h5", path)


def read_archive(path: Path) -> dict[str, Tensor]:
    """``keras_file.read_archive`` in a process of its own."""
    return _read("archive", path)


def _read(kind: str, path: Path) -> dict[str, Tensor]:
    from safetensors import safe_open

    if find_spec("h5py") is None:
        raise not_installed("h5py")
    time_s = TIME_S + path.stat().st_size // 20_000_000
    with TemporaryDirectory(prefix="inception-") as folder:
        out = Path(folder) / "tensors.safetensors"
        command = [sys.executable, "-P", "-m", __name__, kind, str(path), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=time_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{path}: damaged; HDF5 was not done after {time_s} s") from error
        if done.returncode == REFUSED:
            raise InputError(done.stdout.decode("utf-8", "surrogateescape").strip())
        if done.returncode:
            raise InputError(f"{path}: damaged; HDF5 failed on it (status {done.returncode})")
        with safe_open(out, framework="pt") as file:
            names = json.loads(file.metadata()["names"])
            return {name: file.get_tensor(str(i)) for i, name in enumerate(names)}


def _main(kind: str, source: str, out: str) -> int:
    import numpy as np
    from safetensors.numpy import save_file

    path = Path(source)
    _limit(MEMORY + 4 * path.stat().st_size)
    try:
        arrays = READERS[kind](path)
        names = json.dumps(list(arrays))
        numbered = {str(i): np.ascontiguousarray(a) for i, a in enumerate(arrays.values())}
        save_file(numbered, out, metadata={"names": names})
    except InputError as error:
        sys.stdout.buffer.write(str(error).encode("utf-8", "surrogateescape"))
        return REFUSED
    return 0


def _limit(memory: int) -> None:
    """Ends this process where it takes more memory, or outlives the one that gave up on it."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

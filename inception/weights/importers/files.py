"""Foreign files: what kind one is, told by its bytes, and its tensors by the publisher's names.

Readers take no memory by what a file claims: tensors are views of the mapped file where the format
allows, and what does not lie in the file whole is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.errors import InputError
from inception.weights.importers.importer import ZIP, Kind

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ForeignFile:
    """A publisher's file.

    Attributes:
        tensors: by the publisher's names and in the publisher's layout.
        facts: what else it says of its network, read by the importers of its kind.
    """

    kind: Kind
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)


def open_file(path: Path) -> ForeignFile:
    """The tensors of a file of any kind that some importer reads.

    Raises:
        InputError: no such file, of no known kind, damaged, or with more than tensors in it.
    """
    from inception.weights.importers import apart, caffe_file, tensorflow_file, torch_file

    prefix, data, _ = path.name.partition(".data-")
    index = path.with_name(f"{prefix}.index")  # of a checkpoint, called by what its files share
    if index.is_file() and (data or not path.is_file()):
        path = index
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    with path.open("rb") as file:
        head = file.read(16)
    if head[8:9] == b"{":
        return ForeignFile("torch", torch_file.read_safetensors(path))
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return ForeignFile("keras", apart.read_h5(path))
    if tensorflow_file.is_table(path):
        return ForeignFile("checkpoint", tensorflow_file.read_checkpoint(path))
    if head[:4] == ZIP and path.suffix == ".keras":
        return ForeignFile("keras", apart.read_archive(path))
    if head[:4] == ZIP or head[:1] == b"\x80":
        return ForeignFile("torch", torch_file.read_pickle(path))
    if path.suffix == ".caffemodel":
        return ForeignFile("caffe", caffe_file.read_caffemodel(path))
    if path.suffix == ".pb":
        return ForeignFile("graph", *tensorflow_file.read_graph(path))
    raise InputError(f"{path}: {KNOWN}")


KNOWN = (
    "not a file of weights that any importer reads (.pth, .pt, .safetensors, .caffemodel, .ckpt, "
    ".index, .pb, .h5, .keras)"
)

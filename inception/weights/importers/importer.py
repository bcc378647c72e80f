"""What an importer is: how one publisher names and lays out the tensors of one of our networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from inception.models.spec import Spec
from inception.preprocessing import Preprocessing

# Convolutions lie [out, in, H, W] and matrices [out, in] in the one, [H, W, in, out] and [in, out]
# in the other
Layout: TypeAlias = Literal["torch", "tensorflow"]
Kind: TypeAlias = Literal["torch", "caffe", "checkpoint", "graph", "keras"]

STATISTICS = ("running_mean", "running_var")
# what follows the name of a layer (``conv.weight``) or of a module (``weight``): ours, theirs
TORCH_PARTS: Final[Mapping[str, str]] = {
    **{f"conv.{value}": f".conv.{value}" for value in ("weight", "bias")},
    **{f"norm.{value}": f".bn.{value}" for value in ("weight", "bias", *STATISTICS)},
    **{f"linear.{value}": f".{value}" for value in ("weight", "bias")},
    **{value: f".{value}" for value in ("weight", "bias", *STATISTICS)},
}


@dataclass(frozen=True)
class Importer:
    """One publisher's form of one of our networks.

    Attributes:
        model: our network's name.
        kind: of the files it is published in.
        layers: our layer, module or tensor, by name, and theirs. The longest that fits counts.
        parts: what follows it: ours and theirs.
        preprocessing: what the published weights expect.
        change: how their network differs from ours, given what the file says of itself.
        ignored: patterns of their tensors that hold nothing for us.
        background: outputs before the first class, as in TensorFlow's 1001.
        flattened: our linear layers whose columns they count by row, column, channel; the grid.
    """

    dialect: str
    model: str
    kind: Kind
    layers: Mapping[str, str]
    parts: Mapping[str, str]
    preprocessing: Preprocessing
    layout: Layout = "torch"
    change: Callable[[Spec, Mapping[str, Any]], Spec] = lambda spec, facts: spec
    ignored: tuple[str, ...] = ()
    background: int = 0
    flattened: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def names(self, tensors: Iterable[str]) -> dict[str, str]:
        """Their name of each of our tensors."""
        return {tensor: self.name(tensor) for tensor in tensors}

    def name(self, tensor: str) -> str:
        """Their name of one of our tensors.

        Raises:
            KeyError: the importer's tables do not cover it, a mistake of ours.
        """
        prefix, rest = tensor, ""
        while prefix:
            if prefix in self.layers and (not rest or rest in self.parts):
                return self.layers[prefix] + (self.parts[rest] if rest else "")
            prefix, _, last = prefix.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        raise KeyError(f"{self.dialect} has no name for {self.model}'s {tensor}")

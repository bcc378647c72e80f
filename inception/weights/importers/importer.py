"""What an importer is: how one publisher names and lays out the tensors of one of our networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from inception.models.spec import Spec
from inception.preprocessing import Preprocessing

# Convolutions lie [out, in, H, W] and matrices [out, in] in the one, [H, W, in, out] and [in, out]
# in the other
Layout: TypeAlias = Literal["torch", "tensorflow"]
Kind: TypeAlias = Literal["torch", "caffe", "checkpoint", "graph", "keras"]

ZIP: Final = b"PK\x03\x04"  # how an archive begins: torch's files and Keras'
STATISTICS = ("running_mean", "running_var")
COUNTERS = "*num_batches_tracked"
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
        preprocessing: what the published weights expect, where that is not the network's own.
        change: how their network differs from ours, given what the file says of itself.
        ignored: patterns of their tensors that hold nothing for us.
        background: outputs before the first class, as in TensorFlow's 1001.
        flattened: our linear layers whose columns they count by row, column, channel; the grid.
        own_order: whether the outputs are in another order than ImageNet's sorted classes.
    """

    dialect: str
    model: str
    kind: Kind
    layers: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=lambda: TORCH_PARTS)
    preprocessing: Preprocessing | None = None
    layout: Layout = "torch"
    change: Callable[[Spec, Mapping[str, Any]], Spec] = lambda spec, facts: spec
    ignored: tuple[str, ...] = (COUNTERS,)
    background: int = 0
    flattened: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    own_order: bool = False

    def name(self, tensor: str) -> str | None:
        """Their name of one of our tensors, ``None`` where they have none."""
        prefix, rest = tensor, ""
        while prefix:
            if prefix in self.layers and (not rest or rest in self.parts):
                return self.layers[prefix] + (self.parts[rest] if rest else "")
            prefix, _, last = prefix.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        return None


def within(
    outer: Mapping[str, str], inner: Mapping[str, str], separator: str = "."
) -> dict[str, str]:
    """Every layer of ``inner`` in every stage of ``outer``, ours and theirs."""
    return {
        f"{our_stage}.{ours}": f"{their_stage}{separator}{theirs}"
        for our_stage, their_stage in outer.items()
        for ours, theirs in inner.items()
    }

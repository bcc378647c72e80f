"""A network's tensors among all else that a training script saved around and beside them.

A checkpoint is a tree: weights under ``state_dict``, under the name of an attribute, beside an
optimiser and an average of themselves. Its tensors are called by their way from the root, and the
network lies where most of the names that it should have are found.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from inception.errors import InputError

# modules that torch puts around another, wherever it stands
AROUND = re.compile(r"\b(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# averages of the weights over training, which are what to evaluate
AVERAGED = re.compile(r"(?:^|[._])(?:ema|swa|averaged?)(?:[._]|$)", re.IGNORECASE)
ENOUGH = 0.5  # of its names, for a network to lie there


@dataclass(frozen=True)
class Nested:
    """A network's tensors, and where they were.

    Attributes:
        tensors: by the publisher's names.
        place: what stands before every name, with its last dot; empty at the root.
        beside: tensors that lie elsewhere.
    """

    tensors: Mapping[str, Tensor]
    place: str = ""
    beside: tuple[str, ...] = field(default=())


def nested(tensors: Mapping[str, Tensor], names: Collection[str], separator: str = ".") -> Nested:
    """The tensors of a network that has tensors of these names, wherever they lie.

    Raises:
        InputError: several networks lie there and none is an average of another.
    """
    plain = {AROUND.sub("", name): tensor for name, tensor in tensors.items()}
    if len(plain) < len(tensors):
        plain = dict(tensors)
    place = _place(plain, set(names), separator)
    inside = {n.removeprefix(place): t for n, t in plain.items() if n.startswith(place)}
    return Nested(inside, place, tuple(n for n in plain if not n.startswith(place)))


def _place(tensors: Collection[str], names: set[str], separator: str) -> str:
    found: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(separator)
        for i in range(len(parts)):
            if separator.join(parts[i:]) in names:
                found[separator.join([*parts[:i], ""])] += 1
    most = max(found.values(), default=0)
    places = [place for place, count in found.items() if count == most]
    if most < ENOUGH * len(names):
        return ""
    averaged = [place for place in places if AVERAGED.search(place)]
    if len(places) > 1 and len(averaged) != 1:
        there = ", ".join(place.removesuffix(separator) or "the root" for place in sorted(places))
        raise InputError(f"the network lies there several times ({there}); save one state_dict()")
    return (averaged or places)[0] if len(places) > 1 else places[0]

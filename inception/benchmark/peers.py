"""Other people's networks with the same weights, to hold ours against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inception.benchmark.usual_way import SAME, import_torchvision, torchvision_model
from inception.data.crops import views
from inception.errors import InputError, unknown
from inception.evaluation.specimens import open_specimens
from inception.models.network import InceptionNet, Normalise
from inception.prediction import find_model
from inception.weights.catalogue import CATALOGUE
from inception.weights.importers import importers_for
from inception.weights.importers.convert import convert
from inception.weights.importers.files import open_file
from inception.weights.importers.importer import Importer
from inception.weights.importers.reading import read_as
from inception.weights.model_file import COUNTERS, build_model, load_model
from inception.weights.pull import source_of

VGGS = {name: theirs for name, theirs in SAME.items() if name.startswith("vgg")}
PEERS: dict[str, dict[str, str]] = {  # our network and theirs
    "torchvision": SAME,
    "timm": {
        "inception_v3_tv": "inception_v3",
        "inception_v4": "inception_v4",
        "inception_resnet_v2": "inception_resnet_v2",
        "xception_timm": "legacy_xception",
        **VGGS,
    },
}
TOLERANCE = 1e-5  # of the scale of the logits, float32
RANDOM = 2  # pictures of noise
REAL = 8  # pictures of the place that is given


@dataclass(frozen=True)
class Verification:
    """How far our network's logits are from a peer's with the same weights.

    Attributes:
        random_difference: largest, on pictures of noise.
        real_difference: largest, on real pictures; ``None`` where none were given.
        scale: of the peer's logits, the largest absolute one.
        tolerance: share of the scale that may lie between.
    """

    model: str
    against: str
    random_difference: float
    real_difference: float | None
    real_pictures: int
    scale: float
    tolerance: float

    @property
    def largest(self) -> float:
        """The larger of the two differences."""
        return max(self.random_difference, self.real_difference or 0.0)

    @property
    def equal(self) -> bool:
        """Whether nothing but rounding lies between the two."""
        return self.largest <= self.tolerance * self.scale

    def to_json(self) -> dict[str, Any]:
        """The verification as JSON values."""
        return {**asdict(self), "largest_difference": self.largest, "equal": self.equal}


def verify(
    file: str | Path,
    *,
    against: str,
    model: str | None = None,
    pictures: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Runs our network and a peer's on the same pictures.

    A public file, or a tag that was pulled, is read by the peer itself and converted for ours. A
    MODEL of ours goes to the peer under the peer's names.

    Args:
        file: a MODEL, or with ``model`` a file as its publisher gives it.
        against: one of ``PEERS``.
        model: our network, for a public file.
        pictures: a place of real pictures.
        tolerance: share of the logits' scale that may lie between.

    Raises:
        InputError: no such file, peer or pictures, or the peer cannot take the weights.
    """
    if against not in PEERS:
        raise unknown("peer", against, PEERS)
    ours, theirs = _pair(file, against, model)
    size = ours.spec.preprocessing.size
    noise = torch.randn(RANDOM, 3, size, size, generator=torch.Generator().manual_seed(0))
    differences = [_difference(ours, theirs, noise)]
    if pictures is not None:
        differences.append(_difference(ours, theirs, _squares(ours, pictures)))
    return Verification(
        ours.spec.name,
        against,
        differences[0].largest,
        differences[1].largest if pictures is not None else None,
        differences[1].pictures if pictures is not None else 0,
        max(d.scale for d in differences),
        tolerance,
    )


def _pair(file: str | Path, against: str, model: str | None) -> tuple[InceptionNet, nn.Module]:
    published = CATALOGUE.get(str(file))
    if published is not None:
        find_model(published.tag)
        source, model = source_of(published, published.original), published.model
    else:
        source = Path(file)
    if model is None:
        loaded = load_model(find_model(file), aux=False)
        importer = _importer(loaded.info.spec.name, against)
        named = {importer.name(n): t for n, t in loaded.network.state_dict().items()}
        tensors = {name: tensor for name, tensor in named.items() if name is not None}
        return loaded.network, _peer(importer.model, against, tensors, len(loaded.classes))
    importer = _importer(model, against)
    converted = convert(source, model=model)
    info = replace(converted.info, spec=replace(converted.info.spec, aux={}))
    tensors = dict(read_as(importer, open_file(source)).source.tensors)
    return build_model(info, converted.weights), _peer(model, against, tensors, len(info.classes))


def _importer(model: str, against: str) -> Importer:
    if model not in PEERS[against]:
        there = ", ".join(PEERS[against])
        raise InputError(f"{against} has no {model}; it can be held against: {there}")
    return importers_for(model, against)[0]


def _peer(model: str, against: str, tensors: Mapping[str, Tensor], classes: int) -> nn.Module:
    """The peer's network with these weights, by its own names; heads are left out."""
    with torch.device("meta"):
        peer = _created(PEERS[against][model], against, classes)
    state = {}
    for name, empty in peer.state_dict().items():
        tensor = torch.zeros((), dtype=torch.long) if name.endswith(COUNTERS) else tensors.get(name)
        if tensor is None or tensor.numel() != empty.numel():
            raise InputError(f"{against}'s {PEERS[against][model]} cannot take the file's {name}")
        state[name] = tensor.reshape(empty.shape).to(empty.dtype)
    peer.load_state_dict(state, assign=True)
    return peer.eval()


def _created(name: str, against: str, classes: int) -> nn.Module:
    if against == "timm":
        if find_spec("timm") is None:
            raise InputError("timm is not installed: pip install --no-deps timm")
        import_torchvision()  # which timm imports, and may not find fit for this torch
        network: nn.Module = import_module("timm").create_model(name, num_classes=classes)
        return network
    built: nn.Module = torchvision_model(name, classes)
    return built


@dataclass(frozen=True)
class _Difference:
    largest: float
    scale: float
    pictures: int


@torch.inference_mode()
def _difference(ours: InceptionNet, theirs: nn.Module, x: Tensor) -> _Difference:
    mine, others = ours(x), theirs(x)
    return _Difference(float((mine - others).abs().max()), float(others.abs().max()), len(x))


def _squares(network: InceptionNet, place: str | Path) -> Tensor:
    """Real pictures as the network takes them, ``[N, 3, size, size]``."""
    how = network.spec.preprocessing
    squares = [views(p, how)[0] for p in open_specimens(place, (), limit=REAL).read()]
    normalised: Tensor = Normalise(how)(torch.from_numpy(np.stack(squares)))
    return normalised.contiguous()

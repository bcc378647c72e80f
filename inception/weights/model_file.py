"""A model is one file: safetensors whose only metadata key, ``inception``, describes it whole."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from inception.errors import InputError, command
from inception.fields import Range, check_fields, known_fields, shown
from inception.files import replacing
from inception.models.spec import Spec
from inception.preprocessing import Preprocessing
from inception.weights.description import (
    DETECTOR,
    FORMAT,
    KEY,
    check_format,
    description_text,
    parsed,
)
from inception.weights.description import is_exported as is_exported

if TYPE_CHECKING:
    import torch

    from inception.models.network import InceptionNet

BACKBONE = "no class: a backbone"  # the only class of weights without a classifier
COUNTERS = ".num_batches_tracked"  # of batch norm; nothing reads them, so they are not stored


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes:
        classes: names in the order of the logits.
        metrics: what it reached, on which data.
        training: recipe, data fingerprint, seed, commit, versions.
        parents: models it was started from.
        temperature: logits are divided by it before the softmax (``evaluation.calibration``).
        aux_temperatures: the same of heads, by their stages; 1 of those that are not there.
    """

    spec: Spec
    classes: tuple[str, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    parents: tuple[str, ...] = ()
    temperature: Annotated[float, Range(1e-6, 1e6)] = 1.0
    aux_temperatures: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ModelInfo({self.spec!r}, classes={reprlib.repr(self.classes)})"

    def __post_init__(self) -> None:
        check_fields(self, "a model")
        for stage, heat in self.aux_temperatures.items():
            if not isinstance(heat, int | float) or not 1e-6 <= heat <= 1e6:
                raise InputError(f"a temperature is from 1e-6 to 1e6; {stage} has {shown(heat)}")
        if len(self.classes) != self.spec.num_classes:
            raise InputError(f"{len(self.classes)} class names for {self.spec.num_classes} classes")

    @property
    def preprocessing(self) -> Preprocessing:
        """How the network takes pictures."""
        return self.spec.preprocessing

    def trained_on(self, digest: str) -> bool:
        """Whether the set of that digest (``Dataset.digest``) was the one it was trained on."""
        data = self.training.get("data")
        return isinstance(data, Mapping) and data.get("train_digest") == digest

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""
        spec = self.spec.to_json()
        return {
            "format": FORMAT,
            "preprocessing": spec.pop("preprocessing"),
            "spec": spec,
            "classes": list(self.classes),
            "metrics": dict(self.metrics),
            "training": dict(self.training),
            "licence": self.licence,
            "parents": list(self.parents),
            "temperature": self.temperature,
            "aux_temperatures": dict(self.aux_temperatures),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModelInfo:
        """The inverse of ``to_json``.

        Raises:
            InputError: a newer format, or not the description of a model.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"not a model's description: {shown(values)}")
        rest = dict(values)
        check_format(rest.pop("format", FORMAT))
        own = rest.pop("spec", None)
        if not isinstance(own, Mapping):
            what = "is missing" if own is None else f"is {shown(own)}"
            raise InputError(f"not a model's description: 'spec' {what}")
        spec = {**own, "preprocessing": rest.pop("preprocessing", None)}
        for name in ("classes", "parents"):
            if isinstance(rest.get(name), list):
                rest[name] = tuple(rest[name])
        return cls(**known_fields({"spec": Spec.from_json(spec), **rest}, cls, "a model"))


@dataclass(frozen=True)
class Model:
    """A network with its weights and all that is needed to use it."""

    network: InceptionNet
    info: ModelInfo

    def __repr__(self) -> str:
        return f"Model({self.info.spec!r}, classes={reprlib.repr(self.classes)})"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the logits."""
        return self.info.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How the network takes pictures."""
        return self.info.preprocessing

    @property
    def metadata(self) -> dict[str, Any]:
        """The file's whole description, as JSON values."""
        return self.info.to_json()


def read_info(path: Path) -> ModelInfo:
    """What a model file says of itself; needs no torch.

    Raises:
        InputError: no such file, not safetensors, or not one of ours.
    """
    text = description_text(path)
    values = parsed(text, path)
    if isinstance(values, Mapping) and DETECTOR in values:
        use = command("detect", "predict", path, "PICTURES", "--out", "FOLDER")
        raise InputError(f"{path} is a detector and classifies no pictures; use it so: {use}")
    try:
        return _info(text)
    except RecursionError:
        raise InputError(f"{path}: its description is nested too deep") from None
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


@lru_cache(maxsize=8)
def _info(description: str) -> ModelInfo:
    """Once for equal text: whoever makes an engine and says what it is reads the file twice."""
    return ModelInfo.from_json(json.loads(description))


class Described(Protocol):
    """What describes a model whole."""

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""


def save_model(
    path: Path, weights: Mapping[str, torch.Tensor], info: Described, *, half: bool = False
) -> None:
    """Writes weights by name and their description, in float32 or, with ``half``, float16."""
    import torch
    from safetensors.torch import save_file

    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in weights.items()
        if not name.endswith(COUNTERS)
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata={KEY: json.dumps(info.to_json())})


def replace_info(path: Path, info: ModelInfo) -> None:
    """Gives a model file another description; its tensors stay as they are."""
    from safetensors.torch import load_file, save_file

    if is_exported(path):
        raise InputError(f"{path} was exported and stays as it is; change what it came from")
    tensors = load_file(path)
    with replacing(path) as beside:
        save_file(tensors, beside, metadata={KEY: json.dumps(info.to_json())})


def load_model(path: Path, *, aux: bool = True) -> Model:
    """The network of a model file, in eval mode, float32, on the CPU.

    Args:
        path: a ``.safetensors`` that inception wrote.
        aux: whether to keep the auxiliary heads, where the file has them.

    Raises:
        InputError: the file is not ours, or its tensors do not fit its own description.
    """
    from inception.models.build import build_empty

    if is_exported(path):
        raise InputError(f"{path} was exported and has no torch network; take what it came from")
    info = read_info(path)
    weights = load_weights(path)
    if not aux or not any(name.startswith("aux.") for name in weights):
        info = replace(info, spec=replace(info.spec, aux={}))
        weights = {n: w for n, w in weights.items() if not n.startswith("aux.")}
    network = build_empty(info.spec)
    _check_fit(network, weights, path)  # before memory is taken: a description can claim any size
    return Model(_filled(network, weights), info)


def build_model(info: ModelInfo, weights: Mapping[str, torch.Tensor]) -> InceptionNet:
    """The network of a description, in eval mode, with those weights that it has a place for."""
    from inception.models.build import build_empty

    return _filled(build_empty(info.spec), weights)


def _filled(network: InceptionNet, weights: Mapping[str, torch.Tensor]) -> InceptionNet:
    network.to_empty(device="cpu")
    _zero_counters(network)
    transplant(network, weights)
    return network.eval()


def read_weights(path: Path) -> dict[str, npt.NDArray[np.floating[Any]]]:
    """The tensors of a model file by name, as stored; needs no torch.

    Raises:
        InputError: not safetensors, or numbers that numpy does not have.
    """
    from safetensors.numpy import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, KeyError, AttributeError, TypeError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file that numpy reads ({error})") from error
    with np.errstate(invalid="ignore", over="ignore"):
        for name, values in weights.items():
            real = values.dtype.kind == "f"
            total = values.sum(dtype=np.float64) if real else np.nan
            _check_numbers(path, name, real, float(total), _least(name, values))
    return weights


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model file by name, in float32.

    Raises:
        InputError: not safetensors, or no finite numbers.
    """
    import torch
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error
    for name, values in weights.items():
        real = values.is_floating_point() and values.element_size() > 1  # float8 has no sums
        total = values.sum(dtype=torch.float64).item() if real else math.nan
        _check_numbers(path, name, real, total, _least(name, values) if real else 0.0)
    return {name: values.float() for name, values in weights.items()}


def _check_numbers(path: Path, name: str, real: bool, total: float, least: float) -> None:
    """A sum in float64 is finite just where every number is, and takes no memory."""
    if not real:
        raise InputError(f"{path}: {shown(name)} does not hold floating-point numbers")
    if not math.isfinite(total):
        raise InputError(f"{path}: {shown(name)} holds numbers that are not finite")
    if least < 0:
        raise InputError(f"{path}: {shown(name)} is a variance below 0")


def _least(name: str, values: Any) -> float:
    """The smallest of a variance's numbers; 0 for all else."""
    variances = name.endswith(".running_var") and math.prod(values.shape)
    return float(values.min()) if variances else 0.0


@dataclass(frozen=True)
class Transplant:
    """What ``transplant`` could not carry over as it was, by parameter name.

    Attributes:
        adapted: the first kernel, where the input has another number of channels.
    """

    dropped: tuple[str, ...]
    fresh: tuple[str, ...]
    adapted: tuple[str, ...] = ()


def transplant(network: InceptionNet, weights: Mapping[str, torch.Tensor]) -> Transplant:
    """Copies the weights whose name and shape fit; classifiers of other classes stay fresh.

    A first kernel for another number of input channels is adapted: summed for one channel, else
    repeated in turn and scaled, so that its sums stay as large.
    """
    adapted = _first_kernel_adapted(network, weights)
    result = _misfits(network, weights := {**weights, **adapted})
    fitting = {n: w for n, w in weights.items() if n not in result.dropped}
    network.load_state_dict(fitting, strict=False)
    return replace(result, adapted=tuple(adapted))


def _first_kernel_adapted(
    network: InceptionNet, weights: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The first kernel by name where only its input channels differ; else nothing."""
    kernels = ((n, p) for n, p in network.named_parameters() if p.ndim == 4)
    name, own = next(kernels, ("", None))
    given = weights.get(name)
    if own is None or given is None or given.ndim != 4 or given.shape[1] == own.shape[1]:
        return {}
    if (given.shape[0], *given.shape[2:]) != (own.shape[0], *own.shape[2:]):
        return {}
    channels, wanted = given.shape[1], own.shape[1]
    if wanted == 1:
        return {name: given.sum(dim=1, keepdim=True)}
    turns = [i % channels for i in range(wanted)]
    return {name: given[:, turns] * (channels / wanted)}


def _misfits(network: InceptionNet, weights: Mapping[str, torch.Tensor]) -> Transplant:
    own = {n: t for n, t in network.state_dict().items() if not n.endswith(COUNTERS)}
    fitting = {n for n, w in weights.items() if n in own and own[n].shape == w.shape}
    return Transplant(
        dropped=tuple(n for n in weights if n not in fitting),
        fresh=tuple(n for n in own if n not in fitting),
    )


def _check_fit(network: InceptionNet, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    result = _misfits(network, weights)
    if result.dropped or result.fresh:
        names = ", ".join([*result.dropped, *result.fresh][:5])
        raise InputError(f"{path}: tensors that do not fit the network it describes: {names}")


def _zero_counters(network: InceptionNet) -> None:
    for name, buffer in network.named_buffers():
        if name.endswith(COUNTERS):
            buffer.zero_()

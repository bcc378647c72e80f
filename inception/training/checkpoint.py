"""``last.safetensors``: all that a resume needs, in one file, replaced in one step. No pickle."""

import json
import math
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inception.errors import InputError
from inception.fields import check_fields, fits
from inception.files import replacing
from inception.training.muon import is_kernel

KEY = "inception_run"
RIGHT = "/right"  # beside heads and their losses: how often the classifier is right


@dataclass
class State:
    """How far a run is.

    Attributes:
        epoch: epochs finished, validation included.
        step: steps done in the current epoch.
        sums: of losses by head, weighted by pictures, in the current epoch.
        right: of the classifier's answers in the current epoch; None where an older program began
            it, and did not count.
        pictures: of the current epoch so far; ``seconds`` likewise, and those of them in which the
            network ``waited`` for pictures.
        rows: of ``metrics.csv``, one an epoch.
        best_accuracy: validation top-1 of ``model.safetensors``; ``best_loss`` breaks ties, and is
            None before the first validation.
        unreadable: path and reason, each picture once.
    """

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    right: float | None = 0.0
    pictures: int = 0
    missed: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_accuracy: float = -1.0
    best_loss: float | None = None
    epochs_since_best: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def better(self, accuracy: float, loss: float) -> bool:
        """Whether a validation is the best so far, which it then becomes."""
        before = math.inf if self.best_loss is None else self.best_loss
        better = (accuracy, -loss) > (self.best_accuracy, -before)
        if better:
            self.best_accuracy, self.best_loss = accuracy, loss
        self.epochs_since_best = 0 if better else self.epochs_since_best + 1
        return better

    def add(self, name: str, value: float) -> None:
        """Adds to this epoch's sum of a head's loss, or to its answers that are ``RIGHT``."""
        if name != RIGHT:
            self.sums[name] = self.sums.get(name, 0.0) + value
        elif self.right is not None:
            self.right += value

    def begin_epoch(self) -> None:
        """Goes on to the next epoch, its sums at nothing."""
        self.epoch, self.step, self.sums, self.right = self.epoch + 1, 0, {}, 0.0
        self.pictures, self.missed, self.seconds, self.waited = 0, 0, 0.0, 0.0


def save_checkpoint(
    path: Path,
    state: State,
    config: Mapping[str, Any],
    modules: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Writes state, settings, the modules' tensors and the optimiser's."""
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    for name, values in _optimiser_state(modules["network"], optimiser).items():
        for key, value in values.items():
            tensors[f"optimiser/{name}/{key}"] = value.detach().cpu().contiguous()
    metadata = {KEY: json.dumps({"state": asdict(state), "config": dict(config)}, allow_nan=False)}
    with replacing(path) as beside:
        save_file(tensors, beside, metadata=metadata)


def read_checkpoint(path: Path, columns: Collection[str] = ()) -> tuple[State, dict[str, Any]]:
    """How far the run was, and its settings; ``columns`` are in each of the rows.

    Raises:
        InputError: no such file, or not a checkpoint.
    """
    if not path.exists():
        raise InputError(f"nothing to resume: {path} is missing")
    try:
        with safe_open(path, framework="numpy") as file:
            values = json.loads((file.metadata() or {})[KEY])
        counted = {"right": None} if values["state"]["step"] else {}
        state, config = State(**{**counted, **values["state"]}), values["config"]
        _check_state(state, {"epoch", "seconds", *columns})
        if not isinstance(config, dict):
            raise TypeError("its settings are none")
        return state, config
    except RecursionError:
        raise InputError(f"{path} is not a checkpoint of a run: nested too deep") from None
    except (InputError, SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a checkpoint of a run ({error})") from error


def _check_state(state: State, columns: Collection[str]) -> None:
    """Raises ``InputError`` where a run cannot go on from the state."""
    check_fields(state, "a checkpoint")
    counts = ("epoch", "step", "pictures", "missed", "epochs_since_best")
    if strange := [name for name in counts if getattr(state, name) < 0]:
        raise InputError(f"{strange[0]} is below 0")
    if len(state.rows) != state.epoch:
        raise InputError(f"{len(state.rows)} rows of {state.epoch} epochs")
    if not all(fits(total, float) for total in state.sums.values()):
        raise InputError("its sums are no numbers")
    if not all(isinstance(reason, str) for reason in state.unreadable.values()):
        raise InputError("unreadable pictures without a reason")
    for row in state.rows:
        if missing := sorted(columns - row.keys()):
            raise InputError(f"a row without {missing[0]}")
        if not all(fits(value, float) for value in row.values()):
            raise InputError("a row of what are no numbers")


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer
) -> None:
    """Puts the tensors of a checkpoint back into modules and optimiser.

    Raises:
        InputError: they are another network's.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a checkpoint of a run ({error})") from error
    for part, module in modules.items():
        try:
            module.load_state_dict(_below(tensors, part))
        except RuntimeError as error:
            raise InputError(f"{path} does not fit the run's network") from error
    own, kinds = _below(tensors, "optimiser"), set[tuple[bool, frozenset[str]]]()
    for name, p in modules["network"].named_parameters():
        if values := _below(own, name):
            if not all(_fits(value, p) for value in values.values()):
                raise InputError(f"{path} does not fit the run's network")
            optimiser.state[p] = {key: _placed(value, p) for key, value in values.items()}
            kinds.add((is_kernel(p), frozenset(values)))
    if len(kinds) > len({kernel for kernel, _ in kinds}):
        raise InputError(f"{path} lacks some of what its optimiser needs")


def keep_checkpoint(last: Path, epoch: int, keep: int) -> None:
    """Lets the checkpoint of an epoch's end stay, as those of the last ``keep`` epochs do."""
    if not keep:
        return
    with replacing(last.with_name(f"epoch-{epoch}.safetensors")) as beside:
        shutil.copyfile(last, beside)
    for old in last.parent.glob("epoch-*.safetensors"):
        number = old.stem.removeprefix("epoch-")
        if number.isdigit() and int(number) <= epoch - keep:
            old.unlink()


def _optimiser_state(
    network: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, dict[str, Tensor]]:
    return {
        name: {k: v for k, v in optimiser.state[p].items() if isinstance(v, Tensor)}
        for name, p in network.named_parameters()
        if p in optimiser.state
    }


def _fits(value: Tensor, p: Tensor) -> bool:
    """Whether it is a counter of steps, or as large as the parameter."""
    return value.is_floating_point() and value.shape in ((), p.shape)


def _placed(value: Tensor, p: Tensor) -> Tensor:
    """On the parameter's device and in its memory format; counters of steps stay where they are."""
    if value.ndim == 0:
        return value
    return torch.empty_like(p).copy_(value)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}

"""What each branch of a module adds to an answer: gradient times activation where they meet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inception.errors import InputError
from inception.models.layers import BranchesLayer
from inception.models.network import InceptionNet


@dataclass(frozen=True)
class ModuleShares:
    """A module's part in a score, and its branches'.

    Attributes:
        module: its path: a stage, or a place inside one.
        total: the sum over its values of gradient times value; what the branches add up to.
        branches: each branch's part in it, by name.
    """

    module: str
    total: float
    branches: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """The parts over the total, which add up to 1; below 0 where a branch speaks against it."""
        return {n: part / self.total if self.total else 0.0 for n, part in self.branches.items()}

    @property
    def strengths(self) -> dict[str, float]:
        """The parts over the sum of their sizes, from -1 to 1: what drawings are shaded by."""
        sizes = sum(abs(part) for part in self.branches.values())
        return {n: part / sizes if sizes else 0.0 for n, part in self.branches.items()}

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {**asdict(self), "shares": self.shares}


def branch_shares(
    network: InceptionNet, x: Tensor, score: Callable[[Tensor], Tensor]
) -> list[ModuleShares]:
    """Shares of every module that concatenates, in order, those inside others too.

    Args:
        network: in eval mode.
        x: one normalised picture, ``[1, C, H, W]``.
        score: of the logits.

    Raises:
        InputError: no module of the network has branches.
    """
    modules = {n: m for n, m in network.named_modules() if isinstance(m, BranchesLayer)}
    modules = {n: m for n, m in modules.items() if not n.startswith("aux.")}
    if not modules:
        raise InputError(f"{network.spec.name} has no branches; take --method cam or gradcam")
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in modules}
    with ExitStack() as hooks, torch.enable_grad():
        for name, module in modules.items():
            for branch, inner in module.named_children():
                hooks.enter_context(_kept(inner, parts[name], branch))
        total = score(network(x.detach().requires_grad_())).sum()
    values = [value for of_module in parts.values() for value in of_module.values()]
    slopes = iter(torch.autograd.grad(total, values))
    sums = {
        name: {
            branch: float((next(slopes) * value).detach().sum()) for branch, value in kept.items()
        }
        for name, kept in parts.items()
    }
    return [ModuleShares(name, sum(found.values()), found) for name, found in sums.items()]


def _kept(module: nn.Module, into: dict[str, Tensor], name: str) -> Any:
    """A hook that keeps what the branch gives the module; a context that takes it off again."""

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        into[name] = (
            output * 1
        )  # its own value: of an empty branch the output is the module's input
        return into[name]

    return module.register_forward_hook(keep)

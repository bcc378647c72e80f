"""Muon: kernels of convolutions move by their momentum made orthogonal.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); weight decay and
the length of an update are those of "Muon is scalable for LLM training" (arXiv:2502.16982), so that
rates and decays can be AdamW's. torch's own takes matrices alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
LENGTH = 0.2  # root mean square of an update, about AdamW's, over the root of the longer side
ROUNDS = 5  # of the iteration
# Of a + b x + c x² that brings each singular value near 1: Jordan's
A, B, C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.AdamW):
    """Muon for kernels of convolutions, AdamW for all else."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update. Afterwards kernels have no gradient: AdamW passes them by."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and is_kernel(p):
                    self._turn(p, group)
                    p.grad = None
        super().step()

    def _turn(self, p: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            # AdamW looks for its counter when its state is put back
            state |= {"step": torch.zeros(()), "momentum_buffer": torch.zeros_like(p)}
        momentum = state["momentum_buffer"].lerp_(p.grad, 1 - MOMENTUM)
        ahead = p.grad.lerp(momentum, MOMENTUM)  # type: ignore[union-attr]  # Nesterov's
        rows = ahead.permute(0, 2, 3, 1).reshape(len(p), -1)  # as they lie in channels_last
        turned = orthogonal(rows).reshape(len(p), *p.shape[2:], p.shape[1]).permute(0, 3, 1, 2)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(turned, alpha=-group["lr"] * LENGTH * max(rows.shape) ** 0.5)


def is_kernel(p: Tensor) -> bool:
    """Whether Muon moves it, and so keeps other things of it than AdamW does."""
    return p.ndim == 4


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with all its singular values brought near 1: to between 0.7 and 1.2.

    The iteration of Newton and Schulz, on the product of the matrix with itself: what multiplies
    the matrix in each round is a polynomial of that, and is gathered on the shorter side, which
    takes half as many operations.
    """
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    gram = wide @ wide.T
    unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    whole = unit
    for left in reversed(range(ROUNDS)):
        factor = torch.addmm(gram, gram, gram, beta=B, alpha=C).add_(unit, alpha=A)
        whole = factor @ whole
        gram = factor @ gram @ factor if left else gram
    turned: Tensor = whole @ wide
    return turned if len(matrix) <= matrix.shape[1] else turned.T

"""A compiled module for each bucket of batch sizes: on a GPU every new size would compile anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

WORTH = 20_000  # pictures that repay a compilation: about half a minute, and a millisecond each
MOST = 64  # compilations of one module; torch by default stops at 8, and says nothing

Compile = Callable[[nn.Module], Callable[[Tensor], Sequence[Tensor]]]
on_gpu: Compile = partial(torch.compile, mode="reduce-overhead", dynamic=False, fullgraph=True)


def bucket_of(count: int) -> int:
    """The number of pictures a batch is filled up to: a power of two or three quarters of one."""
    power = 1 << (count - 1).bit_length()
    middle = 3 * power // 4
    return middle if power >= 4 and count <= middle else power


class Buckets:
    """Runs a module on batches of any size, compiled where that is worth it.

    A bucket is compiled when enough pictures have come, or are known to come; until then its
    batches run as they are, without padding.

    Attributes:
        compilations: so far.

    Args:
        module: from ``[N, ...]`` to tensors ``[N, ...]``.
        expected: pictures that will come, as far as is known.
        compile: how; by default with a CUDA graph, for a GPU.
    """

    def __init__(self, module: nn.Module, *, expected: int = 0, compile: Compile = on_gpu) -> None:
        self.module, self.expected = module, expected
        self.compilations = 0
        self._seen: Counter[int] = Counter()
        self._forms: dict[int, Any] = {}
        self._compile = compile

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """What the module gives for ``x``, ``[N, ...]``."""
        count, bucket = len(x), bucket_of(len(x))
        self._seen[bucket] += count
        if max(self._seen[bucket], self.expected) < WORTH:
            values: Sequence[Tensor] = self.module(x)
            return values
        if bucket not in self._forms:
            self._forms[bucket] = self._compile(self.module)
            self.compilations += 1
        filled = x.new_zeros(bucket, *x.shape[1:])
        filled[:count] = x
        with torch._dynamo.config.patch(recompile_limit=MOST):
            values = self._forms[bucket](filled)
        return [value[:count] for value in values]

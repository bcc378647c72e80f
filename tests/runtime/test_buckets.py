"""Batches of every size in a few compilations, and none where it is not worth one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception.runtime import buckets
from inception.runtime.buckets import Buckets, bucket_of


class Sums(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.float().flatten(1).sum(dim=1), x.float() / 2


class Counting:
    """A backend that compiles nothing and keeps the size of each batch it was asked for."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.how = partial(torch.compile, backend=self._take, dynamic=False, fullgraph=True)

    def _take(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.sizes.append(len(inputs[0]))
        return graph.forward


def pictures(count: int) -> Tensor:
    drawn = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 2, 2, 3), dtype=torch.uint8, generator=drawn)


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch.compiler.reset()


def test_buckets_are_few_and_little_is_added() -> None:
    sizes = {count: bucket_of(count) for count in range(1, 1025)}
    assert all(count <= bucket <= 1.5 * count for count, bucket in sizes.items())
    assert all(bucket_of(bucket) == bucket for bucket in sizes.values())
    assert len(set(sizes.values())) == 20


def test_every_batch_size_gives_its_own_answers_in_a_compilation_a_bucket() -> None:
    counting, plain = Counting(), Sums()
    run = Buckets(Sums(), expected=buckets.WORTH, compile=counting.how)
    counts = [*range(1, 41), *range(40, 0, -1)]
    for count in counts:
        x = pictures(count)
        for got, wanted in zip(run(x), plain(x), strict=True):
            assert torch.equal(got, wanted)
    wanted_sizes = sorted({bucket_of(count) for count in counts})
    assert sorted(counting.sizes) == wanted_sizes and len(wanted_sizes) > 8  # torch's own limit
    assert run.compilations == len(wanted_sizes)


def test_a_bucket_is_compiled_once_enough_pictures_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "WORTH", 20)
    counting = Counting()
    run = Buckets(Sums(), compile=counting.how)
    for _ in range(3):
        run(pictures(6))
        run(pictures(1))
    assert counting.sizes == []  # 18 pictures in the bucket of 6, 3 in that of 1
    run(pictures(5))
    assert (counting.sizes, run.compilations) == ([6], 1)
    run(pictures(6))
    assert run.compilations == 1

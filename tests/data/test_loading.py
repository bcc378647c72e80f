"""Loading: order, bounds, plans, and batches that do not depend on the number of threads."""

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception.data.datasets import Dataset, open_data
from inception.data.loading import Batch, epoch_plan, training_batches
from inception.data.ordered import ordered_map
from inception.data.transforms import AUGMENTATIONS


@pytest.fixture
def dataset(colours: Path) -> Dataset:
    return open_data(colours).splits["train"]


def batches(dataset: Dataset, *, threads: int = 2, seed: int = 1, epoch: int = 0) -> list[Batch]:
    plan = epoch_plan(len(dataset), 10, seed, epoch)
    how = AUGMENTATIONS["googlenet"]
    every = training_batches(dataset, plan, how, size=16, seed=seed, epoch=epoch, threads=threads)
    return list(every)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_the_order_of_the_items(threads: int, ahead: int) -> None:
    late = threading.Event()

    def square(x: int) -> int:
        if x == 0 and threads > 1 and ahead > 1:
            late.wait(10)  # the first is done after the second
        if x == 1:
            late.set()
        return x * x

    got = list(ordered_map(square, range(20), threads=threads, ahead=ahead))
    assert got == [x * x for x in range(20)]


@pytest.mark.parametrize("ahead", [1, 5])
def test_no_more_items_are_taken_than_may_wait(ahead: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(50):
            taken.append(i)
            yield i

    for done, _ in enumerate(ordered_map(str, items(), threads=2, ahead=ahead)):
        assert len(taken) - done <= ahead
    assert len(taken) == 50


def test_an_error_reaches_the_caller_and_the_threads_end() -> None:
    def fail(x: int) -> int:
        return 1 // (3 - x)

    results = ordered_map(fail, range(100), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [t for t in threading.enumerate() if t.name.startswith("pictures")]


def test_leaving_early_ends_the_threads() -> None:
    results = ordered_map(str, range(100), threads=2, ahead=4)
    assert next(results) == "0"
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("pictures")]


@pytest.mark.parametrize(("count", "batch_size"), [(1, 8), (7, 8), (8, 8), (9, 8), (100, 32)])
def test_a_plan_has_every_picture_once_and_no_tiny_tail(count: int, batch_size: int) -> None:
    plan = epoch_plan(count, batch_size, 0, 0)
    assert sorted(np.concatenate(plan)) == list(range(count))
    sizes = [len(rows) for rows in plan]
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    assert len(plan) == math.ceil(count / batch_size)


def test_a_plan_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(epoch_plan(50, 8, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_batches_are_identical_whatever_the_number_of_threads(dataset: Dataset) -> None:
    one, four = batches(dataset, threads=1), batches(dataset, threads=4)
    assert len(one) == len(four) == 5
    for a, b in zip(one, four, strict=True):
        assert np.array_equal(a.pictures, b.pictures) and np.array_equal(a.labels, b.labels)
        assert a.pictures.shape == (len(a.labels), 16, 16, 3) and a.pictures.dtype == np.uint8


def test_labels_stay_with_their_pictures(dataset: Dataset) -> None:
    for batch in batches(dataset):
        means = batch.pictures.mean(axis=(1, 2))
        assert np.array_equal((means[:, 0] > means[:, 1]).astype(int), batch.labels)  # 1 is red


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 1}])
def test_another_seed_or_epoch_shows_other_pictures(dataset: Dataset, other: Any) -> None:
    first, second = batches(dataset), batches(dataset, **other)
    assert not np.array_equal(first[0].pictures, second[0].pictures)


def test_what_a_picture_becomes_does_not_depend_on_its_batch(dataset: Dataset) -> None:
    how = AUGMENTATIONS["googlenet"]

    def shown(plan: list[Any]) -> Any:
        every = training_batches(dataset, plan, how, size=16, seed=1, epoch=0, threads=2)
        return np.concatenate([batch.pictures for batch in every])

    together, alone = shown([np.arange(6)]), shown([np.array([i]) for i in range(6)])
    assert np.array_equal(together, alone)


def test_unreadable_pictures_are_left_out_and_named(colours: Path) -> None:
    (colours / "train" / "red" / "3.png").write_bytes(b"not a picture")
    (colours / "train" / "green" / "half.jpg").write_bytes(b"\xff\xd8\xff")
    found = batches(open_data(colours).splits["train"])
    assert sum(len(batch.labels) for batch in found) == 47
    assert all(len(batch.pictures) == len(batch.labels) for batch in found)
    names = sorted(error.name for batch in found for error in batch.unreadable)
    assert names == [f"{colours}/train/green/half.jpg", f"{colours}/train/red/3.png"]


def test_a_batch_of_nothing_but_unreadable_pictures_is_empty(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"not a picture")
    (batch,) = batches(open_data(tmp_path).splits["all"])
    assert batch.pictures.shape == (0, 16, 16, 3) and len(batch.labels) == 0
    assert len(batch.unreadable) == 2

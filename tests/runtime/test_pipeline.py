"""The pipeline around an engine whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inception import create_model
from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.runtime import check_threads, create_engine
from inception.runtime.pipeline import Member, Opinions, ask, classify
from inception.runtime.torch_engine import TorchEngine, pick_device

HOW = Preprocessing(size=28, crop=0.875)  # pictures of 32 by 32 are not resized


class FirstPixel:
    """An engine that answers with the first pixel, and remembers the sizes of its batches."""

    name = "first pixel"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, pictures: Any) -> dict[str, Any]:
        assert pictures.dtype == np.uint8 and pictures.shape[1:] == (28, 28, 3)
        self.batches.append(len(pictures))
        return {"probabilities": pictures[:, 0, 0].astype(np.float32)}


def plain(value: int) -> Any:
    if value % 10 == 9:
        raise UnreadableImageError(f"{value}.jpg", "ends in nine")
    return np.full((32, 32, 3), value, np.uint8)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_answers_come_in_the_order_of_the_items(threads: int, batch_size: int) -> None:
    answers = list(
        classify(FirstPixel(), range(50), plain, HOW, batch_size=batch_size, threads=threads)
    )
    assert [a.item for a in answers] == list(range(50))
    for a in answers:
        if a.item % 10 == 9:
            assert a.probabilities is None and str(a.error) == f"{a.item}.jpg: ends in nine"
        else:
            assert a.probabilities is not None and a.error is None
            assert a.probabilities.tolist() == [a.item] * 3


def test_ten_crops_are_averaged() -> None:
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (answer,) = classify(FirstPixel(), [0], lambda _: x, HOW, crops=10)
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    first = [x[top, left] for top, left in corners]
    mirrored = [x[top, left + 27] for top, left in corners]
    by_hand = np.mean(np.array([*first, *mirrored], dtype=np.float64), axis=0)
    assert answer.probabilities == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("crops", "batch_size", "batches"),
    [
        (1, 4, [4, 4, 2]),
        (1, 64, [10]),
        (10, 25, [20] * 5),
        (10, 4, [4, 3, 3] * 10),
        (144, 64, [48] * 30),
    ],
)
def test_the_batch_size_counts_squares(crops: int, batch_size: int, batches: list[int]) -> None:
    engine = FirstPixel()
    answers = classify(engine, [20] * 10, plain, HOW, crops=crops, batch_size=batch_size)
    assert len(list(answers)) == 10
    assert engine.batches == batches


def test_unreadable_pictures_never_reach_the_engine() -> None:
    engine = FirstPixel()
    answers = list(classify(engine, [9, 19, 29], plain, HOW))
    assert [a.probabilities for a in answers] == [None] * 3 and engine.batches == []


def test_any_number_of_items_is_taken_in_bounded_memory() -> None:
    taken = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(0)
            yield 0

    answers = classify(FirstPixel(), endless(), plain, HOW, batch_size=4, threads=2)
    for _ in range(20):
        next(answers)
    assert len(taken) <= 20 + 4 + 2 * 2  # a batch, and two for each thread
    answers.close()  # type: ignore[attr-defined]


def test_members_see_a_picture_that_is_read_once() -> None:
    reads, first, second = [], FirstPixel(), FirstPixel()
    members = [Member(first, HOW), Member(second, replace(HOW, resize="squash", mean=(1.0,) * 3))]
    x = np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8)

    def read(item: int) -> Any:
        reads.append(item)
        return plain(item) if item % 10 == 9 else x

    told = list(ask(members, [5, 9, 6], read, counts=(1, 10), batch_size=33))
    assert reads == [item for item, _ in told] == [5, 9, 6]
    assert first.batches == second.batches == [2, 20]  # never shown two numbers of crops at once
    assert isinstance(told[1][1], UnreadableImageError)
    for opinions in (told[0][1], told[2][1]):
        assert isinstance(opinions, Opinions) and (opinions.seconds > 0).all()
        assert opinions.probabilities.shape == (2, 2, 3) and opinions.seconds.shape == (2, 2)
        for i, member in enumerate(members):
            for j, crops in enumerate((1, 10)):
                alone = classify(FirstPixel(), [0], lambda _: x, member.preprocessing, crops=crops)
                assert np.array_equal(opinions.probabilities[i, j], next(alone).probabilities)


def test_squares_wait_in_bounded_numbers_however_many_threads() -> None:
    taken = []

    def read(item: int) -> Any:
        taken.append(item)
        return plain(0)

    answers = classify(FirstPixel(), range(100), read, HOW, crops=144, threads=32)
    next(answers)
    assert len(taken) <= 1 + 1024 // 144
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("crops", [0, 2, 90])
def test_an_undefined_number_of_crops_is_refused(crops: int) -> None:
    with pytest.raises(InputError, match=f"crops are 1, 10, 12 or 144; got {crops}"):
        next(classify(FirstPixel(), [0], plain, HOW, crops=crops))


def test_an_error_of_the_program_is_not_taken_for_a_bad_picture() -> None:
    def broken(item: int) -> Any:
        raise AttributeError("a bug")

    with pytest.raises(AttributeError, match="a bug"):
        list(classify(FirstPixel(), [0], broken, HOW))


def test_the_torch_engine_is_softmax_of_the_normalised_network() -> None:
    torch.manual_seed(0)
    spec = MODELS["googlenet_small"]
    how = replace(spec.preprocessing, size=16)
    network = create_model(replace(spec, preprocessing=how), num_classes=5).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    x = (pictures - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    with torch.no_grad():
        logits = network(torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32)).numpy()
    by_hand = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    got = TorchEngine(network, device="cpu").run(pictures)["probabilities"]
    assert got.dtype == np.float32
    assert got == pytest.approx(by_hand, abs=1e-5)  # another memory layout sums in another order


def test_unknown_engines_devices_and_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no engine named 'torhc'; did you mean 'torch'"):
        create_engine(tmp_path / "m.safetensors", "torhc")
    with pytest.raises(InputError, match="device is auto, cpu or cuda; got 'gpu'"):
        pick_device("gpu")
    with pytest.raises(InputError, match="threads must be at least 1; got 0"):
        check_threads(0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert pick_device("auto").type == "cpu"
    with pytest.raises(InputError, match="no GPU on this machine"):
        pick_device("cuda")

"""Metrics against numbers worked by hand, and against torch."""

import math
import weakref

import numpy as np
import pytest
import torch

from inception.errors import InputError
from inception.evaluation.metrics import Tally, log_loss, top_k_accuracy

SCORES = np.array(
    [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], dtype=np.float32
)
LABELS = np.array([0, 1, 0, 2])  # the ranks of the labels: 1, 2, 3, 3


@pytest.mark.parametrize(("k", "share"), [(1, 0.25), (2, 0.5), (3, 1.0), (5, 1.0)])
def test_top_k_accuracy_by_hand(k: int, share: float) -> None:
    assert top_k_accuracy(SCORES, LABELS, k=k) == share


def test_a_tie_goes_to_the_lower_class() -> None:
    even = np.full((3, 3), 1 / 3, dtype=np.float32)
    assert top_k_accuracy(even, np.array([0, 1, 2]), k=1) == pytest.approx(1 / 3)
    assert top_k_accuracy(even, np.array([0, 1, 2]), k=2) == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [1, 5])
def test_top_k_accuracy_is_that_of_torch(k: int) -> None:
    scores = torch.rand(200, 20, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(20, (200,), generator=torch.Generator().manual_seed(1))
    hits = (scores.topk(k, dim=1).indices == labels[:, None]).any(dim=1).double().mean()
    assert top_k_accuracy(scores.numpy(), labels.numpy(), k=k) == pytest.approx(hits.item())


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"at least 1; got {k}"):
        top_k_accuracy(SCORES, LABELS, k=k)


def test_log_loss_by_hand() -> None:
    by_hand = -(math.log(0.5) + math.log(0.2) + math.log(0.2) + math.log(0.1)) / 4
    assert log_loss(SCORES, LABELS) == pytest.approx(by_hand, rel=1e-6)  # float32 inputs


def test_log_loss_is_torchs_cross_entropy() -> None:
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 7
    wanted = torch.nn.functional.cross_entropy(logits, labels).item()
    assert log_loss(logits.softmax(dim=1).numpy(), labels.numpy()) == pytest.approx(
        wanted, rel=1e-5
    )


def test_a_probability_of_zero_gives_a_finite_loss() -> None:
    loss = log_loss(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]))
    assert loss == pytest.approx(-math.log(1e-12))


def test_confusion_has_true_classes_as_rows() -> None:
    tally = Tally(4)
    for predicted, label in zip([0, 2, 1, 0, 2], [0, 1, 1, 2, 2], strict=True):
        tally.add(np.eye(4, dtype=np.float32)[predicted], label)
    wanted = [[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert tally.confusion.tolist() == wanted


def test_a_tally_says_what_the_metrics_say_of_all_pictures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(9), 300).astype(np.float32)
    labels, tally = rng.integers(0, 9, 300), Tally(9)
    for probabilities, label in zip(scores, labels, strict=True):
        tally.add(probabilities, int(label), seconds=0.5)
    assert tally.images == 300 and tally.seconds == 150
    assert tally.accuracy(1) == top_k_accuracy(scores, labels, k=1)
    assert tally.accuracy(5) == top_k_accuracy(scores, labels, k=5)
    assert tally.loss == pytest.approx(log_loss(scores, labels), rel=1e-12)
    assert tally.confusion.sum(axis=1).tolist() == np.bincount(labels).tolist()
    assert tally.confusion.trace() == round(300 * tally.accuracy(1))


def test_a_tally_keeps_no_picture_s_probabilities() -> None:
    tally, kept = Tally(3), []
    for _ in range(10):
        probabilities = np.full(3, 1 / 3, dtype=np.float32)
        kept.append(weakref.ref(probabilities))
        tally.add(probabilities, 0)
    del probabilities
    assert [reference() for reference in kept] == [None] * 10

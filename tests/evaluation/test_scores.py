"""Scores of classes, of two classes and of two models, beside scikit-learn and SciPy."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from inception.evaluation.scores import (
    averaged,
    class_scores,
    mcnemar,
    precision_recall,
    roc,
    wilson,
)

SEEDS = range(20)


@pytest.mark.parametrize("right", [0, 1, 7, 50, 99, 100])
@pytest.mark.parametrize("more", [0, 3, 9_900])
def test_intervals_are_scipys(right: int, more: int) -> None:
    wanted = binomtest(right, 100 + more).proportion_ci(method="wilson")
    assert wilson(right, 100 + more) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_of_classes_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 9))
    true, put = rng.integers(0, classes - seed % 2, (2, int(rng.integers(1, 40))))
    confusion = metrics.confusion_matrix(true, put, labels=range(classes))
    wanted = metrics.precision_recall_fscore_support(
        true, put, labels=range(classes), zero_division=np.nan
    )
    for own, theirs in zip(class_scores(confusion), wanted, strict=False):
        np.testing.assert_allclose(own, theirs, atol=1e-12)
    for name, means in averaged(confusion).items():
        total = metrics.precision_recall_fscore_support(true, put, average=name, zero_division=0.0)
        assert list(means.values()) == pytest.approx(total[:3], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_curves_of_two_classes_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = np.r_[True, False, rng.random(int(rng.integers(1, 60))) < 0.4]
    scores = rng.random(len(positive)) if seed % 2 else rng.integers(0, 4, len(positive)) / 4
    own = roc(scores, positive)
    x, y, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose((own.x, own.y), (x, y), atol=1e-12)
    assert own.area == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-12)
    own = precision_recall(scores, positive)
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose((own.y, own.x), (precision[-2::-1], recall[-2::-1]), atol=1e-12)
    average = metrics.average_precision_score(positive, scores)
    assert own.area == pytest.approx(average, abs=1e-12)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (0, 1), (5, 5), (3, 12), (40, 7), (900, 1000)]
)
def test_two_models_are_told_apart_as_scipy_does(only_first: int, only_second: int) -> None:
    total = only_first + only_second
    wanted = binomtest(only_first, total).pvalue if total else 1.0
    for a, b in ((only_first, only_second), (only_second, only_first)):
        with warnings.catch_warnings(action="error"):
            assert mcnemar(a, b) == pytest.approx(wanted, rel=1e-9)

"""The temperature: found where it is known, and stored in the model's file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inception.errors import InputError
from inception.evaluation.calibration import Listener, calibrate, fit_temperature, tempered
from inception.evaluation.evaluate import evaluate
from inception.prediction import load


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_by_is_found(factor: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    labels = np.array([rng.choice(4, p=p / p.sum()) for p in softmax(logits).astype(float)])
    found = fit_temperature(softmax(logits * factor), labels)
    assert found == pytest.approx(factor, rel=0.03)
    once_more = fit_temperature(tempered(softmax(logits * factor), found), labels)
    assert once_more == pytest.approx(1.0, rel=1e-3)


def test_tempering_is_dividing_the_logits() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (50, 6))
    np.testing.assert_allclose(tempered(softmax(logits), 1.7), softmax(logits / 1.7), atol=1e-6)


def test_nothing_to_calibrate_on_is_refused() -> None:
    with pytest.raises(InputError, match="calibration needs pictures"):
        fit_temperature(np.empty((0, 2), np.float32), np.empty(0, np.int64))


def test_a_stored_temperature_changes_how_sure_the_model_is_and_nothing_else(
    make_model: Callable[..., Path], odd_pictures: Path
) -> None:
    # probabilities below 1e-12 count as that, and could not be tempered back
    model, listener = make_model(3, scale=0.5), Listener()
    before = evaluate(model, odd_pictures, observe=listener.hear)
    weights = load(model).network.state_dict()
    told = calibrate(model, *listener.all())
    after = evaluate(model, odd_pictures)
    assert after.top1_accuracy == before.top1_accuracy
    assert after.loss == pytest.approx(told.loss_after, rel=1e-4)
    assert told.loss_before == pytest.approx(before.loss, rel=1e-4)
    assert told.loss_after < told.loss_before
    again = load(model)
    assert again.info.temperature == told.temperature != 1.0
    assert all((weights[n] == w).all() for n, w in again.network.state_dict().items())

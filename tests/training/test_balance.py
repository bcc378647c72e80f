"""Classes of unequal size: equal shares of the loss, or of the pictures drawn."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from inception.data.loading import epoch_plan
from inception.training.losses import balancing_weights, losses_by_head
from inception.training.run import train

LABELS = np.repeat([0, 1, 3], [70, 20, 9])  # none of class 2


def test_weights_are_scikit_learns() -> None:
    wanted = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    weights = balancing_weights(LABELS, 4)
    assert weights[[0, 1, 3]].tolist() == pytest.approx(wanted, rel=1e-6)
    assert float(weights[torch.from_numpy(LABELS)].mean()) == pytest.approx(1, rel=1e-6)


def test_weighted_losses_of_parts_add_up_to_the_whole() -> None:
    logits, labels = torch.randn(99, 4), torch.from_numpy(LABELS)
    weights = balancing_weights(LABELS, 4)
    (whole,) = losses_by_head(logits, {}, labels, class_weights=weights).values()
    parts = [
        len(rows)
        / 99
        * losses_by_head(logits[rows], {}, labels[rows], class_weights=weights)["main"]
        for rows in np.array_split(np.random.default_rng(0).permutation(99), 4)
    ]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-5)
    each = F.cross_entropy(logits, labels, reduction="none") * weights[labels]
    assert float(whole) == pytest.approx(float(each.mean()), rel=1e-5)


@pytest.mark.parametrize("epoch", range(5))
def test_every_class_has_an_equal_share_of_an_epoch(epoch: int) -> None:
    plan = epoch_plan(99, 10, 0, epoch, evenly=LABELS)
    drawn = np.concatenate(plan)
    assert len(drawn) == 99 and Counter(LABELS[drawn]) == {0: 33, 1: 33, 3: 33}
    times = Counter(drawn.tolist())
    for label, most in ((0, 1), (1, 2), (3, 4)):
        own = [times[row] for row in np.flatnonzero(label == LABELS).tolist()]
        assert max(own) == most and (most == 1 or max(own) - min(own) <= 1)
    again = epoch_plan(99, 10, 0, epoch, evenly=LABELS)
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_run_trains_so(colours: Path, tmp_path: Path, balance: str) -> None:
    told = train(
        colours, {"balance": balance}, out=tmp_path / "run", model="lenet5", epochs=1, threads=1
    )  # type: ignore[arg-type]
    assert told.epochs == 1

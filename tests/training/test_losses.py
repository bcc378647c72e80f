"""The loss with auxiliary heads, worked by hand."""

import math

import pytest
import torch

from inception.training.losses import losses_by_head, share_right, total_loss

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 0])


def test_the_total_is_the_main_loss_plus_a_share_of_each_head_s() -> None:
    losses = losses_by_head(LOGITS, {"a": LOGITS * 2, "b": LOGITS * 0}, LABELS)
    main = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    a = (math.log(1 + math.exp(-4)) + math.log(1 + math.exp(2))) / 2
    assert float(losses["main"]) == pytest.approx(main)
    assert float(losses["a"]) == pytest.approx(a)
    assert float(losses["b"]) == pytest.approx(math.log(2))
    assert float(total_loss(losses, 0.3)) == pytest.approx(main + 0.3 * (a + math.log(2)))


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    loss = losses_by_head(LOGITS[:1], {}, LABELS[:1], label_smoothing=0.1)["main"]
    log_p = [-math.log(1 + math.exp(-2)), -2 - math.log(1 + math.exp(-2))]
    assert float(loss) == pytest.approx(-(0.95 * log_p[0] + 0.05 * log_p[1]))


def test_an_answer_is_right_by_the_share_of_its_class() -> None:
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [5.0, 1.0, 2.0]])
    assert share_right(logits, torch.tensor([0, 1, 1, 0])).item() == 0.75
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    assert share_right(logits, shares).item() == (0.25 + 1 + 0.5 + 0) / 4

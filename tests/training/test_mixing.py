"""Mixup and CutMix against their definitions, and as part of a run that can be resumed."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inception.data.loading import Batch
from inception.errors import InputError
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Norm, Pool, Spec
from inception.training.config import TrainConfig
from inception.training.group import Interrupted
from inception.training.loop import Reports
from inception.training.losses import MAIN, losses_by_head
from inception.training.mixing import Mix, draw_mix, mixed
from inception.training.run import train


def batch() -> Batch:
    rng = np.random.default_rng(3)
    return Batch(rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8), np.array([0, 1, 2, 1]))


def test_nothing_is_mixed_unless_asked_for() -> None:
    rng = np.random.default_rng(0)
    assert draw_mix(4, 8, mixup=0.0, cutmix=0.0, rng=rng) is None
    rows = np.array([2, 0])
    pictures, labels = mixed(batch(), rows, None, 3)
    assert np.array_equal(pictures, batch().pictures[rows]) and labels.tolist() == [2, 0]


def test_mixup_blends_pictures_and_labels_by_one_share() -> None:
    mix = Mix(np.array([1, 2, 3, 0]), 0.75)
    pictures, labels = mixed(batch(), np.array([0, 3]), mix, 3)
    x = batch().pictures.astype(float)
    np.testing.assert_allclose(pictures[0], 0.75 * x[0] + 0.25 * x[1], atol=1e-4)
    np.testing.assert_allclose(pictures[1], 0.75 * x[3] + 0.25 * x[0], atol=1e-4)
    assert labels.tolist() == [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]]


def test_cutmix_pastes_a_box_and_shares_labels_by_its_area() -> None:
    mix = Mix(np.array([1, 2, 3, 0]), 1 - 6 / 64, box=(1, 2, 3, 5))
    pictures, labels = mixed(batch(), np.array([0]), mix, 3)
    expected = batch().pictures[0].copy()
    expected[1:3, 2:5] = batch().pictures[1][1:3, 2:5]
    assert np.array_equal(pictures[0], expected)
    assert labels[0].tolist() == pytest.approx([58 / 64, 6 / 64, 0.0])


@pytest.mark.parametrize("seed", range(20))
def test_a_cutmix_box_lies_in_the_picture_and_its_share_is_what_is_left(seed: int) -> None:
    mix = draw_mix(5, 32, mixup=0.0, cutmix=1.0, rng=np.random.default_rng(seed))
    assert mix is not None and mix.box is not None
    top, left, bottom, right = mix.box
    assert 0 <= top <= bottom <= 32 and 0 <= left <= right <= 32
    assert mix.share == 1 - (bottom - top) * (right - left) / 1024
    assert sorted(mix.partners) == list(range(5))


def test_both_take_turns_by_chance_and_shares_follow_the_beta_distribution() -> None:
    rngs = [np.random.default_rng(seed) for seed in range(400)]
    mixes = [draw_mix(2, 64, mixup=0.4, cutmix=1.0, rng=rng) for rng in rngs]
    blends = [m.share for m in mixes if m is not None and m.box is None]
    assert 160 <= len(blends) <= 240  # 200, within four deviations
    assert np.mean(blends) == pytest.approx(0.5, abs=0.1)
    assert np.var(blends) == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.03)  # of Beta(a, a)


def test_the_loss_of_shares_is_the_shared_loss() -> None:
    torch.manual_seed(0)
    logits, a, b = torch.randn(3, 4), torch.tensor([0, 1, 2]), torch.tensor([3, 3, 1])
    shares = 0.7 * torch.eye(4)[a] + 0.3 * torch.eye(4)[b]
    one, two, both = (
        losses_by_head(logits, {}, labels, label_smoothing=0.1)[MAIN] for labels in (a, b, shares)
    )
    torch.testing.assert_close(both, 0.7 * one + 0.3 * two)


def test_a_mixed_run_resumes_to_the_same_weights(colours: Path, tmp_path: Path) -> None:
    last = {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)}
    spec = Spec("tiny", {"conv1": Conv(8, kernel=3, norm=Norm())}, last)
    (tmp_path / "tiny.json").write_text(json.dumps(spec.to_json()))
    config = TrainConfig(
        model=str(tmp_path / "tiny.json"), image_size=16, epochs=2, batch_size=16, threads=1,
        mixup=0.2, cutmix=1.0, accumulate=2,
    )  # fmt: skip
    seen = []

    def step(*_: object) -> None:
        seen.append(0)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    train(colours, config, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(colours, config, out=tmp_path / "cut", reports=Reports(step=step))
    train(None, resume=tmp_path / "cut")
    whole, cut = (load_file(tmp_path / n / "last.safetensors") for n in ("whole", "cut"))
    assert [n for n in whole if not torch.equal(whole[n], cut[n])] == []
    train(colours, replace(config, mixup=0.0, cutmix=0.0), out=tmp_path / "plain")
    plain = load_file(tmp_path / "plain" / "last.safetensors")
    assert not torch.equal(plain["network/conv1.conv.weight"], whole["network/conv1.conv.weight"])


def test_features_are_not_mixed(colours: Path, tmp_path: Path) -> None:
    config = TrainConfig(init="cats-and-dogs", freeze="backbone", cached_views=1, mixup=0.2)
    with pytest.raises(InputError, match="mix pictures, not features; leave out cached_views"):
        train(colours, config, out=tmp_path / "run")

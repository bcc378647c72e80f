"""Cosine and nearest-mean classifiers: what they compute, learned, taken, and stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inception.errors import InputError
from inception.evaluation.evaluate import evaluate
from inception.models import create_model
from inception.models.googlenet import GOOGLENET_SMALL
from inception.models.network import InceptionNet
from inception.models.variants import wider, with_head
from inception.prediction import load
from inception.training.config import TrainConfig
from inception.training.heads import is_cosine, level_rows
from inception.training.loop import Reports
from inception.training.neighbours import class_means, nearest_votes
from inception.training.run import train
from inception.weights.model_file import ModelInfo, save_model

SMALL = wider(GOOGLENET_SMALL, 0.125)
CONFIG = TrainConfig(
    freeze="backbone", cached_views=2, image_size=16, epochs=30, batch_size=16, lr=0.1,
    threads=1, eval_crop=1.0, precision="fp32", seed=3,
)  # fmt: skip


def small_network(head: str = "own") -> InceptionNet:
    torch.manual_seed(0)
    how = replace(SMALL.preprocessing, size=16, crop=1.0)
    spec = replace(SMALL, num_classes=5, preprocessing=how, aux={})
    return create_model(with_head(spec, head)).eval()  # type: ignore[arg-type]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A model of five classes with random weights: already good features for plain colours."""
    network = small_network()
    path = tmp_path / "parent.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, tuple("abcde")))
    return path


def row_lengths(network: InceptionNet) -> torch.Tensor:
    return next(iter(network.logits_layers())).weight.norm(dim=1)


def test_a_cosine_head_gives_a_scale_times_the_cosine() -> None:
    network = small_network("cosine")
    assert is_cosine(network.spec) and not is_cosine(GOOGLENET_SMALL)
    level_rows(network.classifier, 7.0)
    x = torch.randn(3, 3, 16, 16)
    features = network.features(x)["inception_5b"].mean(dim=(2, 3))
    weight = next(iter(network.logits_layers())).weight
    expected = 7 * F.cosine_similarity(features[:, None], weight[None], dim=2)
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.embed(x), F.normalize(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_cosine_head_learns_and_its_rows_keep_one_length(
    colours: Path, parent: Path, tmp_path: Path, frozen: bool
) -> None:
    config = replace(CONFIG, init=str(parent), head="cosine")
    if not frozen:
        config = replace(config, freeze="none", cached_views=0, epochs=3)
    summary = train(colours, config, out=tmp_path / "run")
    assert summary.top1_accuracy >= (0.9 if frozen else 0.5)
    assert evaluate(tmp_path / "run", colours).top1_accuracy == summary.top1_accuracy
    lengths = row_lengths(load(tmp_path / "run").network)
    torch.testing.assert_close(lengths, lengths.mean().expand(2), rtol=1e-5, atol=0)
    assert float(lengths[0].detach()) != pytest.approx(10.0, abs=1e-3)  # the scale is learned


def test_neighbours_vote_and_means_are_stored(colours: Path, parent: Path, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    reports = Reports(epoch=lambda row, best: rows.append(row))
    config = replace(CONFIG, init=str(parent), head="knn", neighbours=5)
    summary = train(colours, config, out=tmp_path / "run", reports=reports)
    assert len(rows) == 1 and rows[0]["knn_accuracy"] >= 0.9
    assert summary.top1_accuracy >= 0.9 and not summary.averaged
    assert evaluate(tmp_path / "run", colours).top1_accuracy == summary.top1_accuracy
    lengths = row_lengths(load(tmp_path / "run").network)
    torch.testing.assert_close(lengths, lengths.mean().expand(2), rtol=1e-5, atol=0)
    assert "knn_accuracy" in (tmp_path / "run" / "metrics.csv").read_text()
    before, after = load(parent).network.state_dict(), load(tmp_path / "run").network.state_dict()
    changed = [n for n in after if n in before and not torch.equal(after[n], before[n])]
    assert changed == ["classifier.logits.linear.weight"]


def test_the_nearest_vote_by_hand() -> None:
    known = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    labels, asked = np.array([0, 1, 1, 2]), np.array([[0.8, 0.6]], np.float32)
    # cosines 0.8, 0.96, 0.6 and -0.8: the nearest two are number 1 and number 0
    one, zero = np.exp((0.96 - 1) / 0.07), np.exp((0.8 - 1) / 0.07)
    two = nearest_votes(known, labels, asked, 2, 3)
    assert two[0] == pytest.approx([zero / (one + zero), one / (one + zero), 0.0], rel=1e-5)
    alone = nearest_votes(known, labels, asked, 1, 3)
    assert alone.tolist() == [[0.0, 1.0, 0.0]]
    every = nearest_votes(known, labels, np.repeat(asked, 600, axis=0), 99, 3)  # at most all
    assert every.shape == (600, 3) and every.argmax(axis=1).tolist() == [1] * 600


def test_the_mean_of_a_class_has_length_one_and_of_none_is_nothing() -> None:
    features = np.array([[1, 0], [0, 1], [0, -1]], np.float32)
    means = class_means(features, np.array([0, 0, 2]), 4)
    root = 0.5**0.5
    np.testing.assert_allclose(means, [[root, root], [0, 0], [0, -1], [0, 0]], atol=1e-6)


def test_neighbours_need_frozen_features(colours: Path, parent: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, init=str(parent), head="knn", cached_views=0)
    with pytest.raises(InputError, match="head=knn needs --freeze backbone"):
        train(colours, config, out=tmp_path / "run")


def test_another_pooling_is_another_cache(colours: Path, parent: Path, tmp_path: Path) -> None:
    for head in ("linear", "flatten", "cosine"):
        config = replace(CONFIG, init=str(parent), head=head, epochs=1)
        train(colours, config, out=tmp_path / head)
        assert evaluate(tmp_path / head, colours, engine="torch").images == 16

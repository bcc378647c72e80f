"""Training a classifier on cached features: what it gives, and when a cache may be used."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception.data.crops import views
from inception.data.datasets import open_data
from inception.errors import InputError
from inception.evaluation.evaluate import evaluate
from inception.models import create_model
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import Pool, map_spec
from inception.prediction import load
from inception.training import feature_cache
from inception.training.config import TrainConfig
from inception.training.feature_cache import Backbone, cached_features
from inception.training.run import train
from inception.weights.model_file import ModelInfo, save_model

TUNE = TrainConfig(
    freeze="backbone", cached_views=1, image_size=16, epochs=20, batch_size=16, lr=0.1,
    threads=1, eval_crop=1.0, precision="fp32", seed=3,
)  # fmt: skip


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures that went through a backbone, a number a batch."""
    seen: list[int] = []
    run = Backbone.run

    def counted(self: Backbone, pictures: np.ndarray) -> np.ndarray:
        seen.append(len(pictures))
        return run(self, pictures)

    monkeypatch.setattr(Backbone, "run", counted)
    return seen


def is_pool(layer: object) -> bool:
    return isinstance(layer, Pool) and layer.kind == "max"


def small_network(seed: int = 0) -> InceptionNet:
    torch.manual_seed(seed)
    spec = create_model("googlenet_small", num_classes=5).spec
    spec = replace(spec, preprocessing=replace(spec.preprocessing, size=16, crop=1.0))
    return create_model(spec).eval()


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A model of five classes with random weights: already good features for plain colours."""
    network = small_network()
    path = tmp_path / "parent.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, tuple("abcde")))
    return path


def test_a_classifier_learns_on_cached_features_and_the_backbone_stays(
    colours: Path, parent: Path, tmp_path: Path, passes: list[int]
) -> None:
    config = replace(TUNE, init=str(parent))
    summary = train(colours, config, out=tmp_path / "run")
    assert summary.top1_accuracy >= 0.9
    assert evaluate(tmp_path / "run", colours).top1_accuracy == summary.top1_accuracy
    assert sum(passes) == 48 + 16  # each picture once, whatever the number of epochs
    before, after = load(parent).network.state_dict(), load(tmp_path / "run").network.state_dict()
    changed = {n.split(".")[0] for n in after if not torch.equal(after[n], before[n])}
    assert changed == {"classifier"}
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"config.json", "metrics.csv", "curves.png", "confusion.csv", "log.txt"} <= names


def test_features_are_what_the_network_s_pooling_gives(colours: Path) -> None:
    network, dataset = small_network(), open_data(colours).splits["val"]
    kept = cached_features(network, dataset, TUNE, num_views=1)
    normalise = Normalise(network.spec.preprocessing)
    pictures = np.concatenate(
        [views(dataset.read(i), network.spec.preprocessing) for i in range(len(dataset))]
    )
    with torch.inference_mode():
        stage = network.features(normalise(torch.from_numpy(pictures)))["inception_5b"]
    expected = stage.mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(kept.values[:, 0], expected, rtol=2e-3, atol=1e-3)  # float16
    assert kept.readable.all()


def test_views_are_the_evaluated_picture_and_augmented_ones(colours: Path) -> None:
    network, dataset = small_network(), open_data(colours).splits["val"]
    one = cached_features(network, dataset, TUNE, num_views=1).values
    three = cached_features(network, dataset, TUNE, num_views=3).values
    assert three.shape == (16, 3, 1024)
    np.testing.assert_allclose(three[:, 0], one[:, 0], rtol=2e-3, atol=1e-3)
    assert not np.allclose(three[:, 1], three[:, 2])


def test_a_cache_is_used_again_only_where_nothing_changed(colours: Path, passes: list[int]) -> None:
    def computed(network: InceptionNet, config: TrainConfig = TUNE, num_views: int = 1) -> bool:
        passes.clear()
        dataset = open_data(colours).splits["val"]
        cached_features(network, dataset, config, num_views=num_views)
        return bool(passes)

    network = small_network()
    assert computed(network)
    assert not computed(network)
    assert not computed(network, replace(TUNE, lr=1.0, seed=9))  # no chance in one view
    assert computed(small_network(seed=1))
    how = replace(network.spec.preprocessing, crop=0.5)
    network.spec = replace(network.spec, preprocessing=how)
    assert computed(network)
    pooled = map_spec(network.spec, lambda x: replace(x, kind="average") if is_pool(x) else x)
    other = create_model(pooled).eval()
    other.load_state_dict(network.state_dict())  # the same tensors
    assert computed(other)
    assert computed(network, num_views=2)
    assert computed(network, replace(TUNE, seed=9), num_views=2)
    assert computed(network, replace(TUNE, area=(0.5, 1.0)), num_views=2)
    Image.new("RGB", (20, 20), "blue").save(colours / "val" / "red" / "0.png")
    assert computed(network)


def test_a_cache_killed_while_it_was_written_is_rebuilt(
    colours: Path, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, dataset = small_network(), open_data(colours).splits["train"]
    whole = np.array(cached_features(network, dataset, TUNE, num_views=1).values)
    network = small_network()
    monkeypatch.setattr(feature_cache, "FORMAT", 99)  # another key
    monkeypatch.setattr(feature_cache, "AT_ONCE", 16)
    run = Backbone.run

    def killed(self: Backbone, pictures: np.ndarray) -> np.ndarray:
        if len(passes) == 2:
            raise KeyboardInterrupt
        return run(self, pictures)

    passes.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            cached_features(network, dataset, TUNE, num_views=1)
    passes.clear()
    again = cached_features(network, dataset, TUNE, num_views=1)
    assert sum(passes) == len(dataset)
    np.testing.assert_allclose(again.values, whole, rtol=2e-3, atol=1e-3)


def test_unreadable_pictures_are_left_out_and_listed(
    colours: Path, parent: Path, tmp_path: Path
) -> None:
    (colours / "train" / "red" / "broken.png").write_bytes(b"no picture")
    config = replace(TUNE, init=str(parent), max_unreadable=0.1, epochs=2)
    train(colours, config, out=tmp_path / "run")
    assert "broken.png" in (tmp_path / "run" / "unreadable.csv").read_text()
    with pytest.raises(InputError, match="1 of 49 pictures cannot be read"):
        train(colours, replace(config, max_unreadable=0.0), out=tmp_path / "other")


def test_cached_views_need_a_frozen_backbone(colours: Path, parent: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cached_views needs --freeze backbone"):
        train(colours, replace(TUNE, init=str(parent), freeze="none"), out=tmp_path / "run")

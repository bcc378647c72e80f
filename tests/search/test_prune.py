"""Pruning: scores that say what a channel does, a share that is kept, a model like any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from inception.data.loading import Batch
from inception.errors import InputError
from inception.models import create_model, get_spec
from inception.models.cost import cost
from inception.models.network import Normalise
from inception.models.spec import Spec
from inception.models.variants import wider
from inception.search.choosing import GRID, channel_costs, choose
from inception.search.narrowing import narrowed, prunable
from inception.search.prune import START, prune, tuning
from inception.search.taylor import taylor_scores
from inception.training.config import TrainConfig
from inception.training.run import train
from inception.weights.model_file import ModelInfo, read_info, save_model

SPEC = replace(wider(get_spec("googlenet_small"), 0.25), num_classes=2, aux={})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pets"), np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for label, name in enumerate(("cat", "dog")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 100, (32, 32, 3)) + 150 * label
                picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                picture.save(folder / split / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(path, create_model(SPEC).state_dict(), ModelInfo(SPEC, ("cat", "dog")))
    return path


def test_a_score_is_the_change_of_the_loss_to_first_order() -> None:
    """Beside the derivative by a factor on one channel, taken by finite differences."""
    torch.manual_seed(0)
    network = create_model(SPEC).eval().double()
    pictures = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    path, channel = "inception_4a.conv3x3.conv", 3
    layer, factor = network.get_submodule(path), [1.0]

    def scaled(module: object, given: object, output: torch.Tensor) -> torch.Tensor:
        factors = torch.ones(output.shape[1], dtype=output.dtype)
        factors[channel] = factor[0]
        return output * factors[:, None, None]

    def loss() -> float:
        with torch.no_grad():
            logits = network(Normalise(SPEC.preprocessing)(torch.from_numpy(pictures)).double())
            return float(F.cross_entropy(logits, torch.tensor([1])))

    handle = layer.register_forward_hook(scaled)
    losses = []
    for factor[0] in (1 - 1e-4, 1 + 1e-4):
        losses.append(loss())
    handle.remove()
    scores = taylor_scores(network.float(), [Batch(pictures, np.array([1]))], [path])
    slope = abs(losses[1] - losses[0]) / 2e-4
    assert slope > 0
    assert scores[path][channel] == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize("name", ["googlenet_bn", "inception_v3_small", "xception_small"])
@pytest.mark.parametrize("share", [0.7, 0.35])
def test_no_more_than_the_share_is_left(name: str, share: float) -> None:
    spec = replace(get_spec(name), num_classes=3, aux={})
    rng = np.random.default_rng(0)
    scores = {p: rng.random(int(c.width or 0)) for p, c in prunable(spec).items()}
    masks = choose(spec, scores, share)
    left = cost(narrowed(spec, {}, masks).spec).multiply_adds / cost(spec).multiply_adds
    assert 0.85 * share < left <= share
    assert {int(mask.sum()) % GRID for mask in masks.values() if len(mask) % GRID == 0} == {0}


def test_branches_that_say_nothing_go_first_and_one_always_stays() -> None:
    spec = replace(SPEC, stages=get_spec("googlenet_small").stages)
    scores = {p: np.ones(int(c.width or 0)) for p, c in prunable(spec).items()}
    for path in scores:
        if path.startswith(("inception_4b", "inception_3a.conv5x5")):
            scores[path][:] = 0
    scores["inception_4b.pool.proj"][:] = 1e-12
    left = narrowed(spec, {}, choose(spec, scores, 0.6)).spec
    assert list(left.stages["inception_3a"].branches) == ["conv1x1", "conv3x3", "pool"]
    assert list(left.stages["inception_4b"].branches) == ["pool"]


def test_a_channel_costs_its_own_layer_and_those_that_read_it() -> None:
    spec = replace(get_spec("googlenet_small"), num_classes=2, aux={})
    # of 3a's 3x3: 96 x 9 at each of 32 x 32 places, and a column of each of 3b's four 1x1
    assert channel_costs(spec)["inception_3a.conv3x3.conv"] == 1024 * (96 * 9 + 128 + 128 + 32 + 64)


@pytest.mark.parametrize("keep", [0, 1, -0.2, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(
    keep: float, data: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--keep is a share of the multiply-adds"):
        prune(model, data, keep, tmp_path / "out", pictures=2)


def test_a_share_that_cannot_be_reached_names_the_least() -> None:
    scores = {p: np.ones(int(c.width or 0)) for p, c in prunable(SPEC).items()}
    with pytest.raises(InputError, match=r"less than can be left: 0\.\d+ at the least"):
        choose(SPEC, scores, 0.001)


def test_a_pruned_model_is_a_model_that_trains_and_is_taught(
    data: Path, model: Path, tmp_path: Path
) -> None:
    made = prune(model, data, 0.5, tmp_path / "out", threads=1)
    assert made.share <= 0.5
    info = read_info(tmp_path / "out" / START)
    assert Spec.from_json(info.spec.to_json()) == made.after
    assert "pruned by Taylor scores to" in info.spec.departures[-1]
    config = TrainConfig(teacher=str(model), steps=2, batch_size=8, threads=1, precision="fp32")
    summary = train(data, tuning(made, config), out=tmp_path / "out")
    trained = read_info(summary.model)
    assert trained.spec.digest() == made.after.digest()
    assert trained.parents == (str(tmp_path / "out" / START),)
    with pytest.raises(InputError, match="holds a run already"):
        prune(model, data, 0.5, tmp_path / "out")

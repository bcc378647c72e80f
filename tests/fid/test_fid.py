"""Resizes, features and scores beside pytorch-fid, torch-fidelity and clean-fid.

The whole way from files to an equal FID is ``benchmarks/fid.py``: pytorch-fid's own root of a
matrix of 2,048 by 2,048 takes minutes.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import fails, run
from PIL import Image
from random_inception import random_inception
from thin import thin

from inception import create_model
from inception.benchmark import import_torchvision
from inception.errors import InputError
from inception.fid.features import Extractor
from inception.fid.resize import RESIZES
from inception.fid.scores import coverage, frechet, inception_score, kernel_distance
from inception.fid.statistics import Statistics, read_statistics, statistics_of, write_statistics
from inception.models import MODELS
from inception.weights.importers.convert import convert
from inception.weights.model_file import ModelInfo, save_model

SIDES = [(299, 299), (32, 32), (180, 240), (500, 333), (1, 7)]
RNG = np.random.default_rng(0)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def torchvision_first() -> None:
    import_torchvision()  # with its operators, before what needs them


@pytest.mark.parametrize(("height", "width"), SIDES)
def test_pytorch_s_resize_is_torch_s(height: int, width: int) -> None:
    x = picture(height, width)
    tensor = torch.from_numpy(x).permute(2, 0, 1)[None].float()
    wanted = F.interpolate(tensor, size=(299, 299), mode="bilinear", align_corners=False)
    got = RESIZES["pytorch"].act(x, 299)
    np.testing.assert_allclose(got, wanted[0].permute(1, 2, 0).numpy(), atol=2e-3)  # of 255


@pytest.mark.parametrize(("height", "width"), SIDES)
def test_tensorflow_s_resize_is_torch_fidelity_s(height: int, width: int) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x as theirs,
    )

    x = picture(height, width)
    tensor = torch.from_numpy(x).permute(2, 0, 1)[None].float()
    wanted = theirs(tensor, size=(299, 299), align_corners=False)
    got = RESIZES["tensorflow"].act(x, 299)
    np.testing.assert_allclose(got, wanted[0].permute(1, 2, 0).numpy(), atol=2e-3)


@pytest.mark.parametrize(("height", "width"), SIDES)
@pytest.mark.filterwarnings("ignore")  # of Pillow, which clean-fid calls in an old way
def test_the_clean_resize_is_clean_fid_s(height: int, width: int) -> None:
    from cleanfid.resize import build_resizer

    x = picture(height, width)
    np.testing.assert_allclose(RESIZES["clean"].act(x, 299), build_resizer("clean")(x), atol=1e-4)


def correlated(count: int, shift: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(1).normal(size=(12, 24))
    return (rng.normal(size=(count, 12)) @ mix + shift).astype(np.float32).clip(0)


REAL, FAKE = correlated(150, 0.0, 2), correlated(130, 0.4, 3)


def test_fid_is_pytorch_fid_s() -> None:
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = (statistics_of(x, resize="clean", digest="") for x in (REAL, FAKE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = calculate_frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
    got = frechet(a.mean, a.covariance, b.mean, b.covariance)
    assert got == pytest.approx(wanted, rel=1e-6) and got > 1


def test_fid_of_fewer_pictures_than_features_is_right() -> None:
    """Of covariances that commute the distance is that of the roots of their eigenvalues."""
    vectors, _ = np.linalg.qr(RNG.normal(size=(30, 30)))
    first, second = (np.concatenate([RNG.uniform(1, 2, 5), np.zeros(25)]) for _ in range(2))
    a, b = ((vectors * values) @ vectors.T for values in (first, second))
    wanted = 30 * 0.25 + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert frechet(np.zeros(30), a, np.full(30, 0.5), b) == pytest.approx(wanted, rel=1e-6)
    assert frechet(np.zeros(30), a, np.zeros(30), a) == pytest.approx(0, abs=1e-6)


def test_kid_is_torch_fidelity_s() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    tensors = torch.from_numpy(FAKE), torch.from_numpy(REAL)
    wanted = kid_features_to_metric(*tensors, kid_subset_size=130, verbose=False)
    got = kernel_distance(REAL, FAKE)
    assert got.mean == pytest.approx(wanted["kernel_inception_distance_mean"], rel=1e-4)
    assert got.deviation == pytest.approx(wanted["kernel_inception_distance_std"], rel=1e-3)
    assert got.size == 130


def test_the_inception_score_is_torch_fidelity_s() -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    wanted = isc_features_to_metric(torch.from_numpy(FAKE))
    got = inception_score(FAKE)
    assert got.mean == pytest.approx(wanted["inception_score_mean"], rel=1e-9)
    assert got.deviation == pytest.approx(wanted["inception_score_std"], rel=1e-9)


@pytest.mark.parametrize("rows", [1024, 50])
def test_precision_and_recall_are_torch_fidelity_s(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    monkeypatch.setattr("inception.fid.scores.ROWS", rows)
    tensors = torch.from_numpy(FAKE), torch.from_numpy(REAL)
    wanted = prc_features_to_metric(*tensors, verbose=False)
    got = coverage(REAL, FAKE)
    assert got.precision == pytest.approx(wanted["precision"]) and 0 < got.precision < 1
    assert got.recall == pytest.approx(wanted["recall"]) and 0 < got.recall < 1


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with pytorch-fid's names; ``.safetensors`` beside it is the same as ours."""
    path = random_inception(tmp_path_factory.mktemp("weights") / "fid.pth")
    converted = convert(path, model="inception_v3_fid", background="keep")
    save_model(path.with_suffix(".safetensors"), converted.weights, converted.info)
    return path


SHOWN = [picture(40, 90)]


def test_features_are_pytorch_fid_s(random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pytorch_fid.inception as theirs

    def load(*_: object, **__: object) -> object:
        return torch.load(random_weights, weights_only=True)

    monkeypatch.setattr(theirs, "load_state_dict_from_url", load)
    network = theirs.InceptionV3().eval()
    with torch.inference_mode():
        wanted = [
            network(torch.from_numpy(x).permute(2, 0, 1)[None] / 255)[0].flatten() for x in SHOWN
        ]
    extractor = Extractor(random_weights.with_suffix(".safetensors"), "pytorch", threads=1)
    got = extractor.see(SHOWN).values
    assert extractor.published
    np.testing.assert_allclose(got, torch.stack(wanted), atol=1e-4 * float(wanted[0].max()))


def test_features_and_logits_are_torch_fidelity_s(random_weights: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "own", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(random_weights)
    )
    wanted = [network(torch.from_numpy(x).permute(2, 0, 1)[None]) for x in SHOWN]
    got = Extractor(random_weights.with_suffix(".safetensors"), "tensorflow", threads=1).see(SHOWN)
    for ours, at in ((got.values, 0), (got.logits, 1)):
        theirs = torch.cat([each[at] for each in wanted]).numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * abs(theirs).max())


def test_statistics_are_pytorch_fid_s_both_ways(tmp_path: Path) -> None:
    own = statistics_of(REAL, resize="clean", digest="abc")
    write_statistics(own, tmp_path / "own.npz")
    with np.load(tmp_path / "own.npz") as file:  # as pytorch-fid reads one
        np.testing.assert_array_equal(file["mu"], REAL.astype(np.float64).mean(axis=0))
        np.testing.assert_allclose(file["sigma"], np.cov(REAL, rowvar=False))
    again = read_statistics(tmp_path / "own.npz")
    assert (again.pictures, again.resize, again.digest) == (150, "clean", "abc")
    np.savez_compressed(tmp_path / "theirs.npz", mu=own.mean, sigma=own.covariance)
    assert read_statistics(tmp_path / "theirs.npz").pictures is None


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    network = create_model(thin(MODELS["googlenet_bn"])).eval()
    path = tmp_path_factory.mktemp("model") / "thin.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, tuple("abcde")))
    return str(path)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two folders of six pictures, noise over other colours."""
    folder, made = tmp_path_factory.mktemp("places"), []
    for number, name in enumerate(("real", "fake")):
        made.append(str(folder / name))
        (folder / name).mkdir()
        for index in range(6):
            noise = np.random.default_rng(index).integers(0, 100, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(noise + 120 * number).save(folder / name / f"{index}.png")
    return made


def test_the_command_scores_and_says_how(model: str, places: list[str], tmp_path: Path) -> None:
    kept = str(tmp_path / "real.npz")
    how = ("--weights", model, "--resize", "clean", "--engine", "torch")
    done = run("fid", *places, *how, "--save", kept)
    assert done.returncode == 0, done.stderr
    heads = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert heads[:4] == ["FID", "KID", "Inception Score", "precision"]
    assert f"(clean resize, {model}, " in done.stdout.splitlines()[0]
    assert "googlenet_bn is not the network FID is published with" in done.stderr
    assert "only 6 pictures: FID of few is too large" in done.stderr
    whole = json.loads(run("fid", *places, *how, "--json", "-").stdout)
    again = json.loads(run("fid", kept, places[1], *how, "--json", "-").stdout)
    assert again["fid"] == pytest.approx(whole["fid"], rel=1e-5) and whole["fid"] > 0
    assert again["kid"] is None and again["precision"] is None
    assert again["inception_score"] == whole["inception_score"]
    assert whole["resize"] == "clean" and whole["real"]["pictures"] == 6
    same = json.loads(run("fid", kept, kept, "--json", "-").stdout)
    assert same["fid"] == pytest.approx(0, abs=1e-6) and same["engine"] is None
    told = fails("fid", kept, places[1], "--weights", model, "--resize", "pytorch")
    assert "not of the same resize (clean, pytorch)" in told


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize("resize", RESIZES)
def test_engines_see_the_same(model: str, places: list[str], engine: str, resize: str) -> None:
    """Beside the network's own modules on what the resize gives."""
    from inception.prediction import load

    network = load(model).network
    how = network.spec.preprocessing
    files = sorted(Path(places[0]).iterdir())
    shown = [RESIZES[resize].act(np.asarray(Image.open(f)), how.size) for f in files]
    x = (np.stack(shown) - how.mean) / how.std
    with torch.inference_mode():
        tensor = torch.from_numpy(x).float().permute(0, 3, 1, 2)
        wanted, logits = network.embed(tensor), network(tensor)
    got = Extractor(model, resize, engine=engine, threads=1).see([places[0]])
    np.testing.assert_allclose(got.values, wanted, atol=1e-5)
    bias = next(network.logits_layers()).bias
    np.testing.assert_allclose(got.logits, logits - bias.detach(), atol=1e-5)


def test_mistakes_are_told_in_a_line(model: str, places: list[str], tmp_path: Path) -> None:
    real, fake = places
    assert "or --save FILE" in fails("fid", real, "--weights", model)
    assert "statistics are kept in an .npz" in fails("fid", real, "--save", "a.txt")
    assert "did you mean 'clean'" in fails(
        "fid", real, fake, "--weights", model, "--resize", "clea"
    )
    assert "no such file or folder" in fails("fid", real, "nothing", "--weights", model)
    assert "weights pull inception_v3_fid.google_in1k" in fails("fid", real, fake)
    assert "not onnx" in fails("fid", real, fake, "--weights", model, "--engine", "onnx")
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"nothing")
    assert "no statistics with mu and sigma" in fails("fid", str(bad), fake, "--weights", model)
    np.savez(bad, mu=np.zeros(3), sigma=np.zeros((2, 2)))
    assert "should be [D] and [D, D]" in fails("fid", str(bad), fake, "--weights", model)
    write_statistics(Statistics(np.zeros(3), np.eye(3)), bad)
    assert "they are of different networks" in fails("fid", str(bad), fake, "--weights", model)


def test_too_many_unreadable_pictures_stop_it(model: str, places: list[str]) -> None:
    with pytest.raises(InputError, match="1 of 7 pictures cannot be read"):
        Extractor(model, threads=1).see([places[0], b"no picture"])
    told = Extractor(model, threads=1).see([places[0], b"no picture"], max_unreadable=0.5)
    assert len(told.values) == 6 and told.unreadable[0][0] == "picture 1"

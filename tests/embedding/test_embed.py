"""Vectors equal the network's own in every engine, and survive their files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import fails, run
from PIL import Image
from thin import thin

from inception import InputError, Predictor, create_model
from inception.data.crops import views
from inception.data.images import read_image
from inception.embedding.embed import Embedder, Embeddings
from inception.embedding.vectors import read_vectors
from inception.models import MODELS
from inception.models.network import InceptionNet, Normalise
from inception.runtime.torch_engine import TorchEngine
from inception.weights.model_file import ModelInfo, save_model

ENGINES = ("torch", "openvino", "onnx")
STAGE = "inception_4b"
ENDS = (
    "googlenet_small",
    "inception_resnet_v1_facenet",
    "lenet5",
    "alexnet",
    "nin_small",
    "vgg16_bn",
)


@pytest.fixture(scope="module")
def network() -> InceptionNet:
    torch.manual_seed(0)
    return create_model(thin(MODELS["googlenet_bn"])).eval()


@pytest.fixture(scope="module")
def model(network: InceptionNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "thin.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, tuple("abcde")))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(6):
        noise = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((90, 70)).save(folder / f"{number}.png")
    return folder


def by_hand(network: InceptionNet, pictures: Path, stage: str | None) -> np.ndarray:
    how = network.spec.preprocessing
    shown = [views(read_image(p.read_bytes(), name=""), how) for p in sorted(pictures.iterdir())]
    x = Normalise(how)(torch.from_numpy(np.concatenate(shown)))
    with torch.inference_mode():
        told = network.embed(x) if stage is None else network.features(x)[stage].mean((2, 3))
    return told.numpy()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("stage", [None, STAGE, "conv1"])
def test_vectors_are_the_network_s_own(
    model: Path, network: InceptionNet, pictures: Path, engine: str, stage: str | None
) -> None:
    got = Embedder(model, engine, stage=stage, threads=1).embed(pictures)
    wanted = by_hand(network, pictures, stage)
    assert got.paths == tuple(map(str, sorted(pictures.iterdir())))
    assert got.vectors.dtype == np.float32
    np.testing.assert_allclose(got.vectors, wanted, atol=1e-4 * abs(wanted).max())


@pytest.mark.parametrize("name", ENDS)
def test_networks_that_end_otherwise_embed_alike(name: str) -> None:
    torch.manual_seed(0)
    network = create_model(thin(MODELS[name])).eval()
    last = list(network.spec.stages)[-1]
    size = network.image_size
    shown = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    got = TorchEngine(network, ["embedding", f"pooled:{last}"], threads=1).run(shown)
    with torch.inference_mode():
        x = Normalise(network.spec.preprocessing)(torch.from_numpy(shown))
        wanted, maps = network.embed(x).numpy(), network.features(x)[last].numpy()
    pooled = maps if maps.ndim == 2 else maps.mean(axis=(2, 3))
    for ours, theirs in ((got["embedding"], wanted), (got[f"pooled:{last}"], pooled)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * max(1, abs(theirs).max()))


def test_a_predictor_embeds(model: Path, network: InceptionNet, pictures: Path) -> None:
    predictor = Predictor(model, "torch", threads=1)
    got = predictor.embed([pictures, b"no picture"])
    assert (
        isinstance(got, Embeddings)
        and repr(got) == f"Embeddings(6 vectors of {got.vectors.shape[1]} numbers)"
    )
    assert [path for path, _ in got.unreadable] == ["picture 1"]
    np.testing.assert_allclose(got.vectors, by_hand(network, pictures, None), atol=1e-4)
    (one,) = predictor.embed(pictures / "3.png", stage=STAGE).vectors
    np.testing.assert_allclose(one, by_hand(network, pictures, STAGE)[3], atol=1e-4)
    with pytest.raises(InputError, match="no picture could be read; the first: picture 0"):
        predictor.embed(b"no picture")
    with pytest.raises(InputError, match="no stage named 'inception_4'; did you mean"):
        predictor.embed(pictures, stage="inception_4")


@pytest.mark.parametrize("name", ["v.npy", "v.parquet"])
def test_the_command_writes_vectors_and_finds_neighbours(
    model: Path, network: InceptionNet, pictures: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    done = run("embed", str(model), str(pictures), "--out", str(out), "--engine", "torch")
    assert done.returncode == 0 and done.stdout.startswith("6 vectors of "), done.stderr
    kept = read_vectors(out)
    np.testing.assert_allclose(kept.values, by_hand(network, pictures, None), atol=1e-4)
    asked = str(pictures / "4.png")
    told = run("similar", str(model), asked, "--in", str(out), "--top", "2", "--json", "-")
    (first, second) = json.loads(told.stdout)[0]["similar"]
    assert first["path"] == asked and first["cosine"] == pytest.approx(1, abs=1e-5)
    unit = kept.values / np.linalg.norm(kept.values, axis=1, keepdims=True)
    cosines = unit @ unit[4]
    assert second["cosine"] == pytest.approx(np.sort(cosines)[-2], abs=1e-5)
    lines = run("similar", str(model), asked, "--in", str(out), "--top", "1").stdout.splitlines()
    assert lines == [asked, f"  1.0000  {asked}"]


def test_unreadable_pictures_are_named_and_left_out(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    out = tmp_path / "v.npy"
    done = run("embed", str(model), str(bad), str(pictures), "--out", str(out), "--json", "-")
    assert done.returncode == 1 and done.stderr.startswith(f"unreadable: {bad}: ")
    assert json.loads(done.stdout)["unreadable"] == [str(bad)]
    assert len(read_vectors(out).values) == 6
    told = fails("embed", str(model), str(bad), "--out", str(tmp_path / "none.npy"))
    assert "no picture could be read" in told and not (tmp_path / "none.npy").exists()


def test_foreign_vectors_are_taken_and_others_weights_refused(
    model: Path, network: InceptionNet, pictures: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.npy"
    np.save(own, by_hand(network, pictures, None).astype(np.float64))
    asked = str(pictures / "4.png")
    assert run("similar", str(model), asked, "--in", str(own), "--top", "1").stdout.endswith(" 4\n")
    told = fails("similar", "cats-and-dogs", asked, "--in", str(own))
    assert "cannot be compared with ones of 536" in told
    made = tmp_path / "v.npy"
    run("embed", str(model), str(pictures), "--out", str(made))
    assert "say nothing of cats-and-dogs's" in fails(
        "similar", "cats-and-dogs", asked, "--in", str(made)
    )


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("v.csv", b"", "vectors are kept in .parquet or .npy; got "),
        ("v.npy", None, "no such file: "),
        ("v.npy", b"nothing", "not a file of vectors"),
        ("v.npy", b"\x93NUMPY\x01\x00", "not a file of vectors"),
        ("v.parquet", b"nothing", "not a file of vectors"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_vectors_is_told(
    pictures: Path, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    asked = str(pictures / "0.png")
    assert told in fails("similar", "cats-and-dogs", asked, "--in", str(tmp_path / name))


@pytest.mark.parametrize(
    "values", [np.zeros(3, np.float32), np.zeros((2, 2), np.int64), np.array([["a"]])]
)
def test_arrays_that_are_no_vectors_are_told(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", values)
    with pytest.raises(InputError, match=r"vectors are real numbers \[N, features\]; got "):
        read_vectors(tmp_path / "v.npy")

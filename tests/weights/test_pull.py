"""Public weights from a server of our own, in torchvision's layout, to a model that predicts."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from misbehaving_server import Server, serving

from inception.benchmark import import_torchvision
from inception.cli import app
from inception.downloads import Checksum
from inception.errors import InputError
from inception.models import MODELS
from inception.prediction import find_model, is_model, load
from inception.predictor import Predictor
from inception.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from inception.weights.catalogue import CATALOGUE, Published, find_published
from inception.weights.imagenet import imagenet_names
from inception.weights.pull import pull, source_of

TAG = "googlenet_tv.test"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = import_torchvision().models.googlenet(init_weights=False, aux_logits=False)
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def content(state: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture
def server(content: bytes) -> Iterator[Server]:
    with serving() as server:
        server.content = content
        yield server


@pytest.fixture
def published(
    server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Published]:
    """An entry of the catalogue whose file the server has."""
    checksum = Checksum("sha256", hashlib.sha256(content).hexdigest()[:8])
    entry = replace(
        find_published("googlenet_tv.tv_in1k"), tag=TAG, urls=(server.url(),), checksum=checksum
    )
    monkeypatch.setitem(CATALOGUE, TAG, entry)
    yield entry


def cached(entry: Published) -> list[str]:
    """Every file in the cache, unfinished ones included."""
    folder = entry.path.parent
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


WHOLE = [f"{TAG}.safetensors", f"originals/{TAG}/weights.bin"]


def test_a_pulled_tag_is_a_model_that_says_where_it_is_from(
    published: Published, state: dict[str, torch.Tensor], real_data: Path
) -> None:
    assert is_model(TAG)
    with pytest.raises(InputError, match=f"inception weights pull {TAG}"):
        find_model(TAG)
    done = pull(TAG)
    assert cached(published) == WHOLE and find_model(TAG) == done.path == published.path
    model = load(TAG)
    assert torch.equal(model.network.state_dict()["conv1.conv.weight"], state["conv1.conv.weight"])
    assert model.classes == imagenet_names()
    assert model.info.licence == "BSD-3-Clause"
    assert model.info.metrics["published"] == {
        "top1": 69.778, "top5": 89.530, "source": "torchvision"
    }  # fmt: skip
    imported = model.info.training["imported"]
    assert imported["tag"] == TAG and imported["sha256"] == done.sha256
    assert done.sha256.startswith(published.checksum.digits)  # type: ignore[union-attr]
    answer = Predictor(TAG).predict(real_data / "odd-images" / "plain.jpg")[0]
    assert answer.top[0].label in imagenet_names()


def test_a_cut_pull_goes_on_and_is_never_seen_unfinished(
    server: Server, published: Published, content: bytes
) -> None:
    seen: list[list[str]] = []
    server.cuts = [len(content) // 3, 0]  # then nothing: the first call gives up
    server.sending = lambda: seen.append([name for name in cached(published) if name in WHOLE])
    with pytest.raises(InputError, match="was cut"):
        pull(TAG)
    assert cached(published) == [f"originals/{TAG}/.weights.bin.part"]
    pull(TAG)
    assert cached(published) == WHOLE and seen == [[], [], []]
    assert server.asked[-1][1] == f"bytes={len(content) // 3}-"


def test_a_wrong_checksum_is_refused_and_nothing_stays(
    server: Server, published: Published, content: bytes
) -> None:
    server.content = content[:-1] + b"?"
    with pytest.raises(InputError, match="wrong checksum, so the file was removed"):
        pull(TAG)
    assert cached(published) == []


def test_the_second_mirror_is_used(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as other:
        other.content = b"something else"
        entry = replace(published, urls=(other.url(), server.url()))
        monkeypatch.setitem(CATALOGUE, TAG, entry)
        pull(TAG)
    assert cached(published) == WHOLE and len(other.asked) == len(server.asked) == 1


def test_offline_only_what_is_here_can_be_pulled(
    server: Server, published: Published, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCEPTION_OFFLINE", "1")
    with pytest.raises(InputError, match="INCEPTION_OFFLINE forbids") as refusal:
        pull(TAG)
    assert str(published.original) in str(refusal.value)
    published.original.parent.mkdir(parents=True)
    published.original.write_bytes(content)  # laid there by hand, as the message says
    pull(TAG)
    assert cached(published) == WHOLE and server.asked == []


def test_a_file_that_does_not_hold_the_network_leaves_no_model(
    server: Server,
    published: Published,
    state: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.BytesIO()
    torch.save({name: t for name, t in state.items() if name != "fc.bias"}, file)
    server.content = file.getvalue()
    monkeypatch.setitem(CATALOGUE, TAG, replace(published, checksum=None))
    with pytest.raises(InputError, match=r"missing fc\.bias"):
        pull(TAG)
    assert cached(published) == []  # elsewise it would be taken for the file again
    published.original.parent.mkdir(parents=True, exist_ok=True)
    published.original.write_bytes(server.content)  # laid there by hand: not ours to remove
    with pytest.raises(InputError, match=r"missing fc\.bias"):
        pull(TAG)
    assert cached(published) == [f"originals/{TAG}/weights.bin"]


def test_what_nobody_published_a_checksum_of_is_pinned_as_it_was_seen(
    server: Server,
    published: Published,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(CATALOGUE, TAG, replace(published, checksum=None))
    app(["weights", "pull", TAG], standalone_mode=False)
    assert "unverified, for nobody published a checksum; pinned in" in capsys.readouterr().out
    pin = published.original.with_name("weights.bin.sha256")
    assert pin.read_text() == f"{hashlib.sha256(content).hexdigest()}  weights.bin\n"
    assert cached(published) == [*WHOLE, f"originals/{TAG}/weights.bin.sha256"]
    published.original.unlink()
    server.content = content + b"another file"
    with pytest.raises(InputError, match=r"was seen before \(remove .*weights.bin.sha256"):
        pull(TAG)
    server.content = content
    assert pull(TAG).pin == pin
    pin.write_text("<html>")
    with pytest.raises(InputError, match="holds no SHA-256; remove it"):
        pull(TAG)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_weights_are_taken_out_of_an_archive_and_nothing_else(
    published: Published, kind: str
) -> None:
    entry = replace(published, urls=(f"https://x.org/a.{kind}",), member="v1.ckpt")
    archive = entry.original
    archive.parent.mkdir(parents=True)
    files = {"../../evil.txt": b"no", "models/v1.ckpt": b"weights"}
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for name, data in files.items():
                packed.writestr(name, data)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    assert source_of(entry, archive).read_bytes() == b"weights"
    assert cached(entry) == [f"originals/{TAG}/a.{kind}", f"originals/{TAG}/v1.ckpt"]
    with pytest.raises(InputError, match=r"has no other.ckpt in it; it has: \.\./\.\./evil.txt"):
        source_of(replace(entry, member="other.ckpt"), archive)
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(InputError, match="a damaged archive"):
        source_of(replace(entry, member="v2.ckpt"), archive)


def test_every_entry_says_what_it_must() -> None:
    assert len(CATALOGUE) > 30
    for tag, entry in CATALOGUE.items():
        assert tag == entry.tag and tag.startswith(f"{entry.model}.")
        assert entry.model in MODELS and entry.licence and entry.preprocessing
        assert all(url.startswith(("https://", "http://")) for url in entry.urls)
        if entry.top1 is not None:
            assert entry.figures and 50 < entry.top1 < 90
        if entry.checksum is not None:
            assert set(entry.checksum.digits) <= set("0123456789abcdef")
            assert len(entry.checksum.digits) in (8, 9, 32, 40, 64, 96)


BGR = {"channel_order": "bgr", "std": (1.0, 1.0, 1.0)}
HALF = {"channel_order": "rgb", "mean": (127.5,) * 3, "std": (127.5,) * 3}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [  # reference: the publishers' own code and readmes
        ("googlenet.bvlc_in1k", BGR | {"mean": (104.0, 117.0, 123.0), "resize": "squash"}),
        ("alexnet.bvlc_in1k", BGR | {"mean": (104.0, 117.0, 123.0), "size": 227}),
        ("bn_inception.cadene_in1k", BGR | {"mean": (104.0, 117.0, 128.0)}),
        ("vgg*.oxford_in1k", BGR | {"mean": (103.939, 116.779, 123.68)}),
        ("googlenet_5h.*", {"mean": (117.0,) * 3, "std": (1.0,) * 3, "channel_order": "rgb"}),
        ("googlenet_slim.tf_in1k", HALF | {"resize": "central", "size": 224}),
        ("inception_*.tf_in1k", HALF | {"resize": "central", "crop": 0.875}),
        ("*.keras_in1k", HALF | {"size": 299}),
        ("googlenet_tv.*", HALF | {"resize": "short_side", "resized": 256, "size": 224}),
        ("inception_v3_tv.tv_in1k", HALF | {"resized": 342, "size": 299}),
        ("inception_v[34]*.timm_*", HALF | {"interpolation": "bicubic", "resized": 341}),
        ("inception_resnet_v2.timm_*", HALF | {"interpolation": "bicubic", "crop": 0.8975}),
        ("xception_timm.*", HALF | {"interpolation": "bicubic", "resized": 333}),
        ("inception_v3_fid.*", {"mean": (128.0,) * 3, "std": (128.0,) * 3, "size": 299}),
        ("*_facenet.*", {"mean": (127.5,) * 3, "std": (128.0,) * 3, "size": 160}),
        ("vgg*.tv_in1k", {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "resized": 256}),
    ],
)
def test_every_entry_takes_pictures_as_its_publisher_shows_them(
    tags: str, expected: dict[str, object]
) -> None:
    found = [entry.preprocessing for tag, entry in CATALOGUE.items() if fnmatch(tag, tags)]
    assert found
    for preprocessing in found:
        assert {name: getattr(preprocessing, name) for name in expected} == expected


def test_the_figures_and_addresses_are_those_of_torchvision() -> None:
    models = import_torchvision().models
    weights = {
        models.get_weight(name).url: models.get_weight(name).meta["_metrics"]["ImageNet-1K"]
        for name in (
            "GoogLeNet_Weights.IMAGENET1K_V1", "Inception_V3_Weights.IMAGENET1K_V1",
            "AlexNet_Weights.IMAGENET1K_V1", "VGG16_Weights.IMAGENET1K_V1",
            "VGG16_BN_Weights.IMAGENET1K_V1", "VGG19_Weights.IMAGENET1K_V1",
            "VGG19_BN_Weights.IMAGENET1K_V1",
        )
    }  # fmt: skip
    ours = [entry for entry in CATALOGUE.values() if entry.dialect == "torchvision"]
    assert {e.urls[0]: {"acc@1": e.top1, "acc@5": e.top5} for e in ours} == weights


def test_a_tag_that_is_none_gets_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'googlenet.bvlc_in1k'"):
        pull("googlenet.bvlc_in2k")


def test_the_commands_print_and_write_json(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    app(["weights", "pull", TAG, "--json", "-"], standalone_mode=False)
    entry = json.loads(capsys.readouterr().out)[0]
    assert entry["pulled"] == str(published.path) and entry["notes"]
    app(["weights", "list", "googlenet_tv.*"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if TAG in line).rstrip().endswith("yes")
    app(["weights", "list", "--json", "-"], standalone_mode=False)
    assert len(json.loads(capsys.readouterr().out)) == len(CATALOGUE)

"""Shards: every picture once, balanced, the same bytes however often it was stopped."""

import hashlib
import io
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from colours import colour_picture
from command_line import fails, run
from PIL import Image

from inception.data import packing
from inception.data.datasets import Data, Dataset, open_data
from inception.data.packing import Packing, pack
from inception.errors import InputError
from inception.files import replacing


def pictures(dataset: Dataset) -> Counter[tuple[str, bytes]]:
    """Class and bytes of each."""
    rows = range(len(dataset))
    return Counter((dataset.classes[dataset.labels[i]], dataset.encoded(i)) for i in rows)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def unbalanced(colours: Path) -> Path:
    for number in range(12):
        (colours / "train" / "red" / f"{number}.png").unlink()
    return colours


def test_shards_hold_every_picture_once_and_a_like_share_of_each_class(
    unbalanced: Path, tmp_path: Path
) -> None:
    done = run("data", "pack", str(unbalanced), "--out", str(tmp_path / "s"), "--per-shard", "9")
    assert done.returncode == 0 and "52 pictures in 6 shards" in done.stdout
    before, after = open_data(unbalanced), open_data(tmp_path / "s")
    assert after.classes == before.classes
    for split, dataset in before.splits.items():
        assert pictures(after.splits[split]) == pictures(dataset)
    for path in (tmp_path / "s").glob("train*.tar"):
        labels = Counter(open_data(path).splits["all"].labels.tolist())
        assert labels[0] == 6 and labels[1] == 3


def test_its_checksums_are_those_of_the_files(colours: Path, tmp_path: Path) -> None:
    pack(open_data(colours), tmp_path / "s", Packing(per_shard=20), threads=1)
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "s", check=True
    )
    index = json.loads((tmp_path / "s" / "index.json").read_text())
    for shard in index["shards"]:
        data = (tmp_path / "s" / shard["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
        told = json.loads((tmp_path / "s" / shard["name"]).with_suffix(".json").read_text())
        start, size = told["offsets"][0], told["sizes"][0]
        split = shard["name"].partition("-")[0]
        original = colours / split / told["paths"][0].removeprefix(f"{split}/")
        assert data[start : start + size] == original.read_bytes()


def stopped(data: Data, out: Path, at: int) -> None:
    """Packs until so many files were begun, and dies there as by a kill."""
    with pytest.MonkeyPatch.context() as patch:
        begun = []

        def dies(path: Path) -> object:
            begun.append(path)
            if len(begun) > at:
                raise KeyboardInterrupt
            return replacing(path)

        patch.setattr(packing, "replacing", dies)
        with pytest.raises(KeyboardInterrupt):
            pack(data, out, Packing(per_shard=10), threads=1)


def test_stopped_anywhere_it_goes_on_to_the_same_bytes(colours: Path, tmp_path: Path) -> None:
    data, made = open_data(colours), []
    pack(data, tmp_path / "whole", Packing(per_shard=10), threads=2)
    for at in range(4):
        stopped(data, tmp_path / str(at), at)
        made.append(len(list((tmp_path / str(at)).glob("*.tar"))))
        assert "index.json" in files(tmp_path / str(at))
        pack(data, tmp_path / str(at), Packing(per_shard=10), threads=1)
        assert files(tmp_path / str(at)) == files(tmp_path / "whole")
    assert made == [0, 1, 2, 3]


def test_only_what_is_missing_or_cut_short_is_made_again(colours: Path, tmp_path: Path) -> None:
    out, how = tmp_path / "s", Packing(per_shard=10)
    pack(open_data(colours), out, how, threads=1)
    whole = files(out)
    kept = {path: path.stat().st_ino for path in out.glob("*.tar")}
    short, gone = sorted(kept)[:2]
    short.write_bytes(short.read_bytes()[:-1])
    gone.unlink()
    pack(open_data(colours), out, how, threads=1)
    assert files(out) == whole
    again = {path for path, inode in kept.items() if path.stat().st_ino != inode}
    assert again <= {short, gone} and {short} <= again


def test_shares_and_workers_make_what_one_does(colours: Path, tmp_path: Path) -> None:
    data = str(colours)
    whole, parts, workers = (str(tmp_path / name) for name in ("whole", "parts", "workers"))
    run("data", "pack", data, "--out", whole, "--per-shard", "10")
    first = run("data", "pack", data, "--out", parts, "--per-shard", "10", "--share", "2/2")
    assert "4 shards are left to other shares" in first.stdout
    run("data", "pack", data, "--out", parts, "--per-shard", "10", "--share", "1/2")
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    run("data", "pack", data, "--out", workers, "--per-shard", "10", "--workers", "2")
    assert files(tmp_path / "workers") == files(tmp_path / "whole")


def test_what_cannot_be_read_is_left_out_and_named(colours: Path, tmp_path: Path) -> None:
    (colours / "train" / "red" / "0.png").write_bytes(b"no picture")
    whole = (colours / "val" / "red" / "0.png").read_bytes()
    (colours / "val" / "red" / "0.png").write_bytes(whole[:-30])
    done = run("data", "pack", str(colours), "--out", str(tmp_path / "s"))
    assert done.returncode == 1
    assert (
        done.stderr == f"left out: {colours}/train/red/0.png: not a picture in any known format\n"
    )
    done = run("data", "pack", str(colours), "--out", str(tmp_path / "small"), "--resize", "9")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2
    assert "62 pictures in 2 shards" in done.stdout


def test_only_larger_pictures_are_made_smaller(tmp_path: Path) -> None:
    for name, size in (("wide", (40, 20)), ("small", (7, 9)), ("thin", (3, 400))):
        (tmp_path / "d" / name).mkdir(parents=True)
        colour_picture((9, 99, 200), 0, side=400).resize(size).save(tmp_path / "d" / name / "1.png")
    pack(open_data(tmp_path / "d"), tmp_path / "s", Packing(resize=10), threads=1)
    packed = open_data(tmp_path / "s").splits["all"]
    found = {packed.classes[packed.labels[i]]: packed.read(i).shape[:2] for i in range(3)}
    assert found == {"wide": (10, 20), "small": (9, 7), "thin": (400, 3)}
    kinds = [Image.open(io.BytesIO(packed.encoded(i))).format for i in range(3)]
    assert sorted(map(str, kinds)) == ["JPEG", "PNG", "PNG"]


def test_mistakes_are_one_line(colours: Path, tmp_path: Path) -> None:
    data, out = str(colours), str(tmp_path / "s")
    assert "holds other files" in fails("data", "pack", data, "--out", data)
    run("data", "pack", data, "--out", out)
    assert "of other pictures or settings" in fails("data", "pack", data, "--out", out, "--seed=1")
    assert "--share is I/N" in fails("data", "pack", data, "--out", out, "--share", "3/2")
    workers = ["--workers", "2", "--seed", "1"]
    assert "of other pictures or settings" in fails("data", "pack", data, "--out", out, *workers)
    shutil.rmtree(colours / "train" / "red")
    (colours / "train" / "a\nb").mkdir()
    colour_picture((1, 2, 3), 0).save(colours / "train" / "a\nb" / "1.png")
    shutil.rmtree(colours / "val")
    with pytest.raises(InputError, match="cannot stand on a line"):
        pack(open_data(colours / "train"), tmp_path / "t", Packing(), threads=1)

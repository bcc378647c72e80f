"""Data behind URLs: the same pictures as here, in one line where they are not there."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from colours import write_colours
from command_line import fails
from local_server import running, serving_files

from inception import remote
from inception.data.datasets import open_data
from inception.data.packing import Packing, pack
from inception.errors import InputError
from inception.pictures import named, read
from inception.remote import Remote
from inception.training import records
from inception.training.run import train


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, shards with and without an index, and parquet, here and at ``memory://``."""
    root = tmp_path_factory.mktemp("remote")
    data = open_data(write_colours(root / "folder"))
    pack(data, root / "shards", Packing(per_shard=20), threads=1)
    shutil.copytree(root / "shards", root / "plain", ignore=shutil.ignore_patterns("*.json"))
    for split, dataset in data.splits.items():
        rows = range(len(dataset))
        table = pa.table({"image": [{"bytes": dataset.encoded(i)} for i in rows],
                          "label": [dataset.classes[dataset.labels[i]] for i in rows]})  # fmt: skip
        (root / "parquet").mkdir(exist_ok=True)
        pq.write_table(table, root / "parquet" / f"{split}.parquet", row_group_size=7)
    memory = fsspec.filesystem("memory")
    memory.put(str(root), "/data", recursive=True)
    yield root
    memory.rm("/data", recursive=True)


@pytest.fixture(scope="module")
def address(places: Path) -> Iterator[str]:
    with running(serving_files(places)) as server:
        yield server.url()


def contents(place: str | Path) -> dict[str, list[tuple[bytes, str]]]:
    """Of each split pictures and classes."""
    found = {}
    for name, split in open_data(place).splits.items():
        order = split.in_turn(range(len(split)))
        found[name] = [(split.encoded(i), split.classes[split.labels[i]]) for i in order]
    return found


@pytest.mark.parametrize("kind", ["folder", "shards", "plain", "parquet"])
def test_data_at_a_url_is_the_data_here(places: Path, kind: str) -> None:
    assert contents(f"memory://data/{kind}") == contents(places / kind)
    near, far = open_data(places / kind), open_data(f"memory://data/{kind}")
    assert far.classes == near.classes and str(far.place) == f"memory://data/{kind}"
    assert [d.fingerprint() for d in far.splits.values()] == [
        d.fingerprint() for d in near.splits.values()
    ]


def test_shards_at_a_web_server_without_ranges_are_the_shards_here(
    places: Path, address: str
) -> None:
    assert contents(f"{address}/shards") == contents(places / "shards")
    assert "range requests" in fails("data", "check", f"{address}/parquet")


def test_a_run_learns_from_a_url_and_goes_on(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "draw_curves", lambda *_: None)
    monkeypatch.setattr(records, "draw_confusion", lambda *_: None)
    how = {"model": "lenet5", "image_size": 32, "steps": 2, "threads": 1, "device": "cpu"}
    summary = train("memory://data/shards", how, out=tmp_path / "far")
    assert summary.data == "memory://data/shards"
    again = train(None, resume=tmp_path / "far")
    assert again.top1_accuracy == summary.top1_accuracy


def test_pictures_at_a_url_are_those_of_its_shards_or_folders(places: Path) -> None:
    for kind, count in (("shards", 64), ("folder", 64), ("shards/val-00000.tar", 16)):
        far = [(item.path, read(item).tolist()) for item in named([f"memory://data/{kind}"])]
        assert len(far) == count
        assert all(path.startswith(f"memory://data/{kind}") for path, _ in far)
        if kind != "shards":
            here = [read(item).tolist() for item in named([str(places / kind)])]
            assert [picture for _, picture in far] == here


def test_what_is_not_at_a_url_is_one_line(places: Path, address: str) -> None:
    assert "no such file or folder: memory://data/none" in fails(
        "data", "check", "memory://data/none"
    )
    assert "rotocol not known: nowhere" in fails("data", "check", "nowhere://x")
    assert "is not installed: pip install" in fails("data", "check", "gs://bucket/shards")
    assert "no such file or folder" in fails("data", "check", f"{address}/none")
    assert "memory://data/none" in fails("predict", "memory://data/none")


def test_a_read_that_fails_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE_S", 0)
    fails_so_often, tried = 2, []

    def read_(self: Remote, start: int, end: int | None) -> bytes:
        tried.append(start)
        if len(tried) <= fails_so_often:
            raise OSError("a connection was reset")
        return b"there"

    monkeypatch.setattr(Remote, "_read", read_)
    assert Remote("memory://x").read(3, 8) == b"there" and tried == [3, 3, 3]
    fails_so_often = 9
    with pytest.raises(OSError, match="reset"):
        Remote("memory://x").read()


def test_whatever_a_file_system_raises_is_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Exception):
        pass

    def fail(*_: Any) -> None:
        raise Odd("throttled")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.exists", fail)
    with pytest.raises(InputError, match=r"memory://x cannot be opened: Odd: throttled"):
        open_data("memory://x")

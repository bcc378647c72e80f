"""Pictures that are read in stretches: every one once, from few stretches at a time, read ahead."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from colours import colour_picture, write_colours

from inception.data import tars
from inception.data.blocks import Blocks, Held, blocks_within, shuffled
from inception.data.dataset import Dataset
from inception.data.datasets import open_data
from inception.data.loading import epoch_plan
from inception.data.packing import Packing, pack
from inception.data.parquet import ParquetSource
from inception.data.tar_index import _beside, _read_index, tar_index
from inception.data.tars import TarSource
from inception.errors import InputError


@pytest.mark.parametrize("window", [1, 3, 50])
def test_a_drawn_order_has_every_row_once_and_few_blocks_in_use(window: int) -> None:
    numbers = np.repeat(np.arange(40), np.random.default_rng(1).integers(1, 30, 40))
    rows = np.flatnonzero(np.random.default_rng(2).random(len(numbers)) < 0.7)  # one split's
    order = shuffled(rows, np.random.default_rng(0), Blocks(numbers, window))
    assert sorted(order) == sorted(rows) and list(order) != sorted(order)
    first, last = {}, {}
    for place, block in enumerate(numbers[order]):
        first.setdefault(block, place)
        last[block] = place
    most = max(sum(first[b] <= p <= last[b] for b in first) for p in range(len(order)))
    assert most <= window + 1
    if window == 50:
        assert most > 35
    again = shuffled(rows, np.random.default_rng(0), Blocks(numbers, window))
    other = shuffled(rows, np.random.default_rng(9), Blocks(numbers, window))
    assert list(again) == list(order) != list(other)


def test_what_fits_is_drawn_from_as_a_whole() -> None:
    numbers, sizes = np.array([0, 0, 1]), np.array([10, 10])
    assert blocks_within(numbers, sizes, 20) is None
    assert blocks_within(numbers, sizes, 19).window == 1  # type: ignore[union-attr]
    assert blocks_within(numbers, sizes, 100, near=False).window == 5  # type: ignore[union-attr]
    plan = epoch_plan(100, 10, 3, 7)
    assert list(np.concatenate(plan)) == list(np.random.default_rng([3, 7]).permutation(100))


def test_an_even_plan_keeps_to_the_blocks_too() -> None:
    labels, numbers = np.array([0] * 90 + [1] * 10), np.arange(100) // 10
    plan = epoch_plan(100, 10, 0, 0, evenly=labels, blocks=Blocks(numbers, 2))
    drawn = np.concatenate(plan)
    assert Counter(labels[drawn]) == {0: 50, 1: 50}
    assert max(len(set(numbers[rows])) for rows in plan) <= 5


def test_a_block_is_read_once_however_many_ask_and_old_ones_go() -> None:
    read, ready = [], threading.Event()

    def load(number: int) -> bytes:
        ready.wait(10)
        read.append(number)
        return bytes([number]) * 10

    held = Held(load, len, memory=25)
    held.expect(0)
    asking = [threading.Thread(target=held.get, args=(0,)) for _ in range(5)]
    for thread in asking:
        thread.start()
    ready.set()
    for thread in asking:
        thread.join()
    assert read == [0] and held.get(0) == bytes(10)
    for number in (1, 0, 2, 0):
        assert held.get(number) == bytes([number]) * 10
    assert read == [0, 1, 2] and held.sizes() == {0: 10, 2: 10}
    assert held.find(1) is None and held.find(2) == b"\2" * 10


def test_a_block_that_fails_is_tried_again() -> None:
    luck = iter([OSError("gone"), b"there"])

    def load(number: int) -> bytes:
        if isinstance(one := next(luck), OSError):
            raise one
        return one

    held = Held(load, len)
    with pytest.raises(OSError, match="gone"):
        held.get(0)
    assert held.get(0) == b"there"


def large(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """120 pictures in blocks of about 10, of which a fifth may be held."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(2):
        rows = [rng.bytes(1000) for _ in range(60)]
        if kind == "parquet":
            table = pa.table({"image": [{"bytes": r, "path": None} for r in rows],
                              "label": [n % 2 for n in range(60)]})  # fmt: skip
            pq.write_table(table, folder / f"{number}.parquet", row_group_size=10)
        else:
            from test_tars import write_tar

            members = [m for n, r in enumerate(rows)
                       for m in ((f"{n:02}.png", r), (f"{n:02}.cls", b"%d" % (n % 2)))]  # fmt: skip
            write_tar(folder / f"{number}.tar", members)
    monkeypatch.setattr(tars, "STRETCH", 27_000)
    made: Any = {"parquet": ParquetSource, "tar": TarSource}[kind]
    source = made(sorted(folder.iterdir()), memory=45_000 if kind == "parquet" else 110_000)
    labels = np.array([int(label) for label in source.labels])
    return Dataset("all", source, ("a", "b"), labels, np.arange(120))


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_shuffled_reads_of_what_is_larger_than_memory_read_each_block_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = large(tmp_path / "d", kind, monkeypatch)
    assert dataset.blocks is not None
    source: Any = dataset.source
    load, loaded = source._held._load, []
    source._held._load = lambda number: (loaded.append(number), load(number))[1]
    plan = np.concatenate(epoch_plan(120, 8, 0, 0, blocks=dataset.blocks)).tolist()
    read = [dataset.encoded(i) for i in dataset.in_turn(plan)]
    assert sorted(plan) == list(range(120)) and plan != sorted(plan)
    alone = large(tmp_path / "again", kind, monkeypatch)
    assert read == [alone.encoded(i) for i in plan]
    assert Counter(loaded) == dict.fromkeys(range(dataset.blocks.numbers.max() + 1), 1)
    assert sum(source._held.sizes().values()) <= source._held._memory


def test_few_of_a_tars_pictures_are_read_without_their_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = large(tmp_path / "d", "tar", monkeypatch)
    source: Any = dataset.source
    assert [len(dataset.encoded(i)) for i in dataset.in_turn([5, 40, 77])] == [1000] * 3
    assert source._held.sizes() == {}


def test_processes_deal_a_batch_by_blocks() -> None:
    numbers = np.repeat(np.arange(6), 10)

    class Far:
        blocks = Blocks(numbers, 6)

    dataset = Dataset("all", Far(), ("a",), np.zeros(60, np.int64), np.arange(60))  # type: ignore[arg-type]
    batch = np.random.default_rng(0).permutation(60)
    parts = dataset.dealt(batch, 2)
    assert [set(numbers[part] % 2) for part in parts] == [{0}, {1}]
    assert sorted(np.concatenate(dataset.dealt(batch, 7))) == list(range(60))
    assert list(dataset.dealt(batch, 1)[0]) == list(batch)


def test_the_index_beside_a_shard_is_that_of_the_shard(colours: Path, tmp_path: Path) -> None:
    pack(open_data(colours), tmp_path / "s", Packing(per_shard=20), threads=1)
    for path in (tmp_path / "s").glob("*.tar"):
        beside, scanned = _beside(path), _read_index(path)
        assert beside is not None
        for one, other in zip(beside, scanned, strict=True):
            assert list(one) == list(other)


LIES: dict[str, Any] = {
    "no JSON": "{",
    "another size": {"bytes": 1},
    "no plan": {"plan": ""},
    "a column missing": {"keys": None},
    "keys that are no names": {"keys": [1] * 20},
    "columns of two lengths": {"sizes": [1]},
    "an offset outside": {"offsets": [2**62] * 20},
    "an offset that is none": {"offsets": [-5] * 20},
    "no list of sizes": {"sizes": 7},
    "lists of sizes": {"sizes": [[1]] * 20},
    "no whole numbers": {"sizes": ["x"] * 20},
    "beyond 64 bits": {"sizes": [2**70] * 20},
    "nested": {"sizes": [[1]] * 20},
    "a size below none": {"sizes": [-1] * 20},
    "no checksums": {"headers": [2**40] * 20},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_is_not_taken(tmp_path: Path, lie: str) -> None:
    for number in range(20):
        (tmp_path / "d" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        colour_picture((1, 2, 3), number, 4).save(
            tmp_path / "d" / "ab"[number % 2] / f"{number}.png"
        )
    pack(open_data(tmp_path / "d"), tmp_path / "s", Packing(), threads=1)
    path = tmp_path / "s" / "all-00000.json"
    told, change = json.loads(path.read_text()), LIES[lie]
    path.write_text(change if isinstance(change, str) else json.dumps(told | change))
    assert _beside(path.with_suffix(".tar")) is None
    assert tar_index(path.with_suffix(".tar")).keys == told["keys"]


def test_a_shard_that_was_replaced_is_told_whatever_its_index_says(tmp_path: Path) -> None:
    data = open_data(write_colours(tmp_path / "d"))
    pack(data, tmp_path / "s", Packing(), threads=1)
    tar = tmp_path / "s" / "val-00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[512:] + bytes(512))
    with pytest.raises(InputError, match="the tar file has changed since it was opened"):
        open_data(tmp_path / "s").splits["val"].encoded(3)

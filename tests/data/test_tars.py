"""Tars as WebDataset users have them, and as an attacker would: one line each."""

import io
import json
import os
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inception import files
from inception.data import tar_index
from inception.data.datasets import open_data
from inception.data.images import UnreadableImageError
from inception.data.tars import TarSource, without_common_folder
from inception.errors import InputError

Members = Sequence[tuple[str, bytes]]


def write_tar(path: Path, members: Members, **options: int) -> Path:
    with tarfile.open(path, "w", **options) as tar:  # type: ignore[arg-type]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def labels(path: Path) -> dict[str, str]:
    """Class by picture, of all splits."""
    data = open_data(path)
    return {
        split.key(i): split.classes[split.labels[i]]
        for split in data.splits.values()
        for i in range(len(split))
    }


def described(value: object) -> bytes:
    return json.dumps(value).encode()


FORMS: dict[str, tuple[Members, list[str]]] = {
    "dots in keys": (
        [("img_0.5_1.jpg", b"1"), ("img_0.5_1.cls", b"a"), ("img_0.5_2.jpg", b"2"),
         ("img_0.5_2.cls", b"b")], ["a", "b"],
    ),
    "WebDataset's several pictures": (
        [("1.left.jpg", b"1"), ("1.right.jpg", b"2"), ("1.cls", b"a"), ("2.left.jpg", b"3"),
         ("2.cls", b"b")], ["a", "a", "b"],
    ),
    "the longer key wins": (
        [("img_0.5.jpg", b"1"), ("img_0.5.cls", b"b"), ("img_0.cls", b"a"), ("img_0.6.jpg", b"2")],
        ["b", "a"],
    ),
    "same keys in folders": (
        [("x/1.jpg", b"1"), ("x/1.cls", b"0"), ("y/1.jpg", b"2"), ("y/1.cls", b"1")], ["0", "1"],
    ),
    "a dot before all": ([("./a/1.PNG", b"1"), ("./a/1.cls", b"cat\n")], ["cat"]),
    "AppleDouble": ([("./._1.jpg", b"x"), ("1.jpg", b"1"), ("1.cls", b"cat")], ["cat"]),
    "floats": ([("1.jpg", b"1"), ("1.cls", b"0.0"), ("2.jpg", b"2"), ("2.cls", b"1.0")],
               ["0", "1"]),
    "json": ([("1.jpg", b"1"), ("1.json", described({"label": 1, "w": 9}))], ["1"]),
    "json of a name": ([("1.jpg", b"1"), ("1.json", described({"class": "cat"}))], ["cat"]),
    "json beside cls": (
        [("1.jpg", b"1"), ("1.cls", b"cat"), ("1.json", described({"label": "dog"}))], ["cat"],
    ),
    "class folders": ([("cat/1.jpg", b"1"), ("dog/1.jpg", b"2")], ["cat", "dog"]),
    "a packed folder": ([("pets/cat/1.jpg", b"1"), ("pets/dog/x/1.jpg", b"2")], ["cat", "dog"]),
    "a packed folder with splits": (
        [("pets/train/cat/1.jpg", b"1"), ("pets/train/dog/1.jpg", b"2"),
         ("pets/val/cat/1.jpg", b"3")], ["cat", "dog", "cat"],
    ),
    "a name twice": (
        [("1.jpg", b"old"), ("1.cls", b"a"), ("1.jpg", b"new"), ("1.cls", b"b")], ["b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_picture_has_the_label_that_is_meant(tmp_path: Path, form: str) -> None:
    members, wanted = FORMS[form]
    assert list(labels(write_tar(tmp_path / "0.tar", members)).values()) == wanted


def test_of_two_members_of_a_name_the_last_is_read(tmp_path: Path) -> None:
    source = TarSource([write_tar(tmp_path / "0.tar", FORMS["a name twice"][0])])
    assert source.keys == ["1.jpg"] and source.read(0) == b"new"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("1.jpg", b"1"), ("1.cls", b"0"), ("2.jpg", b"2")], r"2\.jpg has no label: key\.cls"),
        ([("1.jpg", b"1"), ("1.cls", b"")], r"1\.jpg has no label"),
        ([("1.jpg", b"1"), ("1.json", b"{")], r"1\.jpg has no label"),
        ([("1.jpg", b"1"), ("1.json", b"[" * 60_000)], r"1\.jpg has no label"),
        ([("1.jpg", b"1"), ("1.json", described({"label": [1]}))], r"1\.jpg has no label"),
        ([("1.jpg", b"1"), ("1.json", described({"label": True}))], r"1\.jpg has no label"),
        ([("1.jpg", b"1"), ("x/1.cls", b"0")], r"1\.jpg has no label"),
        ([("readme.txt", b"")], "no pictures in"),
        ([("a/car/1.jpg", b"1"), ("a/train/x/1.jpg", b"1")], "train would be a split, but car"),
    ],
)
def test_a_tar_without_labels_is_told(tmp_path: Path, members: Members, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_data(write_tar(tmp_path / "0.tar", members))


def test_shards_of_one_split_with_folders_of_another_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "val-0.tar", FORMS["a packed folder with splits"][0])
    write_tar(tmp_path / "train-0.tar", FORMS["class folders"][0])
    with pytest.raises(InputError, match=r"val-0\.tar is of one split by its name, of others"):
        open_data(tmp_path)


@pytest.mark.parametrize("names", [["train-val-0.tar"], ["test_train.tar", "val.tar"]])
def test_a_shard_that_names_two_splits_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_tar(tmp_path / name, FORMS["class folders"][0])
    with pytest.raises(InputError, match="names more than one split"):
        open_data(tmp_path)


def test_a_folder_of_one_split_is_not_taken_off() -> None:
    assert without_common_folder(["test/a/1.jpg"]) == ["test/a/1.jpg"]
    assert without_common_folder(["/x/y/a/1.jpg", "/x/y/b/1.jpg"]) == ["a/1.jpg", "b/1.jpg"]


def header(data: bytearray, place: int, field: slice, value: bytes) -> None:
    """Writes a field of the header at ``place`` and mends its checksum."""
    data[place + field.start : place + field.stop] = value
    data[place + 148 : place + 156] = b" " * 8
    data[place + 148 : place + 156] = b"%06o\0 " % sum(data[place : place + 512])


SIZE, KIND = slice(124, 136), slice(156, 157)
SIZES = [
    b"\x80" + (2**62).to_bytes(11, "big"),
    b"\x80" + (2**70).to_bytes(11, "big"),
    b"\xff" + (2**88 - 512).to_bytes(11, "big"),  # negative
    b"7" * 11 + b"\0",
    b"x" * 12,
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"g", b"K", b"5", b"7"])
@pytest.mark.parametrize("place", [0, 1024])
def test_a_size_that_cannot_be_is_one_line(
    tmp_path: Path, size: bytes, kind: bytes, place: int
) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"1"), ("a.cls", b"1")])
    data = bytearray(path.read_bytes())
    header(data, place, SIZE, size)
    header(data, place, KIND, kind)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"0\.tar"):
        open_data(path)


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "0,x", "GNU.sparse.size": "60"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "x"},
        {"size": "-5"},
        {"size": "nan"},
        {"mtime": "inf"},
        {"hdrcharset": "BINARY", "path": "\udce9.png"},
    ],
)
def test_an_odd_pax_header_is_one_line_or_borne(tmp_path: Path, headers: dict[str, str]) -> None:
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        info.size, info.pax_headers = 10, headers
        tar.addfile(info, io.BytesIO(bytes(10)))
    try:
        source = TarSource([tmp_path / "0.tar"])
    except InputError as error:
        assert "0.tar: not a readable tar file" in str(error)
    else:
        assert len(source.keys) <= 1


def test_mutated_tars_end_in_a_line_or_in_pictures(tmp_path: Path) -> None:
    rng = random.Random(0)
    members = [(f"{c}/{i}.{end}", b"x" * i * 90) for c in "ab" for i in range(3)
               for end in ("png", "cls", "json")]  # fmt: skip
    whole = write_tar(tmp_path / "w.tar", members, format=tarfile.PAX_FORMAT).read_bytes()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(data) // 512) * 512 + rng.choice(
                [rng.randrange(512), 124, 156]
            )
            data[place] = rng.choice([0, 0x80, 0xFF, *b"5xgLS0179"])
        block = rng.randrange(len(data) // 512) * 512
        header(data, block, slice(0, 1), data[block : block + 1])
        (tmp_path / "0.tar").write_bytes(data)
        try:
            source = TarSource([tmp_path / "0.tar"])
        except InputError as error:
            assert "0.tar" in str(error)
            continue
        for i in range(len(source.keys)):
            assert len(source.read(i)) == source.sizes[i]


def test_a_tar_replaced_within_a_tick_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"one"), ("b.png", b"two")])
    before = path.stat()
    assert TarSource([path]).keys == ["a.png", "b.png"]
    with path.open("r+b") as file:  # the same file, size and time
        file.write(b"z.png")
        data = bytearray(path.read_bytes())
    data[:5] = b"z.png"
    header(data, 0, slice(0, 5), b"z.png")
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert TarSource([path]).keys == ["b.png", "z.png"]


def test_a_broken_header_in_the_middle_loses_no_picture_silently(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [(f"{i}.png", b"x") for i in range(4)])
    data = bytearray(path.read_bytes())
    data[2048] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a broken header at byte 2,048"):
        TarSource([path])


@pytest.mark.parametrize("how", ["replaced", "written over", "gone", "a pipe"])
def test_a_tar_that_changes_while_open_never_gives_another_picture(
    tmp_path: Path, how: str
) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"one"), ("b.png", b"two")])
    source = TarSource([path])
    other = write_tar(tmp_path / "other", [("c.png", b"un"), ("d.png", b"deux")])
    if how == "written over":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
    if how == "replaced":
        other.rename(path)
    if how == "a pipe":
        os.mkfifo(path)
    for index in range(2):
        for read in (source.read, source.sample):
            with pytest.raises(UnreadableImageError, match=r"has changed|No such file|not a reg"):
                read(index)


@pytest.mark.parametrize("why", ["no home", "read-only"])
def test_a_tar_is_read_without_a_cache(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> Path:
        raise InputError("cannot write")

    monkeypatch.setattr(tar_index, "cache_folder" if why == "no home" else "replacing", refuses)
    path = write_tar(tmp_path / "0.tar", [("a.png", b"one")])
    assert TarSource([path]).read(0) == b"one"


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", b"x" * 100])
def test_a_broken_cache_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"one")])
    TarSource([path])
    for cached in (files.cache_folder() / "tar").glob("*.npz"):
        cached.write_bytes(damage)
    assert TarSource([path]).read(0) == b"one"


def test_names_that_are_no_utf8_or_long_survive_the_cache(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.png"), "long/" * 40 + "a.png"]
    path = write_tar(tmp_path / "0.tar", [(name, b"x") for name in names])
    assert sorted(TarSource([path]).keys) == sorted(TarSource([path]).keys) == sorted(names)


def test_samples_are_equal_where_members_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    long = rng.bytes(50_000)
    members = [("a.png", long), ("b.png", long), ("c.png", long[:-1] + b"!"), ("d.png", b"")]
    source = TarSource([write_tar(tmp_path / "0.tar", members)])
    samples = [source.sample(i) for i in range(4)]
    assert samples[0] == samples[1] and len(set(samples)) == 3

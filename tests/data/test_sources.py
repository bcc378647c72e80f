"""Where encoded pictures lie: folders, tars and parquet, read by number."""

import io
import os
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from inception.data import tar_index
from inception.data.images import UnreadableImageError
from inception.data.listing import list_folder
from inception.data.parquet import ParquetSource
from inception.data.sources import FolderSource, pictures_at
from inception.data.tars import TarSource
from inception.errors import InputError


def png(value: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_parquet(path: Path, images: Any, labels: Any, **options: Any) -> Path:
    pq.write_table(pa.table({"image": images, "label": labels}), path, **options)
    return path


def test_pictures_are_found_by_ending_and_hidden_ones_are_not(tmp_path: Path) -> None:
    pictures = ["b.JPG", "a.jpeg", "deep/er/c.PNG", "d.webp", "e.tar.gif"]
    others = [".hidden.jpg", "._a.jpeg", ".git/f.png", "g.txt", "jpg", "h.jpg.part", "Thumbs.db"]
    for name in [*pictures, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_folder(tmp_path).keys == ["a.jpeg", "b.JPG", "d.webp", "deep/er/c.PNG", "e.tar.gif"]


def test_a_folder_gives_the_bytes_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"one")
    source = FolderSource(tmp_path, ["a/1.png", "a/2.png", "nul\0.png"])
    assert source.read(0) == b"one"
    assert source.path(0) == str(tmp_path / "a" / "1.png")
    with pytest.raises(UnreadableImageError, match=r"a/2\.png: No such file"):
        source.read(1)
    with pytest.raises(UnreadableImageError, match="null byte"):
        source.read(2)


def test_a_tar_gives_pictures_labels_and_places(tmp_path: Path) -> None:
    members = {
        "b.png": b"two",
        "a.jpg": b"one",
        "a.cls": b"7\n",
        "x/a.JPEG": b"three",
        "t.txt": b"",
    }
    members |= {"x/a.cls": b"cat", ".b.png": b"hidden"}
    first = write_tar(tmp_path / "0.tar", members)
    second = write_tar(tmp_path / "1.tar", {"a.png": b"four", "a.cls": b"0"})
    source = TarSource([first, second])
    assert list(source.keys) == ["a.jpg", "b.png", "x/a.JPEG", "a.png"]
    assert [source.read(i) for i in range(4)] == [b"one", b"two", b"three", b"four"]
    assert source.labels == ["7", "", "cat", "0"]
    assert source.path(3) == f"{second}/a.png"


def test_no_path_in_a_tar_is_trusted(tmp_path: Path) -> None:
    place = tmp_path / "in" / "ner"
    place.mkdir(parents=True)
    absolute = f"{tmp_path}/absolute.png"
    path = write_tar(place / "0.tar", {"../evil.png": b"up", absolute: b"root"})
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"link{kind!r}.png")
            link.type, link.linkname = kind, "/etc/passwd"
            tar.addfile(link)
    source = TarSource([path])
    assert sorted(source.keys) == sorted(["../evil.png", absolute])
    assert {source.read(i) for i in range(2)} == {b"up", b"root"}
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_a_member_that_claims_a_huge_size_is_no_picture(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse.png")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:398] = header[398:410] = b"\x80" + bytes(11)  # one hole of no length
    header[483:495] = struct.pack(">BxxxQ", 0x80, 2**45)
    checksum = 8 * ord(" ") + sum(header[:148]) + sum(header[156:512])
    header[148:156] = b"%06o\0 " % checksum
    (tmp_path / "0.tar").write_bytes(bytes(header) + bytes(1024))
    assert TarSource([tmp_path / "0.tar"]).keys == []


def test_the_index_of_a_tar_is_made_once_until_the_tar_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = tar_index._read_index
    monkeypatch.setattr(tar_index, "_read_index", lambda p: made.append(p) or original(p))
    path = write_tar(tmp_path / "0.tar", {"a.png": b"one"})
    assert TarSource([path]).read(0) == TarSource([path]).read(0) == b"one"
    assert made == [path]
    write_tar(path, {"b.png": b"two", "c.png": b"three"})
    assert list(TarSource([path]).keys) == ["b.png", "c.png"]
    write_tar(path, {"d.png": b"tea", "e.png": b"coffee"})  # of the same size, at another time
    os.utime(path, ns=(1, 1))
    assert TarSource([path]).read(1) == b"coffee"
    assert made == [path] * 3


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "gzip"])
def test_a_broken_tar_is_named(tmp_path: Path, damage: str) -> None:
    whole = write_tar(tmp_path / "whole.tar", {"a.png": bytes(5000)}).read_bytes()
    noise = np.random.default_rng(0).bytes(4096)
    data = {"empty": b"", "noise": noise, "cut": whole[:3000], "gzip": b"\x1f\x8b" + noise}[damage]
    (tmp_path / "0.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar file"):
        TarSource([tmp_path / "0.tar"])


def test_a_tar_cut_short_after_it_was_opened_gives_unreadable_pictures(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a.png": bytes(5000)})
    source = TarSource([path])
    os.truncate(path, 2000)
    with pytest.raises(UnreadableImageError, match=r"0\.tar/a\.png: the tar file ends inside it"):
        source.read(0)


def test_parquet_gives_pictures_across_row_groups_and_files(tmp_path: Path) -> None:
    rows = [{"bytes": b"%d" % i, "path": f"{i}.png"} for i in range(7)]
    first = write_parquet(tmp_path / "0.parquet", rows[:5], [0, 1, 2, 0, 1], row_group_size=2)
    second = write_parquet(tmp_path / "1.parquet", rows[5:], [2, 0])
    source = ParquetSource([first, second])
    for i in (6, 0, 3, 5, 1, 4, 2):
        assert source.read(i) == b"%d" % i
    assert source.labels == [0, 1, 2, 0, 1, 2, 0]
    assert source.path(4) == f"{first}, row 4"
    assert source.path(6) == f"{second}, row 1"


def test_parquet_larger_than_the_memory_is_read_all_the_same(tmp_path: Path) -> None:
    images = [{"bytes": bytes([i]) * 1000} for i in range(10)]
    path = write_parquet(tmp_path / "0.parquet", images, list(range(10)), row_group_size=1)
    source = ParquetSource([path], memory=2500)
    assert [source.read(i) for i in (*range(10), *range(10))] == 2 * [r["bytes"] for r in images]
    assert len(source._held.sizes()) == 2 and sum(source._held.sizes().values()) <= 2500


@pytest.mark.parametrize("missing", [None, {"bytes": None}, {"bytes": b""}])
def test_a_row_without_a_picture_is_unreadable(tmp_path: Path, missing: Any) -> None:
    path = write_parquet(tmp_path / "0.parquet", [{"bytes": png()}, missing], [0, 1])
    source = ParquetSource([path])
    assert source.read(0) == png()
    with pytest.raises(UnreadableImageError, match=r"0\.parquet, row 1: the row has no picture"):
        source.read(1)


def test_a_broken_row_group_makes_its_pictures_unreadable(tmp_path: Path) -> None:
    images = [{"bytes": png(i) * 20} for i in range(4)]
    path = write_parquet(tmp_path / "0.parquet", images, [0, 1, 2, 3], row_group_size=2)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196  # the first page, after the magic number
    path.write_bytes(data)
    source = ParquetSource([path])
    with pytest.raises(UnreadableImageError, match=r"row 0: the file is broken: [^\n]+$"):
        source.read(0)
    assert source.read(2) == images[2]["bytes"]


def test_broken_parquet_and_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(InputError, match=r"0\.parquet: not a readable parquet file"):
        ParquetSource([tmp_path / "0.parquet"])
    write_parquet(tmp_path / "1.parquet", ["a.png"], [0])
    with pytest.raises(InputError, match=r"image\.bytes and label needed, found \['image', 'label"):
        ParquetSource([tmp_path / "1.parquet"])


def test_pictures_at_a_place_are_those_of_folder_tar_or_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/2.png", "a/1.png"):
        (tmp_path / name).write_bytes(png())
    tar = write_tar(tmp_path / "0.tar", {"x.png": png(), "x.txt": b""})

    def paths(place: Path) -> list[str]:
        return [source.path(i) for source, i in pictures_at(place)]

    assert paths(tmp_path) == [f"{tmp_path}/a/1.png", f"{tmp_path}/a/2.png"]
    assert paths(tar) == [f"{tar}/x.png"]
    assert paths(tmp_path / "a" / "gone.png") == [f"{tmp_path}/a/gone.png"]


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_place_without_pictures_is_an_error(tmp_path: Path, kind: str) -> None:
    tar = write_tar(tmp_path / "0.tar", {"x.txt": b""})
    with pytest.raises(InputError, match=r"no pictures in .*: looked for \.avif, "):
        list(pictures_at(tar if kind == "tar" else tmp_path))

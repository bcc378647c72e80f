"""Folders are visited once, whatever links there are; what is left out is counted."""

import itertools
import os
from pathlib import Path

import pytest

from inception.data.images import UnreadableImageError
from inception.data.listing import Listing, list_folder, number
from inception.data.sources import FolderSource


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("pets/cat/1.jpg", "pets/cat/deep/2.jpg", "pets/dog/3.jpg", "else/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "pets"


PICTURES = ["cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg"]


@pytest.mark.parametrize("target", [".", "..", "../..", "../dog", "/", "loop", "deep"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_link_to_a_folder_that_is_read_anyway_adds_nothing(
    place: Path, target: str, count: int
) -> None:
    for name in ["loop", "aaa"][:count]:  # the second comes before what it may point to
        (place / "cat" / name).symlink_to(target)
    found = list_folder(place)
    assert found.keys == PICTURES and found.outward == 0
    assert len(found.again) == (0 if target == "loop" else count)


def test_links_that_lead_elsewhere_are_followed_and_counted(place: Path) -> None:
    (place / "cat" / "more").symlink_to("../../else")
    (place / "dog" / "4.jpg").symlink_to(place.parent / "else" / "4.jpg")
    (place / "dog" / "5.jpg").symlink_to("../cat/1.jpg")
    found = list_folder(place)
    assert found.keys == sorted([*PICTURES, "cat/more/4.jpg", "dog/4.jpg", "dog/5.jpg"])
    assert found.outward == 2


def test_two_links_to_one_folder_elsewhere_count_once(place: Path) -> None:
    for name in ("x", "y"):
        (place / name).symlink_to("../else")
    found = list_folder(place)
    assert found.keys == [*PICTURES, "x/4.jpg"] and found.again == ["y"]


@pytest.mark.parametrize("kind", ["pipe", "device", "broken link"])
def test_what_is_no_regular_file_is_listed_and_never_read(place: Path, kind: str) -> None:
    odd = place / "dog" / "odd.jpg"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("/dev/zero" if kind == "device" else "gone")
    keys = list_folder(place).keys
    source = FolderSource(place, keys)
    for read in (source.read, source.sample):
        with pytest.raises(UnreadableImageError, match=r"not a regular file|No such file"):
            read(keys.index("dog/odd.jpg"))


def test_everything_left_out_is_counted(place: Path) -> None:
    others = ["cat/1.HEIC", "cat/2.heic", "dog/x.txt", "dog/noending", "notes.txt", "dog/.hidden",
              "__MACOSX/cat/1.heic"]  # fmt: skip
    for name, folder in itertools.product(others, ("bird", "fish/deep")):
        (place / folder).mkdir(parents=True, exist_ok=True)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    assert list_folder(place).left_out() == [
        "2 .heic files",
        "1 file without an ending",
        "1 .txt file",
        "2 folders without pictures (bird, fish)",
    ]


def test_a_folder_that_may_not_be_opened_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def closed(path: Path) -> object:
        if path.name == "deep":
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = list_folder(place)
    assert found.left_out() == ["1 folder that may not be opened (cat/deep)"]


def test_an_empty_listing_leaves_nothing_out() -> None:
    assert Listing().left_out() == []
    assert number(2000, "class") == "2,000 classes"

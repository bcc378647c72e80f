"""The data doctor finds each illness that was put in, and none in a healthy set."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inception.data.check import DataReport, check_data
from inception.data.datasets import open_data
from inception.data.likeness import near_pairs, thumbnail


def noise(seed: int, height: int = 40, width: int = 40) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two classes in two splits, six pictures, nothing wrong."""
    for i, name in enumerate(
        ["train/a/1", "train/a/2", "train/b/1", "train/b/2", "val/a/1", "val/b/1"]
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise(i).save(tmp_path / f"{name}.png")
    return tmp_path


def report(place: Path, threads: int = 2) -> DataReport:
    return check_data(open_data(place), threads=threads)


def test_a_good_set_is_healthy_and_counted(place: Path) -> None:
    found = report(place)
    assert found.healthy
    assert found.to_json() == {
        "splits": {
            "train": {"pictures": 4, "per_class": {"a": 2, "b": 2}, "modes": {"RGB": 4}},
            "val": {"pictures": 2, "per_class": {"a": 1, "b": 1}, "modes": {"RGB": 2}},
        },
        "unreadable": [],
        "tiny": [],
        "duplicates": [],
        "leaks": [],
        "conflicts": [],
        "near_leaks": [],
        "notes": [],
        "healthy": True,
    }


def test_a_picture_in_two_splits_is_a_leak_whatever_its_format(place: Path) -> None:
    noise(0).save(place / "val" / "a" / "same.bmp")
    found = report(place)
    assert found.leaks == [[f"{place}/train/a/1.png", f"{place}/val/a/same.bmp"]]
    assert found.duplicates == found.conflicts == [] and not found.healthy


@pytest.mark.parametrize("change", ["smaller", "stretched", "darker", "grey", "mirrored", "jpeg"])
def test_a_changed_copy_in_another_split_is_a_near_leak(place: Path, change: str) -> None:
    original = noise(7, 12, 9).resize((300, 400), Image.Resampling.BICUBIC)
    original.save(place / "train" / "a" / "3.png")
    copy = {
        "smaller": original.resize((75, 100)),
        "stretched": original.resize((320, 200)),
        "darker": original.point(lambda value: value // 2),
        "grey": original.convert("L"),
        "mirrored": original.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "jpeg": original,
    }[change]
    name = "copy.jpg" if change == "jpeg" else "copy.png"
    copy.save(place / "val" / "b" / name, quality=40)
    found = report(place)
    assert found.near_leaks == [[f"{place}/train/a/3.png", f"{place}/val/b/{name}"]]
    assert found.leaks == [] and found.healthy


def test_equal_and_plain_pictures_are_no_near_leaks(place: Path) -> None:
    noise(0).save(place / "val" / "a" / "same.png")
    for split, value in (("train", 250), ("val", 240)):
        pixels = np.full((64, 64, 3), value, np.uint8)
        pixels[:32] += 3  # a plain ground, however like another
        Image.fromarray(pixels).save(place / split / "a" / "plain.png")
    assert report(place).near_leaks == []


def test_alike_within_one_split_is_not_reported(place: Path) -> None:
    noise(0).resize((80, 80)).save(place / "train" / "a" / "larger.png")
    assert report(place).near_leaks == []


def test_cats_and_dogs_has_copies_across_its_splits_and_no_false_alarm(real_data: Path) -> None:
    shards = real_data / "dogs-vs-cats"
    val = open_data(shards).splits["val"]
    train = open_data(shards).splits["train"]
    # looked at: each pair is one photograph, compressed twice
    copies = [("cat_3908", "cat_7912"), ("cat_4126", "cat_4575"), ("cat_1639", "cat_10273")]
    sets = []
    for data, column in ((train, 1), (val, 0)):
        keys = [Path(data.key(i)).stem for i in range(len(data))]
        chosen = {keys.index(pair[column]) for pair in copies} | set(range(0, len(data), 20))
        numbers = sorted(chosen)
        sets.append((keys, numbers, np.stack([thumbnail(data.read(i)) for i in numbers])))
    (train_keys, a, first), (val_keys, b, second) = sets
    found = near_pairs(first, second)
    pairs = {(val_keys[b[pair.second]], train_keys[a[pair.first]]) for pair in found}
    assert pairs == set(copies)


def test_a_picture_twice_in_one_split_is_a_duplicate_and_no_harm(place: Path) -> None:
    noise(0).save(place / "train" / "a" / "same.png")
    found = report(place)
    assert found.duplicates == [[f"{place}/train/a/1.png", f"{place}/train/a/same.png"]]
    assert found.leaks == found.conflicts == [] and found.healthy


@pytest.mark.parametrize(("split", "leak"), [("train", False), ("val", True)])
def test_a_picture_under_two_labels_is_a_conflict(place: Path, split: str, leak: bool) -> None:
    noise(0).save(place / split / "b" / "same.png")
    found = report(place)
    group = [f"{place}/train/a/1.png", f"{place}/{split}/b/same.png"]
    assert found.conflicts == [group] and not found.healthy
    assert (found.leaks, found.duplicates) == (([group], []) if leak else ([], [group]))


def test_equal_bytes_of_another_shape_are_not_the_same_picture(place: Path) -> None:
    black = np.zeros((40, 50, 3), np.uint8)
    Image.fromarray(black).save(place / "train" / "a" / "lying.png")
    Image.fromarray(black.transpose(1, 0, 2)).save(place / "train" / "b" / "standing.png")
    assert report(place).duplicates == [] and report(place).healthy


def test_an_unreadable_picture_is_named_with_its_reason(place: Path) -> None:
    (place / "train" / "a" / "3.jpg").write_bytes(b"<html>")
    (place / "train" / "a" / "4.jpg").write_bytes(b"")
    found = report(place)
    assert found.unreadable == [
        {"path": f"{place}/train/a/3.jpg", "reason": "not a picture in any known format"},
        {"path": f"{place}/train/a/4.jpg", "reason": "the file is empty"},
    ]
    assert found.splits["train"].pictures == 6 and sum(found.splits["train"].modes.values()) == 4
    assert found.duplicates == [] and not found.healthy


def test_a_side_under_32_pixels_is_tiny(place: Path) -> None:
    noise(10, 31, 200).save(place / "train" / "a" / "31.png")
    noise(11, 32, 32).save(place / "train" / "a" / "32.png")
    found = report(place)
    assert found.tiny == [f"{place}/train/a/31.png"] and found.healthy


def test_modes_are_counted_as_stored(place: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(20).convert("L").save(place / "val" / "a" / "grey.png")
    noise(21).convert("CMYK").save(place / "val" / "a" / "cmyk.jpg")
    noise(22).save(place / "val" / "a" / "turned.jpg", exif=exif)
    modes = report(place).splits["val"].modes
    assert modes == {"RGB": 2, "L": 1, "CMYK": 1, "RGB rotated": 1}


def test_the_report_does_not_depend_on_the_number_of_threads(place: Path) -> None:
    noise(0).save(place / "val" / "b" / "same.png")
    assert report(place, threads=1) == report(place, threads=4)


def test_the_odd_pictures_are_told_apart(real_data: Path, tmp_path: Path) -> None:
    odd = real_data / "odd-images"
    expected = json.loads((odd / "expected.json").read_text())
    rows = [f'"{odd / name}",x' for name in expected]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    found = report(tmp_path / "list.csv")
    errors = {str(odd / name) for name, entry in expected.items() if entry["expect"] == "error"}
    assert {entry["path"] for entry in found.unreadable} == errors
    assert set(found.tiny) == {str(odd / "one_pixel.png"), str(odd / "thin.png")}
    copies = [{Path(path).name for path in group} for group in found.duplicates]
    assert any({"plain.jpg", "spaces and ünïcode 图.jpg"} <= group for group in copies)

"""What ``inception predict`` takes its arguments for, and the lists it is given."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from colours import colour_picture
from command_line import fails, run
from PIL import Image

from inception.cli.predict import WEIGHTS, listed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pets").mkdir()
    for i in range(3):
        Image.new("RGB", (20, 20), (80 * i, 0, 0)).save(tmp_path / "pets" / f"{i}.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("ending", sorted(WEIGHTS))
def test_another_program_s_model_is_never_taken_for_a_picture(place: Path, ending: str) -> None:
    model = place / f"old{ending}"
    model.write_bytes(b"PK")
    line = fails("predict", str(model), str(place / "pets"))
    assert f"inception weights convert {model} --as NETWORK --out old.safetensors" in line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("list.txt", "is neither a MODEL nor a picture; for a list of files use -"),
        ("labels.json", "is neither a MODEL nor a picture"),
        ("pictures.zip", "is compressed, and its pictures cannot be read one by one"),
        ("pictures.tar.gz", "is compressed"),
        ("gone", "no such model, nor such file or folder"),
        ("googlenet.bvlc_in2k", "no such model, nor such file or folder"),
        ("gone.jpg", "no such file or folder"),
    ],
)
def test_a_first_argument_that_is_nothing_is_one_line(place: Path, name: str, message: str) -> None:
    if not name.startswith(("gone", "goog")):
        (place / name).write_bytes(b"x")
    assert message in fails("predict", str(place / name))


@pytest.mark.parametrize(
    ("plan", "message"),
    [("config.json", "no epoch of it has ended"), ("ensemble.json", "not an ensemble's plan")],
)
def test_a_run_or_ensemble_without_a_model_is_no_folder_of_pictures(
    place: Path, plan: str, message: str
) -> None:
    (place / "pets" / plan).write_text("{}")
    for command in ("predict", "evaluate"):
        assert message in fails(command, str(place / "pets"), str(place / "pets" / "0.png"))


def test_an_empty_folder_among_the_paths_is_a_line_and_exit_1(place: Path) -> None:
    out = place / "new" / "folder" / "o.csv"
    first, last = str(place / "pets" / "0.png"), str(place / "pets" / "1.png")
    done = run("predict", first, str(place / "empty"), last, "--csv", str(out), "--quiet")
    assert done.returncode == 1
    assert f"unreadable: {place / 'empty'}: no pictures in it" in done.stderr
    assert [row.split(",")[0] for row in out.read_text().splitlines()[1:]] == [
        first, str(place / "empty"), last,
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_comes_from_any_machine(encoding: str, end: str) -> None:
    names = ["a.jpg", " b c .jpg", "café.jpg"]
    text = end.join([names[0], "", *names[1:], ""])
    assert list(listed(io.BytesIO(text.encode(encoding)))) == names


def test_a_list_keeps_bytes_that_are_no_utf8_and_may_be_empty() -> None:
    assert list(listed(io.BytesIO(b"caf\xe9.jpg"))) == [os.fsdecode(b"caf\xe9.jpg")]
    assert list(listed(io.BytesIO(b""))) == []


def test_pictures_are_saved_with_their_labels(tmp_path: Path) -> None:
    """From folders and tars alike, in order; what cannot be read leaves its number out."""
    place, out = tmp_path / "in", tmp_path / "out" / "shown"
    place.mkdir()
    for number in range(2):
        colour_picture((200, 60, 60), number, 60).save(place / f"{number}.png")
    (place / "1a.png").write_bytes(b"no picture")
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        tar.add(place / "0.png", "deep/a photo.png")
    done = run("predict", str(place), str(tmp_path / "more.tar"), "--save", str(out))
    assert done.returncode == 1 and "1 of 4 pictures" in done.stderr
    assert sorted(p.name for p in out.iterdir()) == [
        "00001-0.jpg", "00002-1.jpg", "00004-a photo.jpg",
    ]  # fmt: skip
    for path in out.iterdir():
        with Image.open(path) as made:
            assert made.height > 60 and made.width >= 60
            corner = np.asarray(made.convert("RGB"), int)[-30, made.width // 2]
        assert abs(corner - (200, 60, 60)).max() < 70


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_a_full_disk_is_told_with_the_file_it_was_for(option: str, place: Path) -> None:
    done = run("predict", str(place / "pets"), "--quiet", option, "/dev/full")
    assert done.returncode == 2
    assert done.stderr.endswith("inception: cannot write /dev/full: No space left on device\n")

"""Lists of class names: plain, numbered from 0 or 1, and lines that are names as they stand."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from inception.data.classes import Listed, read_classes
from inception.data.datasets import open_data
from inception.errors import InputError


@pytest.mark.parametrize("mark", [" ", "\t", ": ", ",", ". ", ") "])
@pytest.mark.parametrize("first", [0, 1])
def test_numbers_in_order_are_no_part_of_the_names(tmp_path: Path, first: int, mark: str) -> None:
    lines = [f"{number}{mark}{name}" for number, name in enumerate(("cat", "big dog"), first)]
    (tmp_path / "names.txt").write_text("\n".join(lines) + "\n\n")
    assert read_classes(tmp_path / "names.txt") == Listed(("cat", "big dog"), first)


@pytest.mark.parametrize(
    "lines",
    [("0 cat", "2 dog"), ("1 cat", "0 dog"), ("0 cat", "dog"), ("0", "1"), ("2 cat", "3 dog"),
     ("1 direction",), ("0cat", "1dog")],
)  # fmt: skip
def test_other_lines_are_names_as_they_stand(tmp_path: Path, lines: Sequence[str]) -> None:
    (tmp_path / "names.txt").write_text("\n".join(lines))
    assert read_classes(tmp_path / "names.txt").names == tuple(lines)


def shard(path: Path, labels: Sequence[str]) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    with tarfile.open(path, "w") as tar:
        for number, label in enumerate(labels):
            for ending, data in (("png", picture.getvalue()), ("cls", label.encode())):
                info = tarfile.TarInfo(f"{number}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def test_labels_go_by_the_numbers_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("1 cat\n2 dog\n3 bird\n")
    data = open_data(shard(tmp_path / "a.tar", ["2", "1", "2", "3"]))
    assert data.classes == ("cat", "dog", "bird")
    assert data.splits["all"].labels.tolist() == [1, 0, 1, 2]
    with pytest.raises(InputError, match=r"labelled 0; the classes of .* are: cat, dog, bird"):
        open_data(shard(tmp_path / "a.tar", ["0", "1"]))


def test_folders_called_as_the_lines_are_keep_their_names(tmp_path: Path) -> None:
    for name in ("0 cat", "1 dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    (tmp_path / "classes.txt").write_text("0 cat\n1 dog\n")
    assert open_data(tmp_path).classes == ("0 cat", "1 dog")


def test_folders_may_leave_the_numbers_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    (tmp_path / "classes.txt").write_text("0 dog\n1 cat\n")
    data = open_data(tmp_path)
    assert data.classes == ("dog", "cat")
    assert data.splits["all"].labels.tolist() == [1, 0]

"""CSV files as Excel, pandas, Windows and people write them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from inception.data.datasets import open_data
from inception.data.tables import Row, read_table, whole
from inception.errors import InputError
from inception.text import csv_text

ROWS = [Row("img/1.png", "cat", None), Row("img/2.png", "dog", None)]
LINES = "img/1.png,cat\nimg/2.png,dog\n"

FORMS = {
    "plain": "path,label\n" + LINES,
    "bom": "\ufeffpath,label\r\n" + LINES.replace("\n", "\r\n"),
    "old Mac": ("path,label\n" + LINES).replace("\n", "\r"),
    "semicolon": ("path,label\n" + LINES).replace(",", ";"),
    "tab": ("path,label\n" + LINES).replace(",", "\t"),
    "Excel's own": "sep=;\n" + ("path,label\n" + LINES).replace(",", ";"),
    "upper case": "Path,LABEL\n" + LINES,
    "spaces": "path , label\n" + LINES.replace(",", " , "),
    "quotes": 'path,label\n"img/1.png","cat"\n"img/2.png",dog\n',
    "quotes after a space": 'path, label\nimg/1.png, "cat"\nimg/2.png, "dog"\n',
    "file names": "filename,class\n" + LINES,
    "backslashes": "path,label\n" + LINES.replace("/", "\\"),
    "pandas' index": ",path,label\n0,img/1.png,cat\n1,img/2.png,dog\n",
    "more columns": "id,label,width,path\n7,cat,20,img/1.png\n8,dog,30,img/2.png\n",
    "blank lines": "\npath,label\n\n" + LINES.replace("\n", "\n\n,\n"),
    "two names, one exact": "image,path,label\nx,img/1.png,cat\ny,img/2.png,dog\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_read_whoever_wrote_it(tmp_path: Path, form: str, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes(FORMS[form].encode(encoding))
    assert read_table(tmp_path / "t.csv") == ROWS


@pytest.mark.parametrize(
    ("name", "split"),
    [("dev", "val"), ("Valid", "val"), ("TRAIN", "train"), ("train_set", "train"), ("", None)],
)
def test_splits_go_by_their_usual_names(tmp_path: Path, name: str, split: str | None) -> None:
    (tmp_path / "t.csv").write_text(f"path,label,subset\na.png,x,{name}\n")
    assert read_table(tmp_path / "t.csv") == [Row("a.png", "x", split)]


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        (["10", "2", "2"], ("2", "10"), [1, 0, 0]),
        (["0.0", "1.0", "1.0"], ("0", "1"), [0, 1, 1]),
        (["1.5", "10", "2"], ("1.5", "10", "2"), [0, 1, 2]),
        (["cat", "10", "2"], ("10", "2", "cat"), [2, 0, 1]),
    ],
)
def test_whole_numbers_are_ordered_as_numbers(
    tmp_path: Path, labels: list[str], classes: tuple[str, ...], indices: list[int]
) -> None:
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"x.png,{x}\n" for x in labels))
    data = open_data(tmp_path / "t.csv")
    assert data.classes == classes and data.splits["all"].labels.tolist() == indices


def test_numbers_are_places_in_classes_txt(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\nx.png,1\ny.png,0.0\n")
    (tmp_path / "classes.txt").write_bytes("\ufeffcat\r\ndog\r\n".encode())
    data = open_data(tmp_path / "t.csv")
    assert data.classes == ("cat", "dog") and data.splits["all"].labels.tolist() == [1, 0]


@pytest.mark.parametrize("label", ["-1", "1.5", "", "cat", "1e3", "9" * 30, "٣"])
def test_other_labels_are_no_numbers(label: str) -> None:
    assert whole(label) is None


def test_a_file_named_with_a_backslash_stays_one(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a\\b.png")
    (tmp_path / "t.csv").write_text("path,label\na\\b.png,x\nc\\d.png,x\n")
    assert [row.path for row in read_table(tmp_path / "t.csv")] == ["a\\b.png", "c/d.png"]


def test_our_own_tables_come_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (4, 4)).save(tmp_path / name)
    rows = [{"path": name, "label": "=1+1"}, {"path": "-x.png", "label": "a\rb"}]
    (tmp_path / "t.csv").write_bytes(csv_text(rows).encode("utf-8", "surrogateescape"))
    assert read_table(tmp_path / "t.csv") == [Row(name, "=1+1", None), Row("-x.png", "a\rb", None)]


@pytest.mark.parametrize("row", ["caf\xe9.png,x", "x.png,caf\xe9"])
def test_another_encoding_is_refused_with_the_way_out(tmp_path: Path, row: str) -> None:
    (tmp_path / "t.csv").write_bytes(f"path,label\na.png,x\n{row}\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.csv: not a CSV file in UTF-8 \(line 3.*iconv"):
        read_table(tmp_path / "t.csv")


def test_two_columns_that_could_be_meant_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,image,label\na,b,c\n")
    with pytest.raises(InputError, match="which column\\? file, image;"):
        read_table(tmp_path / "t.csv")


def test_a_table_that_is_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: "):
        open_data(tmp_path / "t.csv")

"""Text from outside: every encoding a user's programs write, and nothing in it that acts."""

import csv
import io
import json
import os
import unicodedata

import pytest

from inception.errors import InputError
from inception.text import csv_line, csv_text, csv_value, decoded, json_text, shown

ACTING = [chr(n) for n in range(0x3000) if unicodedata.category(chr(n)) in ("Cc", "Zl", "Zp")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cat, [other] 狗 собака 👩\u200d🚒", "cat, [other] 狗 собака 👩\u200d🚒"),
        ("new\nline\ttab", r"new\nline\ttab"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("gpj\u202e.exe", r"gpj\u202e.exe"),  # would be shown from right to left
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, line: str) -> None:
    assert shown(text) == shown(shown(text)) == line


def test_no_control_sign_is_ever_shown() -> None:
    assert len(ACTING) == 67
    assert shown("".join(ACTING)).isprintable()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_a_text_is_read_in_the_encoding_it_announces(encoding: str) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    assert decoded((mark + "café\nсобака").encode(encoding), "x") == "café\nсобака"


@pytest.mark.parametrize("data", ["a\nb\ncafé".encode("latin-1"), "a\nb\n“x”".encode("cp1252")])
def test_a_text_in_another_encoding_is_refused_with_its_line(data: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.txt: not a text file in UTF-8 \(line 3, byte 0x"):
        decoded(data, "x.txt")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_no_formula_and_comes_back(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text([{"path": text, "n": -1}]), newline=""))
    cell = row["path"]
    assert cell[0] == "'" and csv_value(cell) == text
    assert row["n"] == "-1"  # numbers stay numbers


def test_columns_that_only_some_rows_have_are_empty_in_the_others() -> None:
    assert csv_text([{"a": 1, "b": 2}, {"a": 3, "c": 4}]) == "a,b,c\n1,2,\n3,,4\n"
    assert csv_text([]) == ""


@pytest.mark.parametrize("text", ["'quoted", "", "a=1", "it's", "'"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert next(csv.reader([csv_line([text, 1])])) == [text, "1"] and csv_value(text) == text


@pytest.mark.parametrize("into", ["utf-8", "ascii", "cp1252"])
@pytest.mark.parametrize("name", ["собака", os.fsdecode(b"caf\xe9"), "\x9b2J", "a\nb", "plain"])
def test_json_can_be_written_and_read_back_anywhere(name: str, into: str) -> None:
    text = json_text({"label": name}, indent=1, into=into)
    assert json.loads(text.encode(into)) == {"label": name}
    assert all(shown(line) == line for line in text.split("\n"))


def test_json_keeps_letters_where_it_can() -> None:
    assert json_text("собака") == '"собака"'

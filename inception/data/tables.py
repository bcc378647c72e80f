"""Labels in a CSV file, as Excel, pandas and people write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from inception.data.splits import split_of
from inception.errors import InputError
from inception.files import read_bytes
from inception.text import csv_value, decoded

COLUMNS = {  # the names a column goes by, in any case
    "path": ("path", "filename", "file", "file_name", "filepath", "file_path", "image",
             "image_path", "image_name", "img", "img_path"),
    "label": ("label", "labels", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset", "partition"),
}  # fmt: skip
SEPARATORS = ",;\t|"
WHOLE = re.compile(r"(\d{1,18})(?:\.0*)?", re.ASCII)


class Row(NamedTuple):
    """A picture in the table; ``split`` is None where the table has none."""

    path: str
    label: str
    split: str | None


def read_table(place: Path) -> list[Row]:
    """The rows of a CSV file under a header, ``path,label[,split]``.

    Separated by comma, semicolon, tab or bar; columns in any order, more of them are not read;
    a path may be written with backslashes. Where all labels are whole numbers, ``1.0`` is ``1``.

    Raises:
        InputError: what is wrong, with its line.
    """
    text = _text(place)
    try:
        rows = list(_rows(place, text))
    except csv.Error as error:
        raise InputError(f"{place}: not a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise InputError(f"{place}: no pictures listed")
    numbers = [whole(row.label) for row in rows]
    if None in numbers:
        return rows
    return [row._replace(label=str(n)) for row, n in zip(rows, numbers, strict=True)]


def whole(label: str) -> int | None:
    """The number that a label is, from 0; ``3`` and ``3.0`` are, ``3.5`` and ``cat`` are not."""
    found = WHOLE.fullmatch(label)
    return int(found[1]) if found else None


def _text(place: Path) -> str:
    """The table's text; names of files that are no UTF-8 may stand in it as they are."""
    try:
        data = read_bytes(place)
    except OSError as error:
        raise InputError(f"{place}: {error.strerror or error}") from error
    try:
        return decoded(data, place, kind="CSV file")
    except InputError:
        text = data.decode("utf-8", "surrogateescape")
        for row in _rows(place, text):
            if not _is_utf8(row.label) or not (_is_utf8(row.path) or _exists(place, row.path)):
                raise
        return text


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _exists(place: Path, path: str) -> bool:
    try:
        return (place.parent / path).exists()
    except ValueError:  # a NUL
        return False


def _rows(place: Path, text: str) -> Iterator[Row]:
    text = re.sub(r"\Asep=.(?=[\r\n])", "", text)  # Excel's first line
    header, separator = _header(place, text)
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
    named = False
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if not named:
            named = True
            continue
        where = f"{place}, line {reader.line_num}"
        values = {name: cells[i].strip() if i < len(cells) else "" for name, i in header.items()}
        if not (values["path"] and values["label"]):
            raise InputError(f"{where}: a path and a label are needed")
        path, label = csv_value(values["path"]), csv_value(values["label"])
        yield Row(_with_slashes(place, path), label, _split(where, values.get("split")))


def _header(place: Path, text: str) -> tuple[dict[str, int], str]:
    """Which column is what, and what separates them."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), None)
    for separator in SEPARATORS if first else "":
        names = [n.strip().lower() for n in next(csv.reader([first or ""], delimiter=separator))]
        found = {
            column: [i for i, name in enumerate(names) if name in known]
            for column, known in COLUMNS.items()
        }
        if found["path"] and found["label"]:
            columns = {column: _only(place, names, at) for column, at in found.items() if at}
            return columns, separator
    there = None if first is None else next(csv.reader([first.strip()]))
    raise InputError(
        f"{place}: the first line must name the columns path,label[,split]; found {there}"
    )


def _only(place: Path, names: Sequence[str], found: Sequence[int]) -> int:
    exact = [i for i in found if names[i] in COLUMNS] or list(found)
    if len(exact) > 1:
        several = ", ".join(names[i] for i in exact)
        raise InputError(f"{place}: which column? {several}; call one of them path or label")
    return exact[0]


def _split(where: str, name: str | None) -> str | None:
    if not name:
        return None
    split = split_of(name)
    if split is None:
        raise InputError(f"{where}: split is train, val or test; got {name!r}")
    return split


def _with_slashes(place: Path, path: str) -> str:
    r"""Windows' ``cats\\1.jpg`` as ``cats/1.jpg``, unless there is a file of just that name."""
    return path.replace("\\", "/") if "\\" in path and not _exists(place, path) else path

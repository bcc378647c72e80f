"""Text from outside: read in whatever encoding it has, shown so that it cannot act."""

from __future__ import annotations

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inception.errors import InputError

BOMS = {  # what a file in another encoding begins with; the longer ones first
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories that move, hide or break a line
JOINERS = "\u200c\u200d"  # within words of Persian and Hindi, and in emoji
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula's beginning


def shown(text: object) -> str:
    r"""The text on one line, escapes in place of what a terminal would obey: ``\n``, ``\x1b``.

    A byte of a file's name that is no UTF-8 appears as ``\xe9``. What is shown twice is the same.
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_shown, line))


def _shown(sign: str) -> str:
    if unicodedata.category(sign) not in ACTING or sign in JOINERS:
        return sign
    if "\udc80" <= sign <= "\udcff":  # a byte that Python keeps as half a pair
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode()


def encoding(start: bytes) -> str:
    """The encoding a text's first bytes announce; UTF-8 where they say nothing."""
    return next((name for mark, name in BOMS.items() if start.startswith(mark)), "utf-8")


def decoded(data: bytes, name: object, *, kind: str = "text file") -> str:
    """A text in UTF-8, or in what its first bytes announce.

    Raises:
        InputError: it is in neither; the message names the line and how to mend it.
    """
    try:
        return data.decode(encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}: not a {kind} in UTF-8 (line {line}, byte 0x{data[error.start]:02x}); where "
            f"Windows wrote it: iconv -f cp1252 -t utf-8 {name} > new"
        ) from error


def json_text(value: Any, *, indent: int | None = None, into: str = "utf-8") -> str:
    """JSON with letters as they are, or escaped where one could act or ``into`` cannot hold it.

    Raises:
        InputError: a number in it is infinite or none, which JSON cannot say.
    """
    try:
        escaped = json.dumps(value, indent=indent, allow_nan=False)
    except ValueError as error:
        raise InputError(f"a result has a number that is infinite or none: {error}") from error
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(into)
    except UnicodeEncodeError:
        return escaped
    harmless = all(line.isprintable() or shown(line) == line for line in text.split("\n"))
    return text if harmless else escaped


def csv_line(cells: Iterable[Any]) -> str:
    """One row of a CSV; ``'`` stands before text that a spreadsheet would take for a formula."""
    row = [f"'{c}" if isinstance(c, str) and c.startswith(FORMULA) else c for c in cells]
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(row)  # so that it quotes a lone \r too
    return line.getvalue().removesuffix("\r\n") + "\n"


def csv_value(cell: str) -> str:
    """A cell as it was before ``csv_line``."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV under a line with their columns' names; nothing where there are none.

    A column that only some of them have is empty in the others.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [[row.get(name, "") for name in columns] for row in rows]
    return "".join(csv_line(cells) for cells in [columns, *lines] if cells)

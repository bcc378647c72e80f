"""Lines and a bar on one terminal: neither stands in the other's way."""

import os
import pty
import re
import subprocess
import sys

CODE = """
import sys, time
from inception.cli.printing import Printing
with Printing(True) as printer:
    for number in range(3):
        printer.move("going", number, 3, "a while left")
        time.sleep(0.15)
        printer.line(f"line {number}")
        printer.warning(f"odd {number}")
    printer.stopping = lambda: True
    time.sleep(0.3)
"""


def test_lines_stand_alone_on_a_terminal_and_the_bar_is_gone() -> None:
    raw = on_a_terminal(CODE)
    assert "going" in raw and "stopping, to save what there is" in raw
    told = [f"{what} {number}" for number in range(3) for what in ("line", "inception: odd")]
    assert [line for line in screen(raw) if line] == told


def on_a_terminal(code: str) -> str:
    """All that a program writes to one terminal, which is its standard output and error."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as program:
        os.close(theirs)
        raw = b""
        try:
            while piece := os.read(ours, 4096):
                raw += piece
        except OSError:  # the terminal's other end is closed
            pass
        assert program.wait() == 0
    os.close(ours)
    return raw.decode()


def screen(raw: str) -> list[str]:
    """The rows that a terminal shows in the end: returns, line feeds, erased lines, cursor up."""
    rows, row, column = [""], 0, 0
    for found in re.finditer(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b])", raw):
        number, command, back, down, text = found.groups()
        if back:
            column = 0
        elif down:
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif command == "A":
            row -= int(number or 1)
        elif command == "K":
            rows[row] = ""
        elif text:
            rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in rows]

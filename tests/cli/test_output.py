"""What commands print: one way out for every name, in any encoding, into any pipe."""

import ast
import errno
import io
import os
import sys
from pathlib import Path

import pytest

from inception import cli
from inception.cli.output import console, say, table
from inception.errors import InputError

COMMANDS = sorted(Path(cli.__file__).parent.glob("*.py"))
ODD = ["[/]", "scratch [/side]", "[red]", ":smile:", "\x1b[31mred", os.fsdecode(b"caf\xe9"), "a\nb"]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_every_command_prints_by_say_or_console(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8")))
             if isinstance(node, ast.Call)]  # fmt: skip
    printing = [ast.unparse(call) for call in calls if ast.unparse(call) in ("print", "typer.echo")]
    allowed = {"output.py": 2, "__init__.py": 2}  # the printers themselves, and the one-line errors
    assert len(printing) == allowed.get(path.name, 0)


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_printed_as_it_is_and_cannot_act(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = console()
    out.print(table(["class", "n"], [[name, "1"]]))
    out.print(f"{name.replace(chr(10), '')}: 1")
    say(f"{name}: 1")
    text = capsys.readouterr().out
    assert "\x1b" not in text and text.isascii() | ("─" in text)
    wanted = name.encode("unicode_escape").decode().replace("\\udce9", "\\xe9")
    assert text.count(wanted) == 3 - ("\n" in name)


class Raises(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "o.csv"), 2,
         "cannot write o.csv: No space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2,
         "cannot write the output: Disk quota exceeded"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (InputError("no such\x1b[2J file:\n x"), 2, r"no such\x1b[2J file: x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("when", ["in the command", "at the last flush"])
def test_what_ends_the_output_is_one_line_or_none(
    error: Exception,
    status: int,
    line: str,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def app(**how: object) -> int:
        if when == "in the command":
            raise error
        return 0

    monkeypatch.setattr(cli, "app", app)
    if when == "at the last flush":
        monkeypatch.setattr(sys, "stdout", Raises(error))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status
    assert capsys.readouterr().err == (f"inception: {line}\n" if line else "")


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize("arguments", [["--version"], ["models"], ["models", "--json", "-"], []])
def test_a_reader_that_leaves_ends_every_command_quietly(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inception", *arguments])
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # Typer wraps both
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0 and capsys.readouterr().err == ""


def test_another_failure_of_the_system_is_a_bug_and_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def app(**how: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(PermissionError):
        cli.main()

"""The command line as its users type it, but in this process: starting another takes seconds."""

import io
import sys
import warnings
from subprocess import CompletedProcess

import pytest

from inception.cli import main


def run(*arguments: str, input: str = "") -> CompletedProcess[str]:
    """What ``inception ARGUMENTS`` prints and how it ends; neither stream is a terminal."""
    streams = {"stdout": _stream(), "stderr": _stream(), "stdin": _stream(input)}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", ["inception", *arguments])
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            main()
    told = [_text(streams[name]) for name in ("stdout", "stderr")]
    return CompletedProcess(arguments, int(ended.value.code or 0), *told)


def fails(*arguments: str) -> str:
    """The one line of a caller's mistake."""
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("inception: ")
    return lines[0]


def _stream(content: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content.encode()), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]

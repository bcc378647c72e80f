"""What every command that takes long prints by."""

import signal

import pytest

from inception.cli import output, printing
from inception.cli.printing import Printing


class Closed:
    def print(self, text: str, style: str | None = None) -> None:
        raise BrokenPipeError


def test_a_reader_that_leaves_asks_to_stop_so_that_what_runs_is_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(printing, "give_up_output", lambda: None)
    monkeypatch.setattr(printing, "console", Closed)
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        Printing(True).row({"epoch": "1"})
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked == [signal.SIGINT, signal.SIGINT]  # the header and the row


def test_a_header_stands_above_the_first_row_of_each_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = Printing(True)
    for number in range(2):
        printer.row({"epoch": str(number), "loss": "0.5"}, "  best")
    printer.restart()
    printer.row({"epoch": "2"})
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told == [
        ["epoch", "loss"], ["0", "0.5", "best"], ["1", "0.5", "best"], ["epoch"], ["2"],
    ]  # fmt: skip


def test_a_slow_rate_keeps_a_digit() -> None:
    told = [output.per_second(count) for count in (0.4466, 9.94, 10.2, 1234.5)]
    assert told == ["0.4", "9.9", "10", "1234"]

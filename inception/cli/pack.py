"""``inception data pack`` and ``inception data split``: data sets out of data sets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from inception.cli.grouped import MACHINE
from inception.cli.output import JsonOption, MaxPixelsOption, QuietOption, ThreadsOption, say

DataArgument = Annotated[str, typer.Argument(help="Folder, tar shards, parquet or CSV.")]


def pack(
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where shards go; a data set itself.")],
    per_shard: Annotated[
        int, typer.Option(min=1, metavar="N", help="At most so many pictures in one shard.")
    ] = 5_000,
    resize: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PX", help="Make shorter sides above PX that long; those become JPEG."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order.")] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that write.", rich_help_panel=MACHINE)
    ] = 1,
    share: Annotated[
        str,
        typer.Option(
            metavar="I/N",
            help="Write only every N-th shard, from the I-th (1 to N): one command a machine.",
            rich_help_panel=MACHINE,
        ),
    ] = "1/1",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Writes a data set as shuffled tar shards.

    Run again after a stop it goes on. Exit status 1 where pictures could not be read.
    """
    from inception.cli.output import write_json
    from inception.data.datasets import open_data
    from inception.data.packing import Packing, pack
    from inception.machine import available_cores

    part, parts = _share(share)
    threads = threads or max(1, available_cores() // workers)
    if workers > 1:
        shares = [f"{part * workers + i + 1}/{parts * workers}" for i in range(workers)]
        options = {"per-shard": per_shard, "resize": resize, "seed": seed,
                   "max-pixels": max_pixels, "threads": threads}  # fmt: skip
        told = [f"--{name}={value}" for name, value in options.items() if value is not None]
        _together(["pack", data, "--out", str(out), *told, "--quiet"], shares)
    how = Packing(per_shard, resize, seed)
    with _Bar(quiet or json == "-") as bar:
        packed = pack(open_data(data), out, how, threads=threads, share=(part, parts), done=bar)
    write_json(packed.to_json(), json)
    for path, reason in packed.unreadable:
        say(f"left out: {path}: {reason}", err=True)
    if json != "-" and not quiet:
        say(f"{packed}: {out}")
    return 1 if packed.unreadable else 0


def _share(text: str) -> tuple[int, int]:
    from inception.errors import InputError

    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number) - 1, int(count)
    raise InputError(f"--share is I/N, 1/8 to 8/8 for example; got {text!r}")


def _together(arguments: Sequence[str], shares: Sequence[str]) -> None:
    """Runs a command once for each share, in processes of their own; one that fails ends all."""
    from inception.errors import InputError

    command = [sys.executable, "-m", "inception", "data", *arguments]
    running = [
        subprocess.Popen(
            [*command, f"--share={share}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )
        for share in shares
    ]  # fmt: skip
    try:
        for process in running:
            told = process.communicate()[1].strip().splitlines()
            if process.returncode not in (0, 1):  # 1: pictures left out, which are told at the end
                gone = f"a worker was killed (signal {-process.returncode}); run it again to go on"
                raise InputError(told[-1].removeprefix("inception: ") if told else gone)
    finally:
        for process in running:
            with process:  # waits, and closes its pipe
                process.kill()


class _Bar:
    """Progress in pictures."""

    def __init__(self, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        from inception.cli.output import progress

        self.progress = progress(
            TextColumn("packing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            quiet=quiet,
        )  # fmt: skip
        self.task = self.progress.add_task("packing", total=None)

    def __enter__(self) -> _Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, done: int, total: int) -> None:
        self.progress.update(self.task, completed=done, total=total)


def split(
    data: Annotated[str, typer.Argument(help="Folder or CSV of pictures without splits.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table, a data set: NAME.csv.")],
    val: Annotated[
        float, typer.Option(min=0, max=1, help="Share to validate on, of each class.")
    ] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share to test on.")] = 0.1,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Keep pictures together in whose paths it finds the same (its first bracket).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws.")] = 0,
    threads: ThreadsOption = None,
    json: JsonOption = None,
) -> None:
    """Divides pictures into train, val and test.

    Every class in its share; equal pictures, and those of a group, stay together.
    """
    from inception.cli.output import write_json
    from inception.data.datasets import open_data
    from inception.data.splitting import split_data, write_split
    from inception.errors import InputError
    from inception.machine import available_cores

    if not val + test < 1:
        raise InputError(f"--val {val:g} and --test {test:g} leave nothing to train on")
    shares = {"train": 1 - val - test, "val": val, "test": test}
    wanted = {name: share for name, share in shares.items() if share > 0}
    opened = open_data(data)
    rows = split_data(opened, wanted, group=group, seed=seed, threads=threads or available_cores())
    write_split(opened, rows, out)
    counts = {name: len(own) for name, own in rows.items()}
    write_json(counts, json)
    if json != "-":
        say(f"{', '.join(f'{n} {count:,}' for n, count in counts.items())}: {out}")

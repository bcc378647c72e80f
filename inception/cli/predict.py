"""``inception predict``."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Protocol, TextIO

import typer

from inception.cli.exits import print_answered
from inception.cli.grouped import MACHINE, OUTPUT
from inception.cli.output import (
    BatchOption,
    CropsOption,
    DeviceOption,
    EngineOption,
    ExitOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.cli.parts import RAY, PartsOption, WorkersOption, predict_in_parts
from inception.text import csv_line, encoding, json_text, shown

if TYPE_CHECKING:
    from inception.pictures import Item
    from inception.predictor import Prediction, Predictor

LONGEST_STEM = 100  # letters of a picture's name in that of the one with its label
WEIGHTS = {  # endings of other programs' models
    *(".bin", ".caffemodel", ".ckpt", ".h5", ".hdf5", ".index", ".keras", ".meta", ".npz"),
    *(".pb", ".pickle", ".pkl", ".pt", ".pth", ".t7", ".tflite"),
}

FastDecodeOption = Annotated[
    bool,
    typer.Option(
        "--fast-decode",
        help="Decode large JPEG files at a fraction of their size: three times as fast at 12 "
        "megapixels. Probabilities changed by 0.002 on average there, by 0.016 at most.",
        rich_help_panel=MACHINE,
    ),
]
CsvOption = Annotated[
    str | None,
    typer.Option(
        "--csv", metavar="FILE", help="Write CSV; - prints only that.", rich_help_panel=OUTPUT
    ),
]

LinesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Write JSON lines; - prints only those.", rich_help_panel=OUTPUT
    ),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write each picture there with its label drawn above it.",
        rich_help_panel=OUTPUT,
    ),
]


def predict(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] PATH",
            help="A .safetensors file, a run's or an ensemble's folder (cats-and-dogs where left "
            "out), then pictures: files, folders, globs, tars, or - for a list of files "
            "on standard input.",
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Classes to give for each picture.")] = 5,
    crops: CropsOption = 1,
    exit_confidence: ExitOption = None,
    engine: EngineOption = "auto",
    batch_size: BatchOption = 32,
    fast_decode: FastDecodeOption = False,
    csv_file: CsvOption = None,
    json: LinesOption = None,
    save: SaveOption = None,
    out: PartsOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    max_pixels: MaxPixelsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Classifies pictures. Exit status 1 where some could not be read."""
    from inception.errors import InputError
    from inception.predictor import Predictor

    if json == "-" and csv_file == "-":
        raise InputError("only one of --json and --csv can go to standard output")
    model, paths = _model_and_paths(arguments)
    if out is not None or engine == RAY or workers:
        alone = not (csv_file or json or save) and exit_confidence is None
        return predict_in_parts(
            (model, tuple(_pictures(paths)), out, top, crops, engine, device, batch_size, threads,
             fast_decode), workers, alone=alone, quiet=quiet,
        )  # fmt: skip
    predictor = Predictor(
        model, engine, device=device, crops=crops, batch_size=batch_size, threads=threads,
        exit_confidence=exit_confidence, fast_decode=fast_decode,
    )  # fmt: skip
    if model not in arguments:
        say(f"no MODEL given: taking {model}, which comes with inception", err=True)
    with ExitStack() as files:
        writers = _writers(predictor, top, csv_file, json, quiet, files)
        pictures: Iterator[Any] = _pictures(paths)
        if save is not None:
            saving = _PictureWriter(save)
            pictures = saving.watched(pictures)
            writers.append(saving)
        done, unreadable = _write(predictor.stream(pictures, top=top), writers)
    if exit_confidence is not None and not quiet:
        print_answered(predictor.engine)
    if unreadable:
        say(f"{unreadable} of {done} pictures could not be read", err=True)
    return 1 if unreadable else 0


def _writers(
    predictor: Predictor,
    top: int,
    csv_file: str | None,
    json: str | None,
    quiet: bool,
    files: ExitStack,
) -> list[_Writer]:
    writers: list[_Writer] = []
    if csv_file is not None:
        writers.append(_CsvWriter(_opened(csv_file, files), min(top, len(predictor.classes))))
    if json is not None:
        writers.append(_JsonWriter(_opened(json, files)))
    if "-" not in (csv_file, json) and not quiet:
        writers.append(_TableWriter(predictor.classes))
    return writers


def _write(predictions: Iterable[Prediction], writers: Sequence[_Writer]) -> tuple[int, int]:
    """Hands each prediction to the writers; gives how many there were, and were unreadable."""
    done, unreadable = 0, 0
    for prediction in predictions:
        done += 1
        if prediction.error is not None:
            unreadable += 1
            say(f"unreadable: {prediction.path}: {prediction.error}", err=True)
        for writer in writers:
            writer.write(prediction)
    return done, unreadable


def _model_and_paths(arguments: list[str]) -> tuple[str, list[str]]:
    """The MODEL and the pictures; the shipped model where the first argument is one of those."""
    from inception.errors import InputError
    from inception.pictures import check_paths
    from inception.prediction import SHIPPED, find_members, find_model, is_model

    model, paths = arguments[0], arguments[1:]
    if not is_model(model):
        _check_pictures(model)
        model, paths = SHIPPED, arguments
        check_paths(path for path in paths if path != "-")
    for member in find_members(model):
        find_model(member)
    if not paths:
        raise InputError(f"no pictures given: inception predict {model} PICTURES")
    check_paths(path for path in paths if path != "-")
    return model, paths


def _check_pictures(name: str) -> None:
    """Raises ``InputError`` for a first argument that is neither MODEL nor pictures."""
    from inception.data.images import EXTENSIONS
    from inception.data.tars import COMPRESSED
    from inception.errors import InputError, command
    from inception.pictures import is_address
    from inception.remote import is_remote

    path = Path(name)
    ending = path.suffix.lower()
    if (
        name == "-"
        or is_address(name)
        or is_remote(name)
        or path.is_dir()
        or ending in (*EXTENSIONS, *COMPRESSED, ".tar")
    ):
        return
    if any(sign in name for sign in "*?[") or (path.exists() and not ending):
        return
    if not path.exists():
        raise InputError(
            f"no such model, nor such file or folder: {name}; `inception weights list` has tags"
        )
    if ending in WEIGHTS:
        convert = command("weights", "convert", name, "--as")
        raise InputError(
            f"{name} is another program's model; make it ours first: {convert} NETWORK --out "
            f"{path.stem}.safetensors"
        )
    raise InputError(f"{name} is neither a MODEL nor a picture; for a list of files use -")


def _pictures(paths: list[str]) -> Iterator[str]:
    for path in paths:
        if path == "-":
            yield from listed(sys.stdin.buffer)
        else:
            yield path


def listed(file: BinaryIO) -> Iterator[str]:
    """The names in a list, one a line, in UTF-8, UTF-16 or bytes of their own."""
    first = file.readline()
    lines: Iterable[bytes] = chain([first.removeprefix(codecs.BOM_UTF8)], file)
    if not (announced := encoding(first)).startswith("utf-8"):
        whole = (first + file.read()).decode(announced, "replace")
        lines = (os.fsencode(line) for line in whole.splitlines())
    for line in lines:
        if name := os.fsdecode(line).rstrip("\r\n"):
            yield name


def _opened(name: str, files: ExitStack) -> TextIO:
    from inception.errors import InputError

    if name == "-":
        return sys.stdout
    try:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = io.BufferedWriter(_Named(path, "w"))
    except OSError as error:
        raise InputError(f"cannot write {name}: {error.strerror}") from error
    return files.enter_context(
        io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="")
    )


class _Named(io.FileIO):
    """A file whose name is in what is raised where it can hold no more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.name
            raise


class _Writer(Protocol):
    def write(self, prediction: Prediction) -> None: ...


class _TableWriter:
    """A line a picture as soon as it is known: the best class, the next ones, the path."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.width = min(max(len(name) for name in classes), 30)

    def write(self, prediction: Prediction) -> None:
        if prediction.error is not None:
            return
        best, *others = prediction.top
        rest = ", ".join(f"{t.label} {100 * t.probability:.1f} %" for t in others)
        line = f"{best.label:<{self.width}} {100 * best.probability:5.1f} %  {prediction.path}"
        say(f"{line}  ({rest})" if rest else line)


class _PictureWriter:
    """Pictures with their labels, JPEG files in a folder: each is read again, so none is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.waiting: deque[Item] = deque()

    def watched(self, pictures: Iterable[str]) -> Iterator[Item]:
        """Remembers what goes to the network, until its answer comes, in the same order."""
        from inception.pictures import named

        for item in named(pictures):
            self.waiting.append(item)
            yield item

    def write(self, prediction: Prediction) -> None:
        from PIL import Image

        from inception.drawing import captioned
        from inception.files import replacing
        from inception.pictures import read

        item, self.number = self.waiting.popleft(), self.number + 1
        if prediction.error is not None:
            return
        best, *others = (f"{t.label} {100 * t.probability:.1f} %" for t in prediction.top)
        made = captioned(read(item), *map(shown, [best, *([", ".join(others)] if others else [])]))
        stem = Path(item.path).stem[:LONGEST_STEM]
        with replacing(self.folder / f"{self.number:05d}-{stem}.jpg") as beside:
            Image.fromarray(made).save(beside, "JPEG", quality=92)


class _JsonWriter:
    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, prediction: Prediction) -> None:
        into = self.file.encoding or "utf-8"
        self.file.write(json_text(prediction.to_json(), into=into) + "\n")


class _CsvWriter:
    def __init__(self, file: TextIO, top: int) -> None:
        self.file = file
        ranks = range(1, top + 1)
        names = [name for rank in ranks for name in (f"label_{rank}", f"probability_{rank}")]
        self.file.write(csv_line(["path", *names, "error"]))
        self.top = top

    def write(self, prediction: Prediction) -> None:
        cells = [cell for t in prediction.top for cell in (t.label, f"{t.probability:.6f}")]
        cells += [""] * (2 * self.top - len(cells))
        self.file.write(csv_line([prediction.path, *cells, prediction.error or ""]))

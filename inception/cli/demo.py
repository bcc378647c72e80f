"""``inception demo``: the main job on real handwritten digits, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.output import say
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.predictor import Prediction

TARGET = 0.97  # test top-1 below which the demo has failed
END = """\
  model.safetensors  the trained network, with its classes and preprocessing inside
  curves.png         losses and accuracy by epoch
  confusion.png      which digits it takes for which
  metrics.csv        the same as numbers

Now your own pictures, in folders named after their classes:
  inception data check PICTURES
  inception train PICTURES --image-size 96 --epochs 10
  inception predict runs/NAME photo.jpg"""
INK = " .:-=+*#%@"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for pictures and run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> int:
    """Trains, evaluates and predicts on scikit-learn's digits."""
    from inception.cli.evaluate import print_evaluation
    from inception.cli.members import Asked
    from inception.cli.train import trained
    from inception.evaluation.evaluate import evaluate
    from inception.reproduce.digits import SETTINGS, write_digits
    from inception.training.recipes import recipe

    data, run = out / "digits", out / "run"
    _clear(run, data)
    count = write_digits(data)
    say(f"1. {count:,} handwritten digits of 8x8 pixels, as a user has them: {data}")
    say("", "2. training GoogLeNet, in its form for small pictures, on three fifths of them")
    config = recipe("default").with_settings([f"seed={seed}", *SETTINGS])
    if status := trained(Asked(str(data), config, out=str(run))):
        return status
    say("", "3. evaluating on the fifth it never saw")
    result = evaluate(run, data, split="test")
    print_evaluation(result)
    say("", "4. predicting the first test picture of each digit")
    show_predictions(run, data / "test")
    print_end(data, run)
    return 0 if result.top1_accuracy >= TARGET else 1


def _clear(run: Path, data: Path) -> None:
    """Takes away an earlier demo's run; whatever else lies there stays."""
    from inception.training.folder import RUN_FILES, is_run
    from inception.training.records import read_start

    if not run.exists():
        return
    if not is_run(run) or Path(read_start(run).place) != data.resolve():
        raise InputError(f"{run} is not an earlier demo's run, and stays; name another --out")
    for name in RUN_FILES:
        (run / name).unlink(missing_ok=True)


def show_predictions(run: Path, test: Path) -> None:
    """Prints the first picture of each digit, five in a row, with what the network says."""
    from inception.predictor import Predictor

    paths = [min((test / str(digit)).glob("*.png")) for digit in range(10)]
    predictions = Predictor(run).predict(paths, top=1)
    for row in (predictions[:5], predictions[5:]):
        drawn = [drawing(Path(p.path)) for p in row]
        for lines in zip(*drawn, strict=True):
            say("  ".join(lines))
        say("  ".join(f"{answer(p):<16}" for p in row), "")


def drawing(path: Path) -> list[str]:
    """A small grey picture in letters, two a pixel, dark pixels heavy."""
    from inception.data.images import read_image

    ink = 255 - read_image(path)[:, :, 0].astype(int)
    return ["".join(INK[value * (len(INK) - 1) // 255] * 2 for value in row) for row in ink]


def answer(prediction: Prediction) -> str:
    """``is 3, says 3 99 %`` of a picture in a folder named after its class."""
    best = prediction.top[0]
    return f"is {Path(prediction.path).parent.name}: {best.label} {100 * best.probability:.0f} %"


def print_end(data: Path, run: Path) -> None:
    """Says where everything lies and what to type next."""
    say(f"The pictures are in {data}, the run in {run}:", *END.splitlines())

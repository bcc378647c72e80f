"""``inception demo``: the main job on real handwritten digits, offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

# Every fifth picture validates, every fifth tests, the rest is learnt from
SPLITS = ("train", "train", "train", "val", "test")
TARGET = 0.97
SETTINGS = (
    "model=googlenet_small",
    "image_size=16",
    "epochs=8",
    "batch_size=32",
    "crop=1.0",
    "area=0.6,1.0",
    "mirror=false",  # a mirrored digit is no digit
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for pictures and run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> int:
    """Trains, evaluates and predicts on handwritten digits shipped with scikit-learn."""
    import shutil

    from inception.cli.evaluate import evaluate
    from inception.cli.predict import predict

    data, run = out / "digits", out / "run"
    write_digits(data)
    typer.echo(f"1. {len(list(data.rglob('*.png')))} handwritten digits, 8x8 pixels: {data}")
    shutil.rmtree(run, ignore_errors=True)
    typer.echo("2. training GoogLeNet, in its form for small pictures, on three fifths of them")
    if (status := _train(data, run, seed)) != 0:
        return status
    typer.echo("3. evaluating on the fifth it never saw")
    evaluate(str(run), str(data), split="test")
    typer.echo("4. predicting a few of them; the folder's name is the right answer")
    chosen = [sorted((data / "test" / str(digit)).glob("*.png"))[0] for digit in range(10)]
    predict([str(run), *map(str, chosen)], top=2)
    _print_end(out, run)
    return 0 if _test_accuracy(run, data) >= TARGET else 1


def write_digits(folder: Path) -> None:
    """Writes scikit-learn's digits as PNG files, ``folder/split/digit/number.png``."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        from inception.errors import InputError

        raise InputError("the demo needs scikit-learn: pip install 'inception[demo]'") from error
    digits = load_digits()
    _write_pictures(folder, digits.images, digits.target)


def _write_pictures(folder: Path, images: np.ndarray, labels: Sequence[int]) -> None:
    from PIL import Image

    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / SPLITS[number % len(SPLITS)] / str(label)
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * (255 / 16)).round().astype("uint8")  # they come as 0 to 16
        Image.fromarray(255 - pixels).save(place / f"{number:04d}.png")


def _train(data: Path, run: Path, seed: int) -> int:
    from inception.cli.train import train

    return train(str(data), set_=[*SETTINGS], out=str(run), seed=seed)


def _test_accuracy(run: Path, data: Path) -> float:
    from inception.evaluation.evaluate import evaluate

    return evaluate(run, data, split="test").top1_accuracy


def _print_end(out: Path, run: Path) -> None:
    typer.echo(f"""
The pictures are in {out / "digits"}, the run in {run}:
  model.safetensors  the trained network, with its classes and preprocessing inside
  curves.png         losses and accuracy by epoch
  confusion.png      which digits it takes for which
  metrics.csv        the same as numbers

Your own pictures, in folders named after their classes:
  inception data check PICTURES
  inception train PICTURES --image-size 96 --epochs 10
  inception predict runs/NAME photo.jpg""")

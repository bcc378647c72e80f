"""Corruptions beside their definitions, and the evaluation that goes through them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import run
from PIL import Image

from inception import evaluate
from inception.robustness.corruptions import (
    BASE,
    BLUR_PX,
    CORRUPTIONS,
    LIGHTER,
    NOISE,
    STRENGTHS,
    corrupted,
)

RNG = np.random.default_rng(0)


def square(side: int = 64) -> np.ndarray:
    """Smooth, as photographs mostly are, in all colours."""
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_strength_is_further_from_the_picture(kind: str) -> None:
    x = square(BASE)
    made = [corrupted(x, kind, s, np.random.default_rng(0)) for s in range(1, STRENGTHS + 1)]
    assert all(y.dtype == np.uint8 and y.shape == x.shape for y in made)
    off = [np.abs(y.astype(float) - x).mean() for y in made]
    assert off == sorted(off) and off[0] > 0


def test_noise_has_its_deviation() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    for strength in (1, 2):  # the stronger ones are cut off at black and white
        made = corrupted(grey, "noise", strength, np.random.default_rng(0))
        assert made.astype(float).std() / 255 == pytest.approx(NOISE[strength - 1], rel=0.02)


def test_blur_is_a_gaussian_s_that_grows_with_the_square() -> None:
    """Pillow's is three boxes, so within a few grey values of OpenCV's."""
    x = square(BASE // 2)
    for strength, sigma in enumerate(BLUR_PX, start=1):
        wanted = cv2.GaussianBlur(x, (0, 0), sigma / 2, borderType=cv2.BORDER_REPLICATE)
        made = corrupted(x, "blur", strength, RNG)
        assert np.abs(made.astype(float) - wanted).max() <= 6


def test_brightness_moves_the_value_of_opencv_s_hsv() -> None:
    x = square()
    for strength, more in enumerate(LIGHTER, start=1):
        hsv = cv2.cvtColor(x.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        hsv[..., 2] = np.minimum(hsv[..., 2] + more, 1)
        wanted = 255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        assert np.abs(corrupted(x, "brightness", strength, RNG) - wanted).max() <= 0.51


def test_the_command_tells_a_table_a_csv_and_a_plot(real_data: Path, tmp_path: Path) -> None:
    data, csv, plot = str(real_data / "dogs-vs-cats"), tmp_path / "c.csv", tmp_path / "c.png"
    words = ("evaluate", "cats-and-dogs", data, "--limit", "8", "--corruptions", "--threads", "1")
    done = run(*words, "--csv", str(csv), "--plot", str(plot), "--json", str(tmp_path / "c.json"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.split()][2:6] == list(CORRUPTIONS)
    assert " over all corruptions and strengths, on 8 pictures (val, " in " ".join(lines[-2:])
    assert len(csv.read_text().splitlines()) == 1 + len(CORRUPTIONS) * STRENGTHS
    with Image.open(plot) as drawn:
        assert drawn.size[0] > 500
    values = json.loads((tmp_path / "c.json").read_text())
    plain = evaluate("cats-and-dogs", data, limit=8, threads=1)
    assert values["clean_accuracy"] == plain.top1_accuracy
    assert values["clean"]["loss"] == pytest.approx(plain.loss, rel=1e-6)
    told = [row["top1_accuracy"] for row in values["corruptions"]]
    assert values["mean_accuracy"] == pytest.approx(np.mean(told))

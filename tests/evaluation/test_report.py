"""The page about errors: galleries, calibration, names that are no HTML."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inception.evaluation.evaluate import evaluate
from inception.evaluation.metrics import calibration_bins
from inception.evaluation.report import Witness, write_report


def test_calibration_by_hand() -> None:
    confidence = np.array([0.95, 0.92, 0.55, 0.58, 0.51])
    right = np.array([True, False, True, True, False])
    bins = calibration_bins(confidence, right, bins=10)
    assert bins.images.tolist() == [3, 2]
    assert bins.confidence.tolist() == pytest.approx([0.54666667, 0.935])
    assert bins.accuracy.tolist() == pytest.approx([2 / 3, 0.5])
    assert bins.error == pytest.approx(0.6 * (2 / 3 - 0.54666667) + 0.4 * (0.935 - 0.5))


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert calibration_bins(np.array([1.0]), np.array([True])).images.tolist() == [1]


def test_the_page_shows_every_wrong_picture_worst_first(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    witness = Witness()
    result = evaluate(make_model(3), odd_pictures, observe=witness.see)
    page = write_report(tmp_path / "report", result, witness).read_text("utf-8")
    wrong = [s for s in witness.seen if s.wrong]
    assert len(witness.seen) == 21
    assert len(wrong) == round(21 * (1 - result.top1_accuracy))
    highest = page.split("Highest losses</h2>")[1].split("<h2>")[0]
    assert highest.count("<figure>") == len(wrong)
    losses = [float(part.split("<br>")[0]) for part in highest.split("<br>loss ")[1:]]
    assert losses == sorted(losses, reverse=True)
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "report" / name).stat().st_size > 1000
        assert name in page
    assert len(list((tmp_path / "report" / "pictures").iterdir())) == len(wrong)


def test_a_page_in_another_set_s_folder_shows_its_own_pictures(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    model, pages = make_model(3), []
    for _ in range(2):
        witness = Witness()
        result = evaluate(model, odd_pictures, observe=witness.see)
        page = write_report(tmp_path / "report", result, witness).read_text("utf-8")
        pages.append(re.findall(r'src="(pictures/[^"]+)"', page))
        for picture in odd_pictures.rglob("*.*"):
            if picture.is_file():
                Image.new("RGB", (30, 30), (1, 2, 3)).save(picture)
    shown = [np.asarray(Image.open(tmp_path / "report" / name)) for name in pages[1]]
    assert shown and all(np.abs(each.astype(int) - (1, 2, 3)).max() < 8 for each in shown)
    assert not set(pages[0]) & set(pages[1])


def test_names_of_classes_and_files_are_no_html(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    hostile = "<script>x</script>"
    (odd_pictures / "blue").rename(odd_pictures / hostile.replace("/", ""))
    classes = [hostile.replace("/", ""), "green", "black", "red", "grey", "white", "pink"]
    witness = Witness()
    result = evaluate(make_model(3, classes=classes), odd_pictures, observe=witness.see)
    page = write_report(tmp_path / "report", result, witness).read_text("utf-8")
    assert "<script" not in page
    assert classes[0] in unescape(page)

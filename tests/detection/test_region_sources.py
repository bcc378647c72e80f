"""What proposes the regions of a detector: Selective Search, a MultiBox, or both."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from small_detectors import small_detector, write_detector

from inception.detection import multibox
from inception.detection.datasets import open_detection
from inception.detection.multibox import Proposer
from inception.detection.multibox_training import HeadSettings, train_multibox
from inception.detection.predictor import DetectionPredictor
from inception.detection.proposals import (
    SelectiveSearch,
    as_searched,
    proposed_in,
    search,
    search_small,
    union,
)
from inception.detection.sources import Source, create_source, joined
from inception.errors import InputError
from inception.serving import workshop
from inception.serving.batching import Batching
from inception.serving.detector import ServedDetector
from inception.serving.shelf import open_model
from inception.serving.uploads import Upload
from inception.serving.workshop import EngineChoice, Workshop

pytestmark = pytest.mark.usefixtures("quick_search")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return write_detector(folder / "model.safetensors", small_detector(classes=("green", "red")))


@pytest.fixture(scope="module")
def learnt(squares: Path, classifier: Path) -> Iterator[Path]:
    """A MultiBox of five boxes that has learnt next to nothing."""
    path = classifier.with_name("multibox.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multibox, "SIZE", 32)
        settings = HeadSettings(boxes=5, epochs=1, views=1)
        train_multibox(open_detection(squares, "train"), classifier, path, settings, threads=1)
        yield path


def test_a_multibox_comes_first_and_each_box_once(squares: Path, learnt: Path) -> None:
    dataset = open_detection(squares, "val")
    proposer, how = Proposer(learnt, threads=1), SelectiveSearch()
    both = Source(how, proposer).propose_set(dataset)
    alone = Source(None, proposer).propose_set(dataset)
    searched = Source(how).propose_set(dataset)
    assert list(both) == list(alone) == list(searched) == [0, 1, 2]
    for index in both:
        own, windows = alone[index].boxes_xyxy, searched[index].boxes_xyxy
        assert np.array_equal(own, proposer.propose(dataset.read(index)).boxes_xyxy)
        assert np.array_equal(windows, next(search([dataset.read(index)])).boxes_xyxy)
        assert np.array_equal(both[index].boxes_xyxy, union(own, windows))
        assert both[index].seconds > searched[index].seconds


def test_evaluation_and_prediction_take_them(squares: Path, learnt: Path, detector: Path) -> None:
    command = ("detect", "evaluate", str(detector), str(squares), "--threads", "1", "--json", "-")
    counts = {}
    for more in ((), ("--multibox", str(learnt)), ("--multibox", str(learnt), "--search", "none")):
        told = json.loads(run(*command, *more).stdout)
        counts[told["proposed_by"]] = told["proposals_per_picture"]
    searched, both, own = counts.values()
    assert list(counts) == [
        "Selective Search, fast, superpixels 150",
        "MultiBox, 5 boxes and Selective Search, fast, superpixels 150",
        "MultiBox, 5 boxes",
    ]
    assert own <= 5 and searched < both <= searched + 5
    pictures = sorted(map(str, (squares / "JPEGImages").glob("val*")))
    predictor = DetectionPredictor(detector, search="none", multibox=learnt, threads=1)
    assert all(len(each.objects) <= 5 * 2 for each in predictor.predict(pictures))
    done = run(
        *("detect", "predict", str(detector), pictures[0], "--threads", "1"),
        *("--multibox", str(learnt), "--search", "none", "--min-score", "0"),
    )
    assert done.returncode == 0 and pictures[0] in done.stdout


@pytest.mark.parametrize("mode", ["none", "fast"])
def test_a_server_proposes_as_the_predictor_does(
    squares: Path, learnt: Path, detector: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "search_pool", lambda _: ThreadPoolExecutor(1))
    choice = EngineChoice(threads=1, search=mode, multibox=str(learnt))
    shop = Workshop(Batching(), choice, lambda _: None)
    served = open_model("roos", detector, shop)
    assert isinstance(served, ServedDetector)
    path = squares / "JPEGImages" / "val0.jpg"
    told = asyncio.run(served.detect(0, Upload(path.name, path.read_bytes())))
    shop.close()
    predictor = DetectionPredictor(detector, search=mode, multibox=learnt, threads=1)
    picture = open_detection(squares, "val").read(0)
    regions = Proposer(learnt, threads=1).propose(picture)
    if mode != "none":
        small = as_searched(picture)
        found = proposed_in(picture, small, search_small(small, SelectiveSearch()))
        regions = joined(regions, found)
    wanted = predictor.detect(picture, regions.boxes_xyxy, least_score=0)
    assert told.objects == wanted.objects and len(told.objects) > 2


def test_what_proposes_needs_a_detector_to_serve(learnt: Path) -> None:
    for option in (("--multibox", str(learnt)), ("--search", "none")):
        told = fails("serve", "cats-and-dogs", "--port", "0", *option)
        assert "--search and --multibox are of detectors, and none is served" in told


def test_what_proposes_nothing_is_said_in_one_line(
    squares: Path, detector: Path, tmp_path: Path
) -> None:
    command = ("detect", "evaluate", str(detector), str(squares))
    assert "--search none needs --multibox FILE" in fails(*command, "--search", "none")
    assert "no mode of Selective Search named 'slow'" in fails(*command, "--search", "slow")
    assert "no MultiBox" in fails(*command, "--multibox", str(detector))
    with pytest.raises(InputError, match="gone"):
        create_source(SelectiveSearch(), multibox=tmp_path / "gone.safetensors")

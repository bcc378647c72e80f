"""Detectors over HTTP: the objects in pictures, with the same limits as everything else."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps
from running import Running, form, held, running, until
from safetensors.torch import load_file, save_file
from small_detectors import SMALL, small_detector, write_detector

from inception.detection.detector import Mode
from inception.detection.export import export_detector
from inception.detection.predictor import DetectionPredictor
from inception.detection.proposals import search_pool
from inception.errors import InputError
from inception.models.build import build
from inception.serving import workshop
from inception.serving.limits import Limits
from inception.weights.description import KEY, read_description
from inception.weights.model_file import ModelInfo, save_model


@pytest.fixture(autouse=True, scope="module")
def searched_here() -> Iterator[None]:
    """In a thread: a process takes seconds to start. One test has its own, with processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workshop, "search_pool", lambda _: ThreadPoolExecutor(1))
        yield


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roos")
    write_detector(folder / "model.safetensors", small_detector())
    return folder


@pytest.fixture(scope="module")
def finder(detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of a classifier and a detector, in this order."""
    torch.manual_seed(0)
    pets = tmp_path_factory.mktemp("pets") / "pets.safetensors"
    save_model(pets, build(SMALL).state_dict(), ModelInfo(SMALL, ("x", "y", "z")))
    with running({"pets": pets, "roos": detector}) as server:
        yield server


def test_it_finds_what_detect_predict_finds(
    finder: Running, detector: Path, scenes: list[bytes]
) -> None:
    predictor = DetectionPredictor(detector, threads=1)
    body, kind = form(*((f"{number}.jpg", data) for number, data in enumerate(scenes)))
    reply = finder.send(body, "/v1/detect?min_score=0.05", kind)
    assert (reply.status, reply.json["model"]) == (200, "roos")
    for number, (told, expected) in enumerate(
        zip(reply.json["detections"], predictor.predict(scenes), strict=True)
    ):
        assert told["path"] == f"{number}.jpg"
        assert (told["width"], told["height"]) == (expected.width, expected.height)
        assert [found["index"] for found in told["objects"]] == [
            found.index for found in expected.objects
        ]
        for found, wanted in zip(told["objects"], expected.objects, strict=True):
            assert found["label"] == wanted.label
            assert found["score"] == pytest.approx(wanted.score, abs=1e-4)
            assert found["box_xyxy"] == pytest.approx(wanted.box_xyxy, abs=0.1)


def test_a_score_is_asked_for_in_the_address(finder: Running, scenes: list[bytes]) -> None:
    def scores(least: str) -> list[float]:
        (told,) = finder.send(scenes[0], f"/v1/detect{least}").json["detections"]
        return [found["score"] for found in told["objects"]]

    every = scores("?min_score=0")
    assert every == sorted(every, reverse=True) and len(every) > 2
    between = (every[0] + every[-1]) / 2
    assert scores(f"?min_score={between}") == [score for score in every if score >= between]
    assert scores("") == [score for score in every if score >= 0.5]
    assert scores("?min_score=1") == []
    assert "min_score: " in finder.send(scenes[0], "/v1/detect?min_score=2").detail


def test_boxes_lie_in_the_picture_as_it_is_shown(finder: Running, real_data: Path) -> None:
    """Turned by its EXIF data, that is."""
    path = real_data / "odd-images" / "exif6.jpg"
    with Image.open(path) as image:
        width, height = ImageOps.exif_transpose(image).size
        assert (width, height) != image.size
    (told,) = finder.send(path.read_bytes(), "/v1/detect?min_score=0").json["detections"]
    assert (told["width"], told["height"]) == (width, height)
    for found in told["objects"]:
        x1, y1, x2, y2 = found["box_xyxy"]
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height


def test_unreadable_pictures_are_told(finder: Running, scenes: list[bytes]) -> None:
    body, kind = form(("bad.jpg", scenes[0][:700]), ("good.jpg", scenes[0]))
    bad, good = finder.send(body, "/v1/detect", kind).json["detections"]
    assert "truncated" in bad["error"] and bad["objects"] == []
    assert (good["error"], bad["width"]) == (None, 0)
    assert finder.send(b"hello", "/v1/detect").detail == (
        "picture: not a picture in any known format"
    )
    assert finder.send(b"", "/v1/detect").status == 422
    assert finder.send(b"{}", "/v1/detect", "application/json").status == 415


@pytest.mark.parametrize("path", ["predict", "embed", "explain", "branches"])
def test_each_kind_of_model_says_where_the_other_is_asked(
    finder: Running, scenes: list[bytes], path: str
) -> None:
    reply = finder.send(scenes[0], f"/v1/{path}?model=roos")
    assert (reply.status, reply.detail) == (422, "roos is a detector: ask it at /v1/detect")
    reply = finder.send(scenes[0], "/v1/detect?model=pets")
    assert (reply.status, reply.detail) == (
        422,
        "pets is a classifier and knows no boxes: ask it at /v1/predict",
    )
    assert finder.send(scenes[0], "/v1/detect?model=cats").status == 404
    assert finder.send(scenes[0]).json["model"] == "pets"


@pytest.mark.parametrize("mode", ["fast", "rcnn"])
def test_a_detector_shows_its_card_and_its_network(mode: Mode, tmp_path: Path) -> None:
    file = write_detector(tmp_path / "birds.safetensors", small_detector(mode))
    with running({"birds": file}) as server:
        card = server.ask("GET", "/v1/model").json
        assert card["finding"]["mode"] == mode
        assert card["finding"]["search"]["mode"] == "fast"
        assert (card["classes"], card["file"]) == (["a", "b"], file.name)
        assert card["preprocessing"]["size"] == (64 if mode == "fast" else 32)
        assert not card["explains"] and not card["branches"]
        assert b'data-module="mixed"' in server.ask("GET", "/v1/diagram").body
        assert server.send(b"").detail == "birds is a detector: ask it at /v1/detect"


def test_an_exported_detector_is_served(
    detector: Path, finder: Running, scenes: list[bytes], tmp_path: Path
) -> None:
    export_detector(detector, tmp_path / "roos", scenes[:1])
    with running({"roos": tmp_path / "roos"}) as server:
        ours, theirs = (
            s.send(scenes[0], "/v1/detect?min_score=0").json["detections"] for s in (server, finder)
        )
        mine, wanted = ours[0]["objects"], theirs[0]["objects"]
        assert len(mine) == len(wanted) > 0
        assert mine[0]["box_xyxy"] == pytest.approx(wanted[0]["box_xyxy"], abs=0.1)
        assert mine[0]["score"] == pytest.approx(wanted[0]["score"], abs=1e-4)


def test_few_pictures_are_searched_at_once_and_the_rest_sent_away(
    detector: Path, scenes: list[bytes]
) -> None:
    limits = Limits(queue=3, deadline_s=120)
    with running({"roos": detector}, limits=limits) as server, ThreadPoolExecutor(3) as clients:
        assert server.house.searches.limits.queue == 3
        with held(server):
            inside = [clients.submit(server.send, scenes[0], "/v1/detect") for _ in range(3)]
            until(lambda: server.house.searches.pictures == 3)
            assert server.send(scenes[0], "/v1/detect").status == 503
            assert server.ask("GET", "/healthz").status == 200
        assert [answer.result().status for answer in inside] == [200] * 3
        assert server.house.searches.pictures == server.house.gate.pictures == 0
        server.house.searches.limits = Limits(queue=1)
        many, kind = form(("a.jpg", scenes[0]), ("b.jpg", scenes[1]))
        assert server.send(many, "/v1/detect", kind).status == 413
        server.house.gate.limits = Limits(deadline_s=2)
        with held(server):
            reply = server.send(scenes[0], "/v1/detect")
        assert (reply.status, reply.detail) == (503, "no answer within 2 s; try again")


def test_a_process_that_is_killed_is_replaced(
    detector: Path, scenes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "search_pool", search_pool)
    before = set(active_children())
    with running({"roos": detector}) as server:
        for child in set(active_children()) - before:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
        statuses = []
        end = time.monotonic() + 120
        while 200 not in statuses and time.monotonic() < end:
            statuses.append(server.send(scenes[0], "/v1/detect").status)
        assert set(statuses) <= {200, 503} and statuses[-1] == 200
    assert set(active_children()) <= before


def test_a_detector_that_gives_no_numbers_is_refused_at_the_start(tmp_path: Path) -> None:
    file = write_detector(tmp_path / "ill.safetensors", small_detector())
    described = {KEY: json.dumps(read_description(file))}
    weights = load_file(file)
    weights["classifier.logits.linear.weight"].fill_(3e38)
    save_file(weights, file, metadata=described)
    with pytest.raises(InputError, match="no number"), running({"ill": file}):
        raise AssertionError("it was served")

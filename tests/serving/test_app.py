"""The server's addresses as its users meet them."""

import json
from pathlib import Path

import numpy as np
import pytest
from running import Running, form, running

from inception import Predictor
from inception.models import MODELS
from inception.models.cost import cost
from inception.prediction import SHIPPED
from inception.serving.limits import Limits

FORM = "multipart/form-data; boundary=xyz"


def test_it_says_what_predict_says(server: Running, photographs: list[bytes]) -> None:
    predictor = Predictor(SHIPPED)
    for data in photographs[:5]:
        (told,) = server.send(data).json["predictions"]
        (expected,) = predictor.predict(data)
        assert [t["label"] for t in told["top"]] == [t.label for t in expected.top]
        shown = [t["probability"] for t in told["top"]]
        assert shown == pytest.approx([t.probability for t in expected.top], abs=1e-5)


def test_a_form_has_many_pictures_and_their_names(
    server: Running, photographs: list[bytes]
) -> None:
    names = ["a.jpg", "Käfer 图.jpg", 'quo"te.jpg'.replace('"', "%22"), "d.jpg"]
    body, kind = form(*zip(names, photographs, strict=False))
    reply = server.send(body, "/v1/predict?top=1", kind)
    assert reply.status == 200
    told = reply.json["predictions"]
    assert [p["path"] for p in told] == names
    alone = [server.send(data).json["predictions"][0]["top"][0] for data in photographs[:4]]
    assert [p["top"][0]["label"] for p in told] == [a["label"] for a in alone]
    assert all(len(p["top"]) == 1 for p in told)


def test_one_broken_picture_among_several_is_named_and_the_rest_go_on(
    server: Running, photographs: list[bytes]
) -> None:
    body, kind = form(("good.jpg", photographs[0]), ("bad.jpg", photographs[1][:900]))
    reply = server.send(body, kind=kind)
    good, bad = reply.json["predictions"]
    assert reply.status == 200
    assert (good["error"], bad["top"]) == (None, [])
    assert "truncated" in bad["error"]


def test_odd_pictures_give_what_they_should(server: Running, real_data: Path) -> None:
    folder = real_data / "odd-images"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    for name, value in expected.items():
        wanted = value if isinstance(value, str) else value["expect"]
        reply = server.send((folder / name).read_bytes(), kind="application/octet-stream")
        assert reply.status == (200 if wanted == "ok" else 422), name
        if wanted != "ok":
            assert reply.detail


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"", "image/jpeg", 422, "no picture in the request"),
        (b"", FORM, 422, "cut short"),
        (b"--xyz--\r\n", FORM, 422, "no picture in the request"),
        (b"--xyz\r\n\r\n\r\nnaked\r\n--xyz--", FORM, 422, "field None"),
        (b"--xyz\r\nno headers at all\r\n--xyz--", FORM, 422, "without headers"),
        (b"--xyz\r\nA: " + b"a" * 9000 + b"\r\n\r\nx\r\n--xyz--", FORM, 422, "without headers"),
        (b'--xyz\r\nContent-Disposition: form-data; name="top"\r\n\r\n3\r\n--xyz--', FORM, 422,
         "'top'; it takes files"),
        (b"hello", "multipart/form-data", 422, "no boundary"),
        (b"hello", FORM, 422, "cut short"),
        (b"{}", "application/json", 415, "application/json: not a picture; send"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "not a picture"),
        (b"hello", "text/html", 415, "not a picture"),
        (b"hello", "nonsense", 415, "not a picture"),
        (b"hello", "image/jpeg", 422, "picture: not a picture in any known format"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/embed", "/v1/explain"])
def test_what_holds_no_picture_is_refused_with_the_reason(
    server: Running, path: str, body: bytes, kind: str, status: int, says: str
) -> None:
    reply = server.send(body, path, kind)
    assert reply.status == status
    assert says in reply.detail


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v1/predict?top=0", 422, "top: input should be greater than or equal to 1; got '0'"),
        ("/v1/predict?top=many", 422, "top: "),
        ("/v1/predict?model=cats", 404, "there are: cats-and-dogs"),
        ("/v1/explain?class=" + "9" * 5000, 404, "no class named"),
        ("/v1/reload", 403, "start it with --token"),
        ("/v1/nothing", 404, "Not Found"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    server: Running, photographs: list[bytes], path: str, status: int, says: str
) -> None:
    reply = server.send(photographs[0], path)
    assert reply.status == status
    assert says in reply.detail


def test_an_embedding_is_what_the_network_s_own_is(
    server: Running, photographs: list[bytes]
) -> None:
    import torch

    from inception import load
    from inception.data.crops import views
    from inception.data.images import read_image
    from inception.models.network import Normalise

    model = load(SHIPPED)
    square = torch.from_numpy(views(read_image(photographs[0]), model.preprocessing))
    network_input = Normalise(model.preprocessing)(square)
    with torch.inference_mode():
        expected = model.network.embed(network_input)
    (told,) = server.send(photographs[0], "/v1/embed").json["embeddings"]
    assert np.abs(np.array(told["embedding"]) - expected[0].numpy()).max() < 1e-3


def test_a_map_s_mean_and_its_bias_are_the_logit(server: Running, photographs: list[bytes]) -> None:
    (told,) = server.send(photographs[0], "/v1/explain?top=2").json["explanations"]
    (expected,) = server.send(photographs[0]).json["predictions"]
    assert [m["label"] for m in told["maps"]] == [t["label"] for t in expected["top"]]
    for shown, label in zip(told["maps"], expected["top"], strict=True):
        assert np.mean(shown["values"]) + shown["bias"] == pytest.approx(shown["logit"], abs=1e-4)
        assert shown["probability"] == pytest.approx(label["probability"], abs=1e-5)
    crop = told["crop"]
    assert 0 <= crop["left"] < crop["right"] <= told["width"]
    assert 0 <= crop["top"] < crop["bottom"] <= told["height"]
    (named,) = server.send(photographs[0], "/v1/explain?class=dog&class=0").json["explanations"]
    assert [m["label"] for m in named["maps"]] == ["dog", "cat"]
    assert "no class named 'horse'" in server.send(b"", "/v1/explain?class=horse").detail
    assert "numbered 0 to 1; got 7" in server.send(b"", "/v1/explain?class=7").detail


def test_branches_add_up_to_their_module(server: Running, photographs: list[bytes]) -> None:
    reply = server.send(photographs[0], "/v1/branches?class=dog&class=cat")
    (told,) = reply.json["attributions"]
    assert (told["label"], told["against"]) == ("dog", "cat")
    assert [m["module"] for m in told["modules"]][::8] == ["inception_3a", "inception_5b"]
    for module in told["modules"]:
        assert set(module["shares"]) == {"conv1x1", "conv3x3", "conv5x5", "pool"}
        assert sum(module["branches"].values()) == pytest.approx(module["total"], rel=1e-5)
        assert sum(module["shares"].values()) == pytest.approx(1, abs=1e-5)
    many = "&".join(["class=cat"] * 3)
    assert server.send(photographs[0], f"/v1/branches?{many}").status == 422


def test_the_network_is_drawn(server: Running) -> None:
    reply = server.ask("GET", "/v1/diagram")
    assert reply.headers["content-type"] == "image/svg+xml"
    assert b'data-module="inception_4e" data-branch="conv5x5"' in reply.body


def test_an_exported_model_predicts_explains_and_embeds(
    tmp_path: Path, photographs: list[bytes], server: Running
) -> None:
    from inception.export import export

    file = tmp_path / "pets.xml"
    export(SHIPPED, "openvino", file, precision="fp16")
    with running({"pets": file}) as exported:
        card = exported.ask("GET", "/v1/model").json
        assert (card["explains"], card["branches"]) == (True, False)
        for path, kind, value in (("predict", "predictions", "top"),
                                  ("embed", "embeddings", "embedding"),
                                  ("explain", "explanations", "maps")):  # fmt: skip
            (ours,), (theirs,) = (
                s.send(photographs[0], f"/v1/{path}").json[kind] for s in (exported, server)
            )
            assert len(ours[value]) == len(theirs[value]) > 0
        assert "exported" in exported.send(photographs[0], "/v1/branches").detail


def test_a_model_shows_its_card(server: Running) -> None:
    card = server.ask("GET", "/v1/model").json
    assert card["name"] == SHIPPED and card["models"] == [SHIPPED]
    assert card["classes"] == ["cat", "dog"]
    assert card["preprocessing"]["size"] == 144
    assert card["metrics"]["top1_accuracy"] > 0.96
    assert "Apache-2.0" in card["licence"]
    assert card["parameters"] < cost(MODELS["googlenet_bn"]).parameters  # of two classes


def test_several_models_are_served_by_name(photographs: list[bytes]) -> None:
    with running({"first": SHIPPED, "second": SHIPPED}) as server:
        assert server.send(photographs[0]).json["model"] == "first"
        assert server.send(photographs[0], "/v1/predict?model=second").json["model"] == "second"
        assert server.ask("GET", "/v1/model").json["models"] == ["first", "second"]


def test_health_readiness_and_metrics(server: Running, photographs: list[bytes]) -> None:
    assert server.ask("GET", "/healthz").json == {"status": "alive"}
    assert server.ask("GET", "/readyz").json == {"status": "ready"}
    assert server.send(photographs[0]).status == 200
    assert server.send(b"nothing").status == 422
    reply = server.ask("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in reply.body.decode().splitlines())
    assert float(lines['inception_requests_total{route="/v1/predict",status="200"}']) >= 1
    assert float(lines['inception_pictures_total{model="cats-and-dogs",outcome="unreadable"}']) >= 1
    assert float(lines["inception_waiting_pictures"]) == 0
    assert float(lines["inception_batch_size_count"]) >= 1
    assert server.ask("GET", "/nowhere/at/all").status == 404
    assert b"nowhere" not in server.ask("GET", "/metrics").body


def test_too_large_a_body_is_refused_before_it_is_read(photographs: list[bytes]) -> None:
    with running(limits=Limits(body_bytes=100_000, pictures=2, queue=4)) as server:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
        told = server.raw(head, first=True)  # nothing of the body was sent
        assert told.startswith(b"HTTP/1.1 413 ")
        assert server.send(b"x" * 100_000_000).detail == "a request takes 0.1 MB at most"
        chunks = iter([b"x" * 60_000] * 50)
        reply = server.ask("POST", "/v1/predict", chunks, {"Content-Type": "image/png"})
        assert (reply.status, reply.detail) == (413, "a request takes 0.1 MB at most")
        body, kind = form(*[(f"{i}.jpg", b"x") for i in range(3)])
        assert server.send(body, kind=kind).detail == "3 pictures; a request takes 2"
        assert server.house.gate.bytes == server.house.gate.pictures == 0

"""Whatever is sent, the server answers, and never with a fault of its own."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import mutated
from running import Running, form, running
from schemathesis.specs.openapi.checks import positive_data_acceptance
from small_detectors import small_detector, write_detector

from inception.prediction import SHIPPED
from inception.serving.limits import Limits

KINDS = (
    *("multipart/form-data; boundary=xyz", 'multipart/form-data; boundary="x y"'),
    *("multipart/form-data; boundary=", "multipart/mixed; boundary=xyz", "text/html;", "a/b", ""),
    *("image/jpeg", "image/*", "application/octet-stream; charset=utf-8"),
)
PIECES = (
    *(
        b"--xyz",
        b"--xyz--",
        b"--x y--",
        b"\r\n",
        b"\r\n\r\n",
        b"\xff\xd8\xff",
        b"\x89PNG",
        b"GIF89a",
    ),
    *(b'Content-Disposition: form-data; name="file"', b'; filename="a.jpg"'),
    *(b"; filename*=utf-8''%ff%00", b"\x00" * 50),
)
MUTATIONS = 300  # benchmarks/serving.py --mutations 2000 sends more


def test_mutated_pictures_give_an_answer_or_a_reason(
    server: Running, photographs: list[bytes]
) -> None:
    rng, told = random.Random(0), Counter()
    small = sorted(photographs, key=len)[:20]
    for number in range(MUTATIONS // 10):
        files = [(f"{number}-{i}.jpg", mutated(rng.choice(small), rng)) for i in range(10)]
        body, kind = form(("good.jpg", small[0]), *files)
        reply = server.send(body, kind=kind)
        assert reply.status == 200, reply
        good, *_ = reply.json["predictions"]
        assert good["top"]
        told.update("error" if p["error"] else "top" for p in reply.json["predictions"])
        assert all(bool(p["error"]) != bool(p["top"]) for p in reply.json["predictions"])
    assert min(told["error"], told["top"]) > MUTATIONS / 10
    assert server.house.gate.pictures == server.house.gate.bytes == 0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck),
          derandomize=True, phases=[Phase.explicit, Phase.generate])  # fmt: skip
@given(st.data())
def test_bodies_of_any_kind_are_answered(server: Running, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    body = b"".join(data.draw(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20))))
    path = data.draw(st.sampled_from(("predict", "embed", "explain", "branches", "detect")))
    reply = server.send(body, f"/v1/{path}", kind)
    assert reply.status in (413, 415, 422)
    assert reply.detail


def test_a_form_of_line_ends_costs_no_more_than_its_length(server: Running) -> None:
    kind = "multipart/form-data; boundary=xyz"
    for filler in (b"\r", b"\n", b"\r\n", b"\r\n-", b"\r\n--xy", b"-", b"--xyz"):
        body = (filler * (8_000_000 // len(filler)))[:8_000_000]
        assert server.send(body, kind=kind).status in (413, 422)


@pytest.fixture(scope="module")
def described(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Running, schemathesis.schemas.BaseSchema]]:
    roos = write_detector(tmp_path_factory.mktemp("roos") / "roos.safetensors", small_detector())
    models = {SHIPPED: SHIPPED, "roos": roos}
    with running(models, limits=Limits(deadline_s=600), token="t") as server:
        yield server, schemathesis.openapi.from_url(f"{server.url}/openapi.json")


COSTLY = {"/v1/reload": 2, "/v1/branches": 8, "/v1/detect": 3}  # examples
POSTED = ("predict", "detect", "embed", "explain", "branches", "reload")
ADDRESSES = (
    *(("POST", f"/v1/{name}") for name in POSTED),
    *(("GET", path) for path in ("/v1/model", "/v1/diagram", "/healthz", "/readyz")),
)


def test_all_addresses_are_fuzzed(
    described: tuple[Running, schemathesis.schemas.BaseSchema],
) -> None:
    _, schema = described
    assert {(o.ok().method.upper(), o.ok().path) for o in schema.get_all_operations()} == set(
        ADDRESSES
    )


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_the_description_is_true(
    described: tuple[Running, schemathesis.schemas.BaseSchema], method: str, path: str
) -> None:
    _, schema = described
    operation = schema[path][method]
    examples = COSTLY.get(path, 15)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck),
              derandomize=True, phases=[Phase.generate])  # fmt: skip
    @given(operation.as_strategy())
    def fuzz(case: schemathesis.Case) -> None:
        case.call_and_validate(
            headers={"Authorization": "Bearer t"},
            timeout=600,
            excluded_checks=[positive_data_acceptance],  # no schema says which bytes are a picture
        )

    fuzz()

"""Who is let in, and what browsers are told."""

from collections.abc import Iterator

import pytest
from running import Running, running

TOKEN = "s3cret-töken"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    with running(token=TOKEN) as server:
        yield server


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": b"Bearer ".decode() + token.encode().decode("latin-1")}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/predict"), ("POST", "/v1/reload"), ("GET", "/v1/model"), ("GET", "/metrics")],
)
@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), bearer(TOKEN[:-1]), {"Authorization": "Basic czNjcmV0"}],
    ids=["missing", "wrong", "empty", "cut", "basic"],
)
def test_without_the_right_token_nothing_is_told(
    guarded: Running, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = guarded.ask(method, path, headers=headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in reply.detail


def test_with_the_right_token_everything_is(guarded: Running, photographs: list[bytes]) -> None:
    reply = guarded.ask("POST", "/v1/predict", photographs[0], bearer(TOKEN))
    assert reply.status == 200
    assert guarded.ask("POST", "/v1/reload", headers=bearer(TOKEN)).json == {
        "reloaded": ["cats-and-dogs"]
    }


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json"])
def test_page_and_probes_need_no_token(guarded: Running, path: str) -> None:
    assert guarded.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ["/", "/v1/model", "/nowhere", "/docs", "/metrics"])
def test_every_answer_has_the_headers_that_browsers_heed(server: Running, path: str) -> None:
    headers = server.ask("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_no_origin_is_allowed_in(server: Running) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    reply = server.ask("OPTIONS", "/v1/predict", headers=asked)
    assert "access-control-allow-origin" not in reply.headers
    for site in ("cross-site", "same-site"):
        reply = server.ask("POST", "/v1/predict", b"x", {"Sec-Fetch-Site": site})
        assert (reply.status, reply.detail) == (
            403, "pages of another origin may not use this server",
        )  # fmt: skip


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", ""]
)
def test_a_local_server_answers_to_local_names_only(server: Running, host: str) -> None:
    told = server.ask("GET", "/v1/model", headers={"Host": host})
    assert told.status == 421
    assert "--host or --token" in told.detail
    for name in ("localhost", "127.0.0.1:80", "[::1]:8000"):
        assert server.ask("GET", "/v1/model", headers={"Host": name}).status == 200
    assert server.ask("GET", "/healthz", headers={"Host": host}).status == 200

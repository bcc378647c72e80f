"""Who may ask what: the token, the names a local server answers to, headers for browsers."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
OPEN = ("/healthz", "/readyz")  # for probes, which carry no token
GUARDED = ("/v1/", "/metrics")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine reaches a server bound to ``host``."""
    return host in ("localhost", "::1") or host.startswith("127.")


@dataclass(frozen=True)
class Rules:
    """Who is let in.

    Attributes:
        token: asked for at everything but the page and the probes; none if empty.
        local_names: only requests to one of ``LOOPBACK`` are answered, so that no page of another
            name that leads to this machine can read what is here.
    """

    token: str = ""
    local_names: bool = True

    def refusal(self, scope: Scope) -> JSONResponse | None:
        """The answer to a request that is not let in."""
        headers = Headers(scope=scope)
        if scope["path"] in OPEN:
            return None
        if self.local_names and not _is_local(headers.get("host", "")):
            return _refused(
                421, "this server answers to localhost only; start it with --host or --token"
            )
        if scope["method"] == "POST" and _from_elsewhere(headers):
            return _refused(403, "pages of another origin may not use this server")
        if self.token and scope["path"].startswith(GUARDED) and not self._knows(headers):
            return _refused(
                401,
                "this server asks for its token: Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        return None

    def _knows(self, headers: Headers) -> bool:
        """Compares in a time that does not tell how much of it was right."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1"), self.token.encode())
        return same and kind.lower() == "bearer"


class Guard:
    """Lets in by the rules, and puts the headers on every answer.

    Args:
        app: what is guarded.
        rules: who is let in.
        leaving: whether the server is about to stop; connections then end with their answer.
    """

    def __init__(self, app: ASGIApp, rules: Rules, leaving: Callable[[], bool]) -> None:
        self.app, self.rules, self.leaving = app, rules, leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                if self.leaving():
                    headers["Connection"] = "close"
            await send(message)

        await (self.rules.refusal(scope) or self.app)(scope, receive, sending)


def _is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    return host in LOOPBACK or bool(colon and port.isdecimal() and name in LOOPBACK)


def _from_elsewhere(headers: Headers) -> bool:
    """What browsers say of where a request comes from; other programs say nothing."""
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _refused(status: int, why: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": why}, status, headers)

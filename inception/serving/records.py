"""What a server tells of its work: metrics for Prometheus, and a line of JSON for each request.

Neither holds anything of a picture, not even its name.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = logging.getLogger("inception.serving")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SQUARES = (1, 2, 4, 8, 16, 32, 64, 128)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The server's own registry, so that two of them in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inception_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "inception_request_seconds", "Time to answer a request.", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.pictures = Counter(
            "inception_pictures", "Pictures taken, by model and whether they could be read.",
            ["model", "outcome"], registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "inception_waiting_pictures", "Pictures accepted and not yet answered.",
            registry=self.registry,
        )  # fmt: skip
        self.batches = Histogram(
            "inception_batch_size", "Squares in one run of an engine.",
            buckets=SQUARES, registry=self.registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


class Recorder:
    """Counts, times and logs each request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")  # no label from what a client wrote
        self.metrics.requests.labels(route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if LOGGER.isEnabledFor(logging.INFO):
            client = scope["client"][0] if scope.get("client") else None
            fields = {"method": scope["method"], "path": scope["path"], "status": status}
            rest = {"ms": round(1000 * seconds, 1), "client": client}
            LOGGER.info("request", extra={"fields": fields | rest})


class JsonLines(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """``time``, ``level``, ``event``, and what else the record has."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

"""The application: its addresses, page and metrics behind the guard and the recorder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from inception import __version__
from inception.errors import InputError
from inception.machine import available_cores
from inception.serving.api import api
from inception.serving.batching import Batching
from inception.serving.house import House, house_of
from inception.serving.limits import Gate, Limits
from inception.serving.records import METRICS_TYPE, Metrics, Recorder
from inception.serving.security import Guard, Rules
from inception.serving.shelf import Shelf
from inception.serving.workshop import WAITING, EngineChoice, Workshop

STATIC = Path(__file__).parent / "static"

around = APIRouter()


def create_app(
    sources: Mapping[str, str | Path],
    *,
    batching: Batching | None = None,
    choice: EngineChoice | None = None,
    limits: Limits | None = None,
    rules: Rules | None = None,
) -> FastAPI:
    """The application with its models made ready.

    Args:
        sources: a MODEL or a detector for each name; the first is meant where a request names none.
        batching: how pictures are gathered for the engine.
        choice: which engine.
        limits: what is taken on.
        rules: who is let in.

    Raises:
        InputError: one of the models cannot be opened.
    """
    metrics, rules, limits = Metrics(), rules or Rules(), limits or Limits()
    few = replace(limits, queue=min(limits.queue, WAITING * available_cores()))
    workshop = Workshop(batching or Batching(), choice or EngineChoice(), metrics.batches.observe)
    shelf = Shelf(sources, workshop)
    house = House(shelf, Gate(limits), Gate(few), metrics, can_reload=bool(rules.token))
    metrics.waiting.set_function(lambda: house.gate.pictures)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        workshop.close()

    app = FastAPI(
        title="inception", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        description="Pictures in, labels and boxes out.",
    )  # fmt: skip
    app.state.house = house
    app.include_router(api)
    app.include_router(around, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    app.add_exception_handler(InputError, _told)
    app.add_exception_handler(RequestValidationError, _told_what_is_invalid)
    app.add_middleware(Guard, rules=rules, leaving=lambda: house.leaving)
    app.add_middleware(Recorder, metrics=metrics)
    return app


@around.get("/metrics")
async def metrics(request: Request) -> Response:
    """Everything Prometheus asks for."""
    return Response(house_of(request).metrics.text(), media_type=METRICS_TYPE)


@around.get("/")
async def page() -> Response:
    """The page."""
    return FileResponse(STATIC / "index.html")


@around.get("/docs")
async def docs() -> Response:
    """The addresses, from the OpenAPI description, without anything from elsewhere."""
    return FileResponse(STATIC / "docs.html")


async def _told(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


async def _told_what_is_invalid(_: Request, error: Exception) -> JSONResponse:
    """In one line: which option, and what is wrong with it."""
    if not isinstance(error, RequestValidationError):
        raise error
    said = [f"{e['loc'][-1]}: {e['msg'].lower()}; got {e.get('input')!r}" for e in error.errors()]
    return JSONResponse({"detail": "; ".join(said)}, 422)

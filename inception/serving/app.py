"""The server's addresses: pictures in, JSON out; its page, its health, its metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from inception import __version__
from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.models.cost import cost
from inception.runtime import Floats
from inception.runtime.program import PROBABILITIES
from inception.serving.answers import (
    Card,
    Health,
    Label,
    Prediction,
    Predictions,
    Problem,
    Reloaded,
)
from inception.serving.batching import Batching
from inception.serving.limits import Gate, Limits, busy
from inception.serving.records import METRICS_TYPE, Metrics, Recorder
from inception.serving.security import Guard, Rules
from inception.serving.served import EngineChoice, Served, Shelf, Workshop
from inception.serving.uploads import BYTES, FIELD, FORM, Upload, claimed_bytes, read_uploads

STATIC = Path(__file__).parent / "static"

Named = Annotated[
    str | None, Query(alias="model", description="a model's name; the first by default")
]
Top = Annotated[int, Query(ge=1, le=1000, description="classes to give for each picture")]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request broke off."},
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "Not allowed."},
    404: {"model": Problem, "description": "No such model."},
    408: {"model": Problem, "description": "The upload took too long."},
    413: {"model": Problem, "description": "Too large, or too many pictures."},
    415: {"model": Problem, "description": "Neither a picture nor a form with files."},
    421: {"model": Problem, "description": "Asked for by a name that is not this server's."},
    422: {"model": Problem, "description": "No picture, one that cannot be read, a bad option."},
    503: {"model": Problem, "description": "Too busy: try again after Retry-After seconds."},
}
PICTURES = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        FIELD: {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                    "required": [FIELD],
                    "additionalProperties": False,
                }
            },
            BYTES: {"schema": {"type": "string", "format": "binary"}},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@dataclass
class House:
    """What the handlers share.

    Attributes:
        leaving: the server takes no new work: probes are told, connections end with their answer.
    """

    shelf: Shelf
    gate: Gate
    metrics: Metrics
    can_reload: bool = False
    leaving: bool = field(default=False)


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
        sources: a MODEL for each name; the first is meant where a request names none.
        batching: how pictures are gathered for the engine.
        choice: which engine.
        limits: what is taken on.
        rules: who is let in.

    Raises:
        InputError: one of the models cannot be opened.
    """
    metrics, rules = Metrics(), rules or Rules()
    workshop = Workshop(batching or Batching(), choice or EngineChoice(), metrics.batches.observe)
    shelf = Shelf(sources, workshop)
    house = House(shelf, Gate(limits or Limits()), metrics, can_reload=bool(rules.token))
    metrics.waiting.set_function(lambda: house.gate.pictures)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        workshop.close()

    app = FastAPI(
        title="inception", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        description="Pictures in, labels out.",
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


api = APIRouter(responses=PROBLEMS)
around = APIRouter()


@asynccontextmanager
async def admitted(request: Request) -> AsyncIterator[list[Upload]]:
    """The pictures of a request that is taken on; the block has until the deadline.

    Raises:
        HTTPException: 503 where the house is full or the deadline passed, or as ``read_uploads``.
    """
    gate = _house(request).gate
    gate.check()
    with gate.holding(claimed_bytes(request, gate.limits)):
        uploads = await read_uploads(request, gate.limits)
        with gate.answering(len(uploads)):
            try:
                async with asyncio.timeout(gate.limits.deadline_s):
                    yield uploads
            except TimeoutError:
                raise busy(f"no answer within {gate.limits.deadline_s:g} s") from None


@api.post("/v1/predict", openapi_extra=PICTURES)
async def predict(request: Request, model: Named = None, top: Top = 5) -> Predictions:
    """The likeliest classes of one or several pictures, in their order.

    Some that cannot be read have an `error`; where none can be read the answer is 422.
    """
    served = _served(request, model)
    async with admitted(request) as uploads:
        began = time.perf_counter()
        told = await _outputs(request, served, PROBABILITIES, uploads)
        answers = [
            Prediction(path=u.name, top=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else Prediction(path=u.name, top=_labels(v, served.info.classes, top))
            for u, v in zip(uploads, told, strict=True)
        ]
    return Predictions(model=served.name, predictions=answers, milliseconds=_since(began))


@api.get("/v1/model")
async def model_card(request: Request, model: Named = None) -> Card:
    """What a model is: its classes, how it takes pictures, what it costs, what it reached."""
    served = _served(request, model)
    info, count = served.info, cost(served.info.spec)
    return Card(
        name=served.name,
        models=_house(request).shelf.names,
        network=info.spec.name,
        classes=list(info.classes),
        preprocessing=info.preprocessing.to_json(),
        parameters=count.parameters,
        multiply_adds=count.multiply_adds,
        metrics=dict(info.metrics),
        licence=info.licence,
        parents=list(info.parents),
        engine=served.engine,
        file=served.path.name,
    )


@api.post("/v1/reload")
async def reload(request: Request, model: Named = None) -> Reloaded:
    """Reads the model's file again, all models' where none is named; needs the server's token.

    Requests under way keep the model that they began with. A file that is no model any more is
    refused, 422, and the one that was read before stays.
    """
    house = _house(request)
    if not house.can_reload:
        raise HTTPException(
            403, "a server without a token takes in no models: start it with --token"
        )
    names = house.shelf.names if model is None else [_served(request, model).name]
    for name in names:
        await house.shelf.reload(name)
    return Reloaded(reloaded=names)


@api.get("/healthz")
async def healthz() -> Health:
    """Whether the process answers at all."""
    return Health(status="alive")


@api.get("/readyz")
async def readyz(request: Request) -> Health:
    """Whether it takes requests: models are ready, and it is not about to stop."""
    if _house(request).leaving:
        raise HTTPException(503, "the server is about to stop")
    return Health(status="ready")


@around.get("/metrics")
async def metrics(request: Request) -> Response:
    """Everything Prometheus asks for."""
    return Response(_house(request).metrics.text(), media_type=METRICS_TYPE)


@around.get("/")
async def page() -> Response:
    """The page."""
    return FileResponse(STATIC / "index.html")


@around.get("/docs")
async def docs() -> Response:
    """The addresses, from the OpenAPI description, without anything from elsewhere."""
    return FileResponse(STATIC / "docs.html")


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _served(request: Request, name: str | None) -> Served:
    try:
        return _house(request).shelf.find(name)
    except InputError as error:
        raise HTTPException(404, str(error)) from None


async def _outputs(
    request: Request, served: Served, output: str, uploads: Sequence[Upload]
) -> list[Floats | UnreadableImageError]:
    """The output for each picture, or why there is none.

    Raises:
        UnreadableImageError: there is none for any of them.
    """

    async def one(upload: Upload) -> Floats | UnreadableImageError:
        try:
            return await served.output(output, upload)
        except UnreadableImageError as error:
            return error

    told = await asyncio.gather(*map(one, uploads))
    errors = [value for value in told if isinstance(value, UnreadableImageError)]
    counts = _house(request).metrics.pictures
    counts.labels(served.name, "unreadable").inc(len(errors))
    counts.labels(served.name, "read").inc(len(told) - len(errors))
    if len(errors) == len(told):
        raise errors[0]
    return told


def _labels(probabilities: Floats, classes: Sequence[str], top: int) -> list[Label]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [
        Label(label=classes[i], index=int(i), probability=min(float(probabilities[i]), 1.0))
        for i in best
    ]


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 3)


async def _told(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


async def _told_what_is_invalid(_: Request, error: Exception) -> JSONResponse:
    """In one line: which option, and what is wrong with it."""
    if not isinstance(error, RequestValidationError):
        raise error
    said = [f"{e['loc'][-1]}: {e['msg'].lower()}; got {e.get('input')!r}" for e in error.errors()]
    return JSONResponse({"detail": "; ".join(said)}, 422)

"""The addresses under ``/v1``: pictures in, JSON out; and the probes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response

from inception.data.images import UnreadableImageError
from inception.diagram import diagram
from inception.errors import InputError
from inception.explanation.answer import Explanation, class_index
from inception.runtime import Floats
from inception.serving.answers import (
    Attributed,
    Attributions,
    Card,
    Detection,
    Detections,
    Embedding,
    Embeddings,
    Explained,
    Explanations,
    Health,
    Label,
    Map,
    Module,
    Prediction,
    Predictions,
    Problem,
    Rectangle,
    Reloaded,
)
from inception.serving.cards import card_of
from inception.serving.classifier import Size
from inception.serving.house import (
    admitted,
    classifier_of,
    detector_of,
    each_picture,
    house_of,
    served_by,
)
from inception.serving.uploads import BYTES, FIELD, FORM

if TYPE_CHECKING:
    from inception.explanation.branches import ModuleShares

Named = Annotated[
    str | None, Query(alias="model", description="a model's name; the first by default")
]
Classes = Annotated[
    list[str] | None, Query(alias="class", description="names or numbers; the likeliest by default")
]
Pair = Annotated[
    list[str] | None,
    Query(alias="class", max_length=2, description="one, or two to compare; names or numbers"),
]
MOST_DIGITS = 10  # of a class's number; int refuses thousands of them
Sure = Annotated[float, Query(ge=0, le=1, description="least score of an object that is told")]
Top = Annotated[int, Query(ge=1, le=1000, description="classes to give for each picture")]

Problems: TypeAlias = dict[int | str, dict[str, Any]]


def problems(*, beside: Problems | None = None, **reasons: str) -> Problems:
    """Refusals as the description lists them: ``s422="why"``."""
    told: Problems = {
        int(status[1:]): {"model": Problem, "description": why} for status, why in reasons.items()
    }
    return (beside or {}) | told


GUARDED = problems(
    s401="The token is missing or wrong.",
    s421="Asked for by a name that is not this server's.",
    s422="An option is wrong.",
)
NAMED = problems(s404="There is no such model, or no such class.", beside=GUARDED)
ON_PICTURES = problems(
    s400="The request broke off.",
    s403="From a page of another origin.",
    s408="The upload took too long.",
    s413="Too large, or too many pictures.",
    s415="Neither a picture nor a form with files.",
    s422="No picture, none that can be read, or a wrong option.",
    s503="Too busy: come back after Retry-After seconds.",
    beside=NAMED,
)
RELOADING = problems(s403="The server has no token.", s422="It is no model.", beside=NAMED)
DRAWN: Problems = {200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}}
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


api = APIRouter()


@api.post("/v1/predict", openapi_extra=PICTURES, responses=ON_PICTURES)
async def predict(request: Request, model: Named = None, top: Top = 5) -> Predictions:
    """The likeliest classes of one or several pictures, in their order.

    Some that cannot be read have an `error`; where none can be read the answer is 422.
    """
    served = classifier_of(request, model)
    async with admitted(request) as uploads:
        began = time.perf_counter()
        told = await each_picture(request, served, uploads, served.predict)
        answers = [
            Prediction(path=u.name, top=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else Prediction(path=u.name, top=_labels(v, served.info.classes, top))
            for u, v in zip(uploads, told, strict=True)
        ]
    return Predictions(model=served.name, predictions=answers, milliseconds=_since(began))


@api.post("/v1/detect", openapi_extra=PICTURES, responses=ON_PICTURES)
async def detect(request: Request, model: Named = None, min_score: Sure = 0.5) -> Detections:
    """The objects in one or several pictures, each with its box, the surest first.

    It takes a detector, and about a second a picture. Some that cannot be read have an `error`;
    where none can be read the answer is 422.
    """
    served = detector_of(request, model)
    async with admitted(request, house_of(request).searches) as uploads:
        began = time.perf_counter()
        told = await each_picture(request, served, uploads, partial(served.detect, min_score))
        answers = [
            Detection(path=u.name, width=0, height=0, objects=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else Detection(**v.to_json())
            for u, v in zip(uploads, told, strict=True)
        ]
    return Detections(model=served.name, detections=answers, milliseconds=_since(began))


@api.post("/v1/embed", openapi_extra=PICTURES, responses=ON_PICTURES)
async def embed(request: Request, model: Named = None) -> Embeddings:
    """What the classifier sees of one or several pictures: numbers to compare pictures by."""
    served = classifier_of(request, model)
    async with admitted(request) as uploads:
        began = time.perf_counter()
        told = await each_picture(request, served, uploads, served.embed)
        answers = [
            Embedding(path=u.name, embedding=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else Embedding(path=u.name, embedding=v.ravel().tolist())
            for u, v in zip(uploads, told, strict=True)
        ]
    return Embeddings(model=served.name, embeddings=answers, milliseconds=_since(began))


@api.post("/v1/explain", openapi_extra=PICTURES, responses=ON_PICTURES)
async def explain(
    request: Request, model: Named = None, top: Top = 1, classes: Classes = None
) -> Explanations:
    """Where in each picture the logits of its likeliest classes, or of those named, come from.

    Exact, from one run of the network: a map's mean plus its bias is the class's logit.
    """
    served = classifier_of(request, model)
    chosen = [_class_index(served.info.classes, name) for name in classes or ()]
    async with admitted(request) as uploads:
        began = time.perf_counter()
        told = await each_picture(request, served, uploads, served.explain)
        answers = [
            Explained(path=u.name, width=0, height=0, crop=None, grid=None, maps=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else _explained(u.name, *v, served.info.classes, chosen, top)
            for u, v in zip(uploads, told, strict=True)
        ]
    return Explanations(model=served.name, explanations=answers, milliseconds=_since(began))


@api.post("/v1/branches", openapi_extra=PICTURES, responses=ON_PICTURES)
async def branches(request: Request, model: Named = None, classes: Pair = None) -> Attributions:
    """What each branch of each module adds to a class's logit, the likeliest by default.

    With two classes: to what speaks for the first rather than for the second. It takes gradients,
    so an exported model cannot tell.
    """
    served = classifier_of(request, model)
    chosen = [_class_index(served.info.classes, name) for name in classes or ()]
    async with admitted(request) as uploads:
        began = time.perf_counter()
        told = await each_picture(request, served, uploads, partial(served.branches, chosen))
        answers = [
            Attributed(path=u.name, label="", modules=[], error=v.reason)
            if isinstance(v, UnreadableImageError)
            else _attributed(u.name, *v, served.info.classes)
            for u, v in zip(uploads, told, strict=True)
        ]
    return Attributions(model=served.name, attributions=answers, milliseconds=_since(began))


@api.get("/v1/diagram", responses=DRAWN | NAMED, response_class=Response)
async def draw(request: Request, model: Named = None) -> Response:
    """The network drawn from its table, as SVG."""
    drawn = diagram(served_by(request, model).spec)
    return Response(drawn, media_type="image/svg+xml")


@api.get("/v1/model", responses=NAMED)
async def model_card(request: Request, model: Named = None) -> Card:
    """What a model is: its classes, how it takes pictures, what it costs, what it reached."""
    return card_of(served_by(request, model), house_of(request).shelf.names)


@api.post("/v1/reload", responses=RELOADING)
async def reload(request: Request, model: Named = None) -> Reloaded:
    """Reads the model's file again, all models' where none is named; needs the server's token.

    Requests under way keep the model that they began with. A file that is no model any more is
    refused, 422, and the one that was read before stays.
    """
    house = house_of(request)
    if not house.can_reload:
        raise HTTPException(
            403, "a server without a token takes in no models: start it with --token"
        )
    names = house.shelf.names if model is None else [served_by(request, model).name]
    for name in names:
        await house.shelf.reload(name)
    return Reloaded(reloaded=names)


@api.get("/healthz")
async def healthz() -> Health:
    """Whether the process answers at all."""
    return Health(status="alive")


@api.get("/readyz", responses=problems(s503="It is about to stop."))
async def readyz(request: Request) -> Health:
    """Whether it takes requests: models are ready, and it is not about to stop."""
    if house_of(request).leaving:
        raise HTTPException(503, "the server is about to stop")
    return Health(status="ready")


def _explained(
    path: str,
    explanation: Explanation,
    size: Size,
    classes: Sequence[str],
    chosen: Sequence[int],
    top: int,
) -> Explained:
    best = np.argsort(-explanation.probabilities, kind="stable")[:top]
    biases = np.zeros(len(classes)) if explanation.biases is None else explanation.biases
    return Explained(
        path=path,
        width=size.width,
        height=size.height,
        crop=Rectangle(**explanation.crop._asdict()),
        grid=Rectangle(**explanation.grid._asdict()),
        maps=[
            Map(
                label=classes[i],
                index=int(i),
                probability=min(float(explanation.probabilities[i]), 1.0),
                logit=float(explanation.logits[i]),
                bias=float(biases[i]),
                values=explanation.maps[i].tolist(),
            )
            for i in chosen or best
        ],
    )


def _attributed(
    path: str, answer: Explanation, shares: Sequence[ModuleShares], classes: Sequence[str]
) -> Attributed:
    first, *second = (classes[index] for index in answer.classes)
    modules = [Module(**module.to_json()) for module in shares]
    return Attributed(
        path=path, label=first, against=second[0] if second else None, modules=modules
    )


def _class_index(classes: Sequence[str], name: str) -> int:
    """The class of that name, else of that number; raises 404 where there is none."""
    number = name not in classes and name.isdecimal() and len(name) < MOST_DIGITS
    try:
        return class_index(classes, int(name) if number else name)
    except InputError as error:
        raise HTTPException(404, str(error)) from None


def _labels(probabilities: Floats, classes: Sequence[str], top: int) -> list[Label]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [
        Label(label=classes[i], index=int(i), probability=min(float(probabilities[i]), 1.0))
        for i in best
    ]


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 3)

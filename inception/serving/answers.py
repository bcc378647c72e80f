"""The JSON that a server answers with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class Label(BaseModel):
    """A class with its probability."""

    label: str
    index: int
    probability: float = Field(ge=0, le=1)


class Prediction(BaseModel):
    """The likeliest classes of one picture, best first, or why there are none."""

    path: str = Field(description="what the sender calls the picture")
    top: list[Label]
    error: str | None = None


class Predictions(BaseModel):
    """Answers in the order of the pictures."""

    model: str
    predictions: list[Prediction]
    milliseconds: float = Field(description="from the last byte of the request to the answer")


class Found(BaseModel):
    """An object: its class, how sure that is, its box."""

    label: str
    index: int
    score: float = Field(ge=0, le=1)
    box_xyxy: list[float] = Field(
        min_length=4, max_length=4, description="left, top, right, bottom in the picture's pixels"
    )


class Detection(BaseModel):
    """The objects in one picture, the surest first, or why there are none."""

    path: str
    width: int = Field(description="of the picture as it is shown, in pixels")
    height: int
    objects: list[Found]
    error: str | None = None


class Detections(BaseModel):
    """Answers in the order of the pictures."""

    model: str
    detections: list[Detection]
    milliseconds: float


class Embedding(BaseModel):
    """What the classifier sees of one picture, or why there is nothing."""

    path: str
    embedding: list[float]
    error: str | None = None


class Embeddings(BaseModel):
    """Answers in the order of the pictures."""

    model: str
    embeddings: list[Embedding]
    milliseconds: float


class Rectangle(BaseModel):
    """In the picture's pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Map(Label):
    """Where a class's logit comes from: it is the mean of the values, plus the bias."""

    logit: float
    bias: float
    values: list[list[float]] = Field(description="rows of a grid that lies over `grid`")


class Explained(BaseModel):
    """One picture's maps, the likeliest class first, or why there are none."""

    path: str
    width: int = Field(description="of the picture, in pixels")
    height: int
    crop: Rectangle | None = Field(description="what the network saw")
    grid: Rectangle | None = Field(description="where the maps lie")
    maps: list[Map]
    error: str | None = None


class Explanations(BaseModel):
    """Answers in the order of the pictures."""

    model: str
    explanations: list[Explained]
    milliseconds: float


class Module(BaseModel):
    """A module's part in a class's logit, and its branches'."""

    module: str
    total: float = Field(description="gradient times value, over all it gives")
    branches: dict[str, float] = Field(description="they add up to the total")
    shares: dict[str, float] = Field(description="they add up to 1, unless the total is 0")


class Attributed(BaseModel):
    """One picture's modules from the first to the last, or why there are none."""

    path: str
    label: str = Field(description="the class that is attributed")
    against: str | None = Field(default=None, description="the class that it is compared with")
    modules: list[Module]
    error: str | None = None


class Attributions(BaseModel):
    """Answers in the order of the pictures."""

    model: str
    attributions: list[Attributed]
    milliseconds: float


class Finding(BaseModel):
    """How a detector finds objects."""

    mode: str = Field(description="fast: pictures pass once; rcnn: each region does")
    stage: str = Field(description="whose features are pooled in each region")
    search: dict[str, Any] = Field(description="how regions are proposed")
    most_regions: int
    boxes: bool = Field(description="whether regions are moved to their objects")
    scoring: str


class Card(BaseModel):
    """What a model is, how it takes pictures, what it costs and what it reached."""

    name: str
    models: list[str] = Field(description="all that are served, the first where none is named")
    network: str
    classes: list[str]
    preprocessing: dict[str, Any]
    parameters: int
    multiply_adds: int = Field(description="of a picture; with most_regions, of a detector")
    metrics: dict[str, Any]
    licence: str
    parents: list[str]
    engine: str
    file: str
    explains: bool = Field(description="whether /v1/explain has maps of it")
    branches: bool = Field(description="whether /v1/branches works with it")
    finding: Finding | None = Field(default=None, description="of a detector, for /v1/detect")


class Reloaded(BaseModel):
    """The models read again."""

    reloaded: list[str]


class Health(BaseModel):
    """Whether the server is alive, or ready."""

    status: str

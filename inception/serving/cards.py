"""What a served model says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from inception.detection.detector import Detector, detector_cost
from inception.models.cost import cost
from inception.serving.answers import Card, Finding
from inception.serving.shelf import Served
from inception.weights.model_file import ModelInfo


def card_of(served: Served, names: Sequence[str]) -> Card:
    """A model's card.

    Args:
        served: the model.
        names: of all that are served.
    """
    info = served.info
    own = _classifier(info) if isinstance(info, ModelInfo) else _detector(info.detector)
    return Card(
        name=served.name,
        models=list(names),
        network=served.spec.name,
        metrics=dict(info.metrics),
        licence=info.licence,
        parents=list(info.parents),
        engine=served.engine,
        file=served.path.name,
        explains=served.explains,
        branches=served.attributes,
        **own,
    )


def _classifier(info: ModelInfo) -> dict[str, Any]:
    count = cost(info.spec)
    return {
        "classes": list(info.classes),
        "preprocessing": info.preprocessing.to_json(),
        "parameters": count.parameters,
        "multiply_adds": count.multiply_adds,
    }


def _detector(detector: Detector) -> dict[str, Any]:
    count = detector_cost(detector, detector.most_regions)
    return {
        "classes": list(detector.classes),
        "preprocessing": detector.backbone.preprocessing.to_json(),
        "parameters": count.parameters,
        "multiply_adds": count.multiply_adds,
        "finding": Finding(
            mode=detector.mode,
            stage=detector.stage,
            search=asdict(detector.search),
            most_regions=detector.most_regions,
            boxes=detector.boxes,
            scoring=detector.scoring,
        ),
    }

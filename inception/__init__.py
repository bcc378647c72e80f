"""The home of GoogLeNet and of every network that grew out of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from inception.errors import InputError
    from inception.evaluation.evaluate import evaluate
    from inception.models import create_model, list_models
    from inception.prediction import load
    from inception.predictor import Predictor
    from inception.training.config import TrainConfig
    from inception.training.run import train

_PLACES = {
    "InputError": "inception.errors",
    "Predictor": "inception.predictor",
    "TrainConfig": "inception.training.config",
    "create_model": "inception.models",
    "evaluate": "inception.evaluation.evaluate",
    "list_models": "inception.models",
    "load": "inception.prediction",
    "train": "inception.training.run",
}

__all__ = [
    "InputError",
    "Predictor",
    "TrainConfig",
    "__version__",
    "create_model",
    "evaluate",
    "list_models",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: ``import inception`` costs no torch."""
    if name not in _PLACES:
        raise AttributeError(f"module 'inception' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion and ``help``."""
    return __all__.copy()

"""Values that a shell completes, from the same lists that check them. No torch here."""

import re
import sys
from collections.abc import Callable

Completions = list[str | tuple[str, str]]


def networks() -> Completions:
    """Names of architectures."""
    from inception.models import MODELS

    return list(MODELS)


def recipes() -> Completions:
    """Names of recipes, with their networks."""
    from inception.training.recipes import RECIPES

    return [(name, config.model or "any network") for name, config in RECIPES.items()]


def settings(incomplete: str) -> Completions:
    """``name=`` for each setting of a run; after that its values, where those are a list."""
    from inception.training.config import TrainConfig, settings_help

    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [
            (start.partition("=")[0] + "=", _short(about)) for start, _, about in settings_help()
        ]
    known = name in TrainConfig.__dataclass_fields__
    return [f"{name}={value}" for value in choices(name)()] if known else []


def choices(name: str) -> Callable[[], Completions]:
    """Gives the values of a setting that has a list of them."""

    def values() -> Completions:
        from inception.training.config import TrainConfig

        return list(TrainConfig.__dataclass_fields__[name].metadata["choices"])

    return values


def formats() -> Completions:
    """What ``export`` writes."""
    from inception.export.formats import FORMATS

    return list(FORMATS)


def precisions() -> Completions:
    """In which numbers ``export`` writes."""
    from inception.export.formats import FORMATS

    return list(dict.fromkeys(p for each in FORMATS.values() for p in each.precisions))


def engines() -> Completions:
    """What runs a network."""
    from inception.runtime import ENGINES

    return list(ENGINES)


def resizes() -> Completions:
    """How pictures come to the size of FID's network."""
    from inception.fid.resize import RESIZES

    return [(name, resize.about) for name, resize in RESIZES.items()]


def attacks() -> Completions:
    """How an adversary changes pictures."""
    return ["fgsm", "pgd"]


def devices() -> Completions:
    """Where torch computes."""
    return ["auto", "cpu", "cuda", *(["mps"] if sys.platform == "darwin" else [])]


def splits() -> Completions:
    """Parts of a data set."""
    return ["train", "val", "test", "all"]


def crop_counts() -> Completions:
    """Squares shown of a picture."""
    from inception.data.crops import COUNTS

    return list(map(str, COUNTS))


def _short(about: str) -> str:
    """Its first part, which a shell shows in one line."""
    return re.split("[,;:(]", about)[0].strip()

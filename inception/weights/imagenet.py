"""The 1000 classes of ImageNet's challenge, in the order of every public network's outputs.

``imagenet-classes.txt`` has a line a class: the id of its synset in WordNet 3.0, and the first of
the synset's words. Three pairs share that word but for capitals; there a word of our own in
brackets tells them apart, as in ``crane (bird)`` and ``crane (machine)``.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

CLASSES_FILE = Path(__file__).parent / "imagenet-classes.txt"
BACKGROUND = "background"  # TensorFlow's class 0, which no picture of the challenge has


class ImageNetClass(NamedTuple):
    """A class: WordNet's id, which folders of ImageNet are called by, and a name of its own."""

    wordnet_id: str
    name: str


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The classes, in order."""
    lines = CLASSES_FILE.read_text("utf-8").splitlines()
    return tuple(ImageNetClass(*line.split(" ", 1)) for line in lines)


def imagenet_names(*, background: bool = False) -> tuple[str, ...]:
    """The classes' names, all different, in order; with ``background`` before them, 1001."""
    names = tuple(c.name for c in imagenet_classes())
    return (BACKGROUND, *names) if background else names

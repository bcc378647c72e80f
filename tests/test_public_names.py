"""What someone sees who looks around in Python: names, help, short reprs."""

import doctest
import inspect
import pydoc
from pathlib import Path

import pytest
import torch
from colours import colour_picture

import inception
from inception.data.datasets import open_data
from inception.models import MODELS
from inception.training.config import TrainConfig

NAMES = [name for name in inception.__all__ if name != "__version__"]
LONGEST = 300  # characters that a repr prints


def test_completion_and_help_show_the_public_names() -> None:
    assert dir(inception) == sorted(inception.__all__)
    told = pydoc.plain(pydoc.render_doc(inception))
    names = {*inception.__all__} - {"__version__"}
    missing = [name for name in (*names, inception.__version__) if name not in told]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(inception, name))


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            (tmp_path / "pets" / split / label).mkdir(parents=True)
            for number in range(2):
                path = tmp_path / "pets" / split / label / f"{number}.png"
                colour_picture((40 * number, 90, 200), len(split) + number).save(path)
    colour_picture((200, 90, 40), 0).save("photo.jpg")
    public = {n: getattr(inception, n) for n in NAMES} | {"torch": torch}
    (example,) = doctest.DocTestFinder(recurse=False).find(public[name], name, globs=public)
    assert example.examples
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    assert told == []


def test_reprs_are_short(colours: Path) -> None:
    data = open_data(colours)
    model = inception.load("cats-and-dogs")
    things = [*MODELS.values(), model, model.info, data, *data.splits.values(), TrainConfig()]
    assert {repr(thing) for thing in things if len(repr(thing)) > LONGEST} == set()
    assert repr(model) == (
        "Model(Spec('googlenet_bn_pruned', 2 classes, 144 px), classes=('cat', 'dog'))"
    )
    assert repr(data.splits["val"]) == "Dataset('val', 16 pictures, classes=('green', 'red'))"
    assert repr(TrainConfig(epochs=3)) == "TrainConfig(epochs=3)"

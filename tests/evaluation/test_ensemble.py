"""Several models together, against the mean of their probabilities taken by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inception import evaluate, load
from inception.data.crops import views
from inception.data.images import read_image
from inception.errors import InputError
from inception.evaluation.ensemble import find_ensemble
from inception.runtime import Floats
from inception.runtime.torch_engine import TorchEngine

MakeModel = Callable[..., Path]
SEVEN = ("blue", "green", "black", "red", "grey", "white", "pink")  # of make_model, unsorted


def probabilities_of(model: Path, pictures: list[Path], crops: int) -> Floats:
    """``[pictures, crops, classes]``, one picture after the other."""
    loaded = load(model)
    engine = TorchEngine(loaded.network, device="cpu")
    return np.stack(
        [
            engine.run(views(read_image(p), loaded.preprocessing, crops))["probabilities"]
            for p in pictures
        ]
    )


@pytest.mark.parametrize("crops", [1, 12, 144])
def test_probabilities_are_averaged_over_crops_then_over_models(
    make_model: MakeModel, odd_pictures: Path, crops: int
) -> None:
    models = [make_model(0), make_model(1, size=20, width=6), make_model(2)]
    pictures = sorted((odd_pictures).rglob("*.png"))
    labels = np.array([SEVEN.index(p.parent.name) for p in pictures])
    each = [probabilities_of(model, pictures, crops).mean(axis=1) for model in models]
    by_hand: npt.NDArray[np.float64] = np.mean(np.array(each, dtype=np.float64), axis=0)
    result = evaluate(models, odd_pictures, crops=crops, batch_size=50, threads=1)
    chosen = by_hand[np.arange(21), labels]
    assert result.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert result.top1_accuracy == (by_hand.argmax(axis=1) == labels).mean()
    ranks = (by_hand > chosen[:, None]).sum(axis=1)
    assert result.top5_accuracy == (ranks < 5).mean()
    assert result.images == 21 and result.crops == crops and result.classes == SEVEN
    assert result.models == tuple(map(str, models))
    assert result.to_json()["models"] == [str(model) for model in models]


def test_a_list_of_one_is_the_model_itself(make_model: MakeModel, odd_pictures: Path) -> None:
    model = make_model(0)
    alone, listed = evaluate(model, odd_pictures), evaluate([str(model)], odd_pictures)
    assert alone.loss == listed.loss and alone.models == listed.models == (str(model),)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("blue", "green", "red"), r"class 2 is 'black' in .*0\.safetensors, 'red' in .*1\."),
        (("blue", "green", "black"), "class 3 is 'red' in .*, no such class in .*1"),
        ((*SEVEN, "cyan"), "class 7 is no such class in .*, 'cyan' in .*1"),
    ],
)
def test_members_must_agree_on_classes_and_their_order(
    make_model: MakeModel, classes: tuple[str, ...], message: str
) -> None:
    models = [make_model(0), make_model(1, classes=classes)]
    with pytest.raises(InputError, match=f"same classes in the same order: {message}"):
        find_ensemble(models)


def test_an_ensemble_of_none_is_refused(odd_pictures: Path) -> None:
    with pytest.raises(InputError, match="at least one model"):
        evaluate([], odd_pictures)

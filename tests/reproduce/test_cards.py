"""Cards: what they need, when they miss, and one that really trains."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from inception.errors import InputError
from inception.models import MODELS
from inception.models.spec import CLASSES, Flatten, Layers, Linear, Pool, Spec
from inception.reproduce.cards import CARDS, DIGITS, Card, Outcome, find_data, get_card, run_card


@pytest.fixture
def colour_card(tmp_path: Path) -> Card:
    """Trains an average of the picture and a linear layer to tell red from green."""
    classifier: dict[str, Layers] = {"flatten": Flatten(), "logits": Linear(CLASSES)}
    spec = Spec("mean", {"pool": Pool("average", grid=1)}, classifier)
    path = tmp_path / "mean.json"
    path.write_text(json.dumps(spec.to_json()), "utf-8")
    settings = (f"model={path}", "image_size=16", "epochs=4", "batch_size=8", "lr=0.1")
    return Card("colours", "red against green", "colours", 1.0, 0.1, 0.1, "", settings=settings)


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_a_card_is_complete(card: Card) -> None:
    assert 0 < card.tolerance < card.expected <= 1
    assert card.minutes > 0 and card.commit and card.about
    config = card.config()  # refuses a setting that is none
    assert config.seed == card.seed
    assert config.model in (None, *MODELS)
    assert (card.model is None) or not card.settings


def test_an_unknown_card_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'cats-and-dogs'"):
        get_card("cats-and-dog")


@pytest.mark.parametrize(
    ("away", "holds"),
    [(0, True), (-0.0010, True), (0.0010, True), (-0.0015, False), (0.0015, False)],
)
def test_a_rerun_misses_outside_the_tolerance(away: float, holds: bool) -> None:
    card = CARDS["cats-and-dogs"]
    assert card.tolerance == 0.001
    assert Outcome(card, card.expected + away, 1.0).holds == holds


def test_data_are_looked_for_in_the_folder_given_or_that_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, place = CARDS["ants-bees"], tmp_path / "ants-bees"
    place.mkdir()
    monkeypatch.delenv("INCEPTION_DATA", raising=False)
    assert find_data(card, tmp_path) == find_data(card, place) == place
    with pytest.raises(InputError, match=r"give --data FOLDER.*or set INCEPTION_DATA"):
        find_data(card, None)
    monkeypatch.setenv("INCEPTION_DATA", str(tmp_path))
    assert find_data(card, None) == place
    with pytest.raises(InputError, match=r"there is no .*cifar10"):
        find_data(CARDS["cifar10"], None)


def test_digits_are_made_where_they_are_needed() -> None:
    place = find_data(CARDS["digits"], None)
    assert place.name == DIGITS
    assert len(list(place.glob("*/*/*.png"))) == 1797


def test_a_card_trains_and_is_compared(colour_card: Card, colours: Path, tmp_path: Path) -> None:
    data = find_data(colour_card, colours)
    outcome = run_card(colour_card, data, out=str(tmp_path / "run"), threads=1)
    assert outcome.holds and outcome.seconds > 0
    shipped = replace(colour_card, model=str(tmp_path / "run"), expected=0.1, split="val")
    again = run_card(shipped, data, threads=1)
    assert again.top1_accuracy == outcome.top1_accuracy
    assert not again.holds
    assert again.to_json()["command"].startswith("inception evaluate ")

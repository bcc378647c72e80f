"""Settings: parsing, checking, JSON."""

import json
from dataclasses import Field, fields
from typing import Any

import pytest

from inception.errors import InputError
from inception.training.config import TrainConfig, settings_help
from inception.training.recipes import RECIPES, recipe


def test_settings_are_read_by_the_type_of_their_field() -> None:
    config = TrainConfig().with_settings(
        ["epochs=3", "lr=1e-3", "nesterov=false", "area=0.08,1", "clip_norm=2", "model=googlenet"]
    )
    assert (config.epochs, config.lr, config.nesterov) == (3, 1e-3, False)
    assert (config.area, config.clip_norm, config.model) == ((0.08, 1.0), 2.0, "googlenet")
    assert config.with_settings(["clip_norm=none"]).clip_norm is None
    assert config.with_settings(["mirror=false"]).mirror is False
    assert config.with_settings(["progressive=64"]).progressive == (64,)
    assert config.with_settings(["progressive=none"]).progressive == ()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "a setting is key=value; got 'epochs'"),
        ("epoch=3", "no setting named 'epoch'; did you mean 'epochs'"),
        ("epochs=three", "epochs takes a whole number; got 'three'"),
        ("lr=fast", "lr takes a number; got 'fast'"),
        ("nesterov=maybe", "nesterov takes true or false"),
        ("area=1", "area takes numbers with commas between, LOW,HIGH"),
        ("area=0,1", "crop areas are shares"),
        ("progressive=64;96", "progressive takes numbers with commas"),
        ("progressive=0,96", "progressive sizes must be above 0"),
        ("epochs=0", "epochs must be above 0"),
        ("optimiser=adam", "no optimiser named 'adam'; did you mean 'adamw'"),
        ("augment=hard", "no augmentation named 'hard'"),
        ("label_smoothing=2", "label_smoothing must be from 0 to 1"),
        ("seed=-1", "seed must be 0 or more; got -1"),
        ("threads=9999", "threads must be above 0, at most 1024; got 9999"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainConfig().with_settings([setting])


NUMBERS = [f.name for f in fields(TrainConfig) if str(f.type).startswith(("int", "float"))]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", str(10**400), "1e999"])
def test_no_number_is_endless_or_below_its_range(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"^{name} (must be|takes) "):
        TrainConfig().with_settings([f"{name}={value}"])


@pytest.mark.parametrize("field", fields(TrainConfig), ids=lambda f: f.name)
@pytest.mark.parametrize("value", [object(), {"a": 1}, [1], b"x", True, "3", 1.5])
def test_a_value_of_another_type_is_refused(field: Field[Any], value: object) -> None:
    """As JSON that was written by hand may hold them."""
    try:
        config = TrainConfig.from_json({field.name: value})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        kept = getattr(config, field.name)
        assert str(field.type).startswith(type(kept).__name__) or isinstance(kept, str)


def test_help_names_every_setting_with_its_values() -> None:
    lines = {name: (values, about) for name, values, about in settings_help()}
    assert len(lines) == len(fields(TrainConfig)) - 1  # all but the recipe
    assert lines["lr=0.05"] == ("above 0", "peak learning rate")
    assert lines["momentum=0.9"][0] == "from 0 to 1"
    assert lines["optimiser=sgd"][0] == "sgd, adamw, muon, rmsprop"
    assert lines["mirror=none"][0] == "true or false"
    assert all(values for values, _ in lines.values())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    config = recipe(name)
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_default_recipe_is_the_published_one() -> None:
    c = recipe("default")
    assert (c.optimiser, c.schedule, c.lr, c.batch_size) == ("sgd", "one_cycle", 0.05, 64)
    assert (c.momentum, c.nesterov, c.weight_decay, c.aux_weight) == (0.9, True, 2e-4, 0.3)
    a = c.augmentation()
    assert (a.area, a.mirror) == ((0.3, 1.0), True)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(InputError, match="no recipe named 'defualt'; did you mean 'default'"):
        recipe("defualt")


def test_pictures_grow_in_equal_shares_of_the_epochs() -> None:
    config = TrainConfig(image_size=128).with_settings(["progressive=64,96"])
    assert [config.train_size(e, 7) for e in range(7)] == [64, 64, 64, 96, 96, 128, 128]
    assert TrainConfig(image_size=96).train_size(0, 1) == 96

"""Specs as data: JSON, names, changes."""

import json
from dataclasses import replace

import pytest

from inception.errors import InputError
from inception.models import MODELS, get_spec, list_models
from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Linear,
    Norm,
    Pool,
    Residual,
    Spec,
    concrete,
    layers_from_json,
    layers_to_json,
    map_layers,
    separable,
)


def test_every_layer_kind_survives_json() -> None:
    layers = {
        "a": separable(8, kernel=(1, 7), norm=Norm(eps=1e-5, scale=False)),
        "b": Residual(
            {"x": Branches({"p": Conv(4, padding="same", bias=True), "q": Pool("max", 3)})},
            shortcut=Conv(4, activation=None),
            scale=0.17,
            activation=None,
        ),
        "c": Linear(CLASSES, activation="tanh"),
    }
    assert layers_from_json(json.loads(json.dumps(layers_to_json(layers)))) == layers


def test_an_unknown_layer_kind_is_named() -> None:
    with pytest.raises(InputError, match=r"no layer kind named 'convv'; did you mean 'conv'"):
        layers_from_json({"a": {"layer": "convv"}})


@pytest.mark.parametrize("values", [{}, {"name": "x"}, {"stages": 3}])
def test_json_that_is_no_network_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"not a network|stages: takes"):
        Spec.from_json(values)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no model named 'googlenetbn'; did you mean"):
        get_spec("googlenetbn")


def test_names_are_listed_by_pattern() -> None:
    assert list_models("*_bn") == ["googlenet_bn", "vgg16_bn", "vgg19_bn"]
    assert len(list_models()) == len(MODELS)


def test_dropping_a_layer_keeps_the_order_of_the_others() -> None:
    layers = {"a": Conv(1), "b": Pool("max", 3), "c": Conv(2)}
    kept = map_layers(layers, lambda layer: {} if isinstance(layer, Pool) else layer)
    assert kept == {"a": Conv(1), "c": Conv(2)}


def test_classes_become_a_number_everywhere() -> None:
    layers = {"a": Conv(CLASSES), "b": Branches({"c": Linear(CLASSES)})}
    assert concrete(layers, 7) == {"a": Conv(7), "b": Branches({"c": Linear(7)})}


def test_the_digest_is_of_what_is_computed_and_not_of_labels() -> None:
    spec = MODELS["inception_v3"]
    assert replace(spec, name="mine", departures=("none",)).digest() == spec.digest()
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))).digest() == spec.digest()
    assert len({each.digest() for each in MODELS.values()}) == len(MODELS)
    how = replace(spec.preprocessing, mean=(0, 0, 0))
    assert replace(spec, preprocessing=how).digest() != spec.digest()


def test_the_digest_does_not_depend_on_how_a_number_is_written() -> None:
    def digest(conv: Conv) -> str:
        return replace(MODELS["lenet5"], stages={"conv": conv}).digest()

    assert digest(Conv(4, 3, padding=(1, 1))) == digest(Conv(4, (3, 3), padding=1))
    assert digest(Conv(4, 3)) != digest(Conv(4, (3, 1)))


def test_the_digest_stays_what_it_is() -> None:
    assert MODELS["lenet5"].digest() == "057f8ee977fa0409b1dc52787e740a73"

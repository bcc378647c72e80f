"""Specs as data: JSON, names, changes."""

import json
from collections.abc import Callable

import pytest

from inception.errors import InputError
from inception.models import MODELS, get_spec, list_models
from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Dropout,
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
    with pytest.raises(InputError, match="not a network"):
        Spec.from_json(values)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no model named 'googlenetbn'; did you mean"):
        get_spec("googlenetbn")


def test_names_are_listed_by_pattern() -> None:
    assert list_models("*_bn") == ["googlenet_bn", "vgg16_bn", "vgg19_bn"]
    assert len(list_models()) == len(MODELS)


def test_a_head_after_no_stage_is_refused() -> None:
    with pytest.raises(InputError, match="no stage named"):
        Spec("x", {"conv1": Conv(4)}, Linear(CLASSES), aux={"conv2": Linear(CLASSES)})


def test_width_and_multiplier_exclude_each_other() -> None:
    with pytest.raises(InputError, match="either a width or a depthwise multiplier"):
        Conv(8, multiplier=2)


def test_dropping_a_layer_keeps_the_order_of_the_others() -> None:
    layers = {"a": Conv(1), "b": Pool("max", 3), "c": Conv(2)}
    kept = map_layers(layers, lambda layer: {} if isinstance(layer, Pool) else layer)
    assert kept == {"a": Conv(1), "c": Conv(2)}


def test_classes_become_a_number_everywhere() -> None:
    layers = {"a": Conv(CLASSES), "b": Branches({"c": Linear(CLASSES)})}
    assert concrete(layers, 7) == {"a": Conv(7), "b": Branches({"c": Linear(7)})}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(0), "width of a Conv must be a whole number from 1; got 0"),
        (lambda: Conv(8, kernel=(3, -1)), "kernel of a Conv"),
        (lambda: Conv("many"), "got 'many'"),
        (lambda: Pool("max"), "a kernel, a grid or both"),
        (lambda: Pool("max", kernel=3, stride=0), "stride of a Pool"),
        (lambda: Linear(1.5), "width of a Linear"),
        (lambda: Dropout(40), "0 to 1; got 40"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()

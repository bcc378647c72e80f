"""What every network of ``MODELS`` must do, each at the smallest picture it takes."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inception.errors import InputError
from inception.models import MODELS
from inception.models.build import build, build_empty
from inception.models.cost import cost, smallest_size
from inception.models.network import InceptionNet
from inception.models.spec import Spec

CLASSES = 7


@pytest.fixture(scope="module", params=MODELS)
def spec(request: pytest.FixtureRequest) -> Spec:
    return replace(MODELS[request.param], num_classes=CLASSES)


@pytest.fixture(scope="module")
def network(spec: Spec) -> Iterator[InceptionNet]:
    """One network at a time is in memory."""
    torch.manual_seed(0)
    yield build(spec)


@pytest.fixture(scope="module")
def shapes(spec: Spec) -> InceptionNet:
    """The same without memory."""
    return build_empty(spec).eval()


def pictures(spec: Spec, count: int = 2) -> Tensor:
    size = smallest_size(spec)
    rng = torch.Generator().manual_seed(0)
    return torch.randn(count, spec.in_channels, size, size, generator=rng)


def nothing(spec: Spec, size: int) -> Tensor:
    return torch.empty(1, spec.in_channels, size, size, device="meta")


def test_a_spec_survives_json(spec: Spec) -> None:
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_parameters_are_those_torch_holds(spec: Spec, shapes: InceptionNet) -> None:
    counted = sum(p.numel() for p in shapes.parameters())
    assert counted == cost(spec).parameters_with_aux


@pytest.mark.parametrize("extra", [0, 37])
@torch.no_grad()
def test_features_have_the_counted_shapes(spec: Spec, shapes: InceptionNet, extra: int) -> None:
    size = spec.image_size + extra
    features = shapes.features(nothing(spec, size))
    expected = {s.name: tuple(s.end.shape) for s in cost(spec, size).stages[:-1]}
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == expected
    channels = {name: f.shape[1] for name, f in features.items()}
    assert channels == shapes.stage_channels


@torch.no_grad()
def test_strides_are_how_features_grow_with_the_picture(spec: Spec, shapes: InceptionNet) -> None:
    """A picture larger by 32 px, a multiple of every stride, has 32 / stride more values a side."""
    size = spec.image_size
    before, after = (shapes.features(nothing(spec, s)) for s in (size, size + 32))
    maps = [name for name in before if after[name].shape[2] > 1]  # the rest is pooled whole
    grown = {name: after[name].shape[2] - before[name].shape[2] for name in maps}
    assert grown == {name: 32 // shapes.stage_strides[name] for name in maps}


def test_gradients_reach_every_parameter_and_logits_are_finite(
    spec: Spec, network: InceptionNet
) -> None:
    logits, aux = network.train()(pictures(spec), aux=True)
    assert logits.shape == (2, CLASSES)
    assert {stage: a.shape for stage, a in aux.items()} == dict.fromkeys(spec.aux, (2, CLASSES))
    (logits.square().sum() + sum(a.square().sum() for a in aux.values())).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
    assert all(bool(t.isfinite().all()) for t in (logits, *aux.values()))
    assert [n for n, p in network.named_parameters() if not p.grad.isfinite().all()] == []
    network.zero_grad(set_to_none=True)


@torch.no_grad()
def test_the_order_of_a_batch_does_not_matter(spec: Spec, network: InceptionNet) -> None:
    x = pictures(spec, 3)
    logits = network.eval()(x)
    torch.testing.assert_close(network(x.flip(0)).flip(0), logits, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_classifier_on_the_embedding_is_the_network(spec: Spec, network: InceptionNet) -> None:
    x = pictures(spec)
    torch.testing.assert_close(
        network.eval().trained_classifier().eval()(network.embed(x)), network(x)
    )


@torch.no_grad()
def test_an_embedding_has_as_many_numbers_as_it_says(spec: Spec, shapes: InceptionNet) -> None:
    assert shapes.embed(nothing(spec, spec.image_size)).shape == (1, shapes.num_features)


def test_too_small_a_picture_is_refused(spec: Spec, network: InceptionNet) -> None:
    size = network.smallest_size
    assert size <= spec.image_size
    if size > 1:
        with pytest.raises(InputError, match=f"{spec.name} needs .* at least {size} px"):
            network(torch.zeros(1, spec.in_channels, size - 1, size - 1))


def test_torch_export_takes_it(spec: Spec, network: InceptionNet) -> None:
    x = pictures(spec)
    with torch.no_grad():
        program = torch.export.export(network.eval(), (x,))
        torch.testing.assert_close(program.module()(x), network(x))


def test_the_classifier_is_replaced(spec: Spec, network: InceptionNet) -> None:
    """Last, since it changes the network."""
    before = {n: p.clone() for n, p in network.named_parameters() if "logits" not in n}
    network.reset_classifier(3)
    assert network.spec.num_classes == 3
    with torch.no_grad():
        logits, aux = network.eval()(pictures(spec), aux=True)
    assert {tuple(a.shape) for a in (logits, *aux.values())} == {(2, 3)}
    after = dict(network.named_parameters())
    assert all(torch.equal(after[n], p) for n, p in before.items())
    assert build_empty(network.spec).state_dict().keys() == network.state_dict().keys()

"""The same space over signals: pictures 1 px high, windows as high."""

from dataclasses import replace

import pytest
import torch

from inception.errors import InputError
from inception.models import create_model, get_spec
from inception.models.build import build_empty
from inception.models.cost import cost
from inception.models.shapes import pair
from inception.models.spec import Conv, Pool, Spec, leaves
from inception.models.variants import for_signals
from inception.search.budget import Budget, Pricing, fitted
from inception.search.memory import peak_activations
from inception.search.sampling import Dice, Told, draw, hand_made, parameters_of, signal_space
from inception.search.space import SIGNAL_KERNELS, Genome, decode, encode

SPACE = signal_space(3, 50, modules=((1, 2), (1, 3)))


@pytest.mark.parametrize("seed", range(12))
def test_a_candidate_for_signals_costs_what_the_built_network_does(seed: int) -> None:
    spec = decode(draw(SPACE, Dice(seed)), num_classes=4)
    built = build_empty(spec)
    assert cost(spec).parameters == sum(p.numel() for p in built.parameters())
    assert cost(spec, (1, 50)).multiply_adds == multiply_adds(spec, 50)
    assert Spec.from_json(spec.to_json()) == spec


def multiply_adds(spec: Spec, length: int) -> int:
    """Counted from what the convolutions of a network of torch's own are given and give."""
    network, total = create_model(spec).eval(), 0

    def count(module: torch.nn.Module, given: object, out: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        total += weight[0].numel() * out[0].numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, spec.in_channels, 1, length))
    return total


@pytest.mark.parametrize("seed", range(8))
def test_a_genome_for_signals_survives_spec_parameters_and_json(seed: int) -> None:
    genome = draw(SPACE, Dice(seed))
    spec = decode(replace(genome, width=1.0), num_classes=4)
    assert decode(encode(spec), num_classes=4).digest() == spec.digest()
    assert encode(spec).signal_channels == 3
    assert draw(SPACE, Told(parameters_of(genome))) == genome
    assert Genome.from_json(genome.to_json()) == genome


def test_all_windows_of_a_network_for_signals_are_as_high_as_they() -> None:
    kernels = set()
    for seed in range(12):
        genome = draw(SPACE, Dice(seed))
        kernels |= {s.kernel for stage in genome.stages for m in stage for s in m.spatial}
        for layer in leaves(decode(genome).stages):
            if isinstance(layer, Conv | Pool) and layer.kernel is not None:
                assert (pair(layer.kernel)[0], pair(layer.stride)[0]) == (1, 1)
    assert kernels == set(SIGNAL_KERNELS)


def test_the_hand_made_table_lies_down_with_its_widths() -> None:
    space = signal_space(3, 50, modules=((2, 2), (5, 5), (2, 2)))
    spec = decode(draw(space, Told(hand_made(space))))
    lying = for_signals(get_spec("googlenet_bn"), 3)
    # a 3x3 lying down has a third of its weights: the same layers under other names
    assert cost(spec, (1, 224)).multiply_adds == cost(lying, (1, 224)).multiply_adds
    assert cost(spec).parameters == cost(lying).parameters


def test_a_signal_sees_as_far_along_the_time_as_a_picture_does_on_a_side() -> None:
    flat, square = for_signals(get_spec("googlenet_bn"), 3), get_spec("googlenet_bn")
    here, there = (cost(s, size).stages for s, size in ((flat, (1, 224)), (square, (224, 224))))
    assert [s.end.receptive_field for s in here] == [s.end.receptive_field for s in there]
    assert [s.end.stride for s in here] == [s.end.stride for s in there]


def test_budgets_hold_for_signals() -> None:
    pricing = Pricing(height=1)
    drawn = [fitted(draw(SPACE, Dice(seed)), Budget(400_000), pricing, 4) for seed in range(10)]
    fitting = [decode(genome, 4) for genome in drawn if genome]
    assert len(fitting) > 3
    for spec in fitting:
        assert pricing.of(spec).multiply_adds == cost(spec, (1, 50)).multiply_adds <= 400_000
        assert pricing.of(spec).activation_mb == peak_activations(spec, (1, 50)) / 1e6


def test_a_network_for_pictures_refuses_a_signal() -> None:
    network = create_model(replace(get_spec("lenet5"), aux={})).eval()
    with pytest.raises(InputError, match=r"lenet5 needs pictures of at least \d+ px a side; got 1"):
        network(torch.zeros(1, 1, 1, 64))

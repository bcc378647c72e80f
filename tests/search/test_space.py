"""The space holds the networks people made, and whatever is drawn from it can be built."""

from dataclasses import replace
from typing import Any

import pytest

from inception.errors import InputError
from inception.models import MODELS, create_model, get_spec
from inception.models.build import build_empty
from inception.models.check import check
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.search.sampling import Dice, Space, Told, draw, hand_made, parameters_of, ranges
from inception.search.space import Genome, decode, encode

INSIDE = ("googlenet", "googlenet_bn", "googlenet_small", "googlenet_naive", "bn_inception")
SMALL = Space(modules=((1, 2), (1, 2), (1, 1)))


@pytest.mark.parametrize("name", INSIDE)
def test_networks_people_made_are_points_of_the_space(name: str) -> None:
    spec = get_spec(name)
    if name == "googlenet_naive":  # its space has no heads
        spec = replace(spec, aux=get_spec("googlenet").aux)
    decoded = decode(encode(spec))
    assert decoded.digest() == spec.digest()
    assert dict(decoded.stages) == dict(spec.stages)


def test_googlenets_point_has_the_published_number_of_parameters() -> None:
    assert cost(decode(encode(get_spec("googlenet")))).parameters == 6_998_552


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(INSIDE) - {"googlenet_tv"}))
def test_what_is_no_point_of_the_space_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} is no point"):
        encode(get_spec(name))


@pytest.mark.parametrize("seed", range(20))
def test_every_candidate_builds_at_the_cost_that_is_counted(seed: int) -> None:
    """Every kernel and every way of halving comes up among them."""
    spec = decode(draw(Space(image_sizes=(64, 96)), Dice(seed)), num_classes=3)
    check(spec)
    built = build_empty(spec)
    counted = sum(p.numel() for n, p in built.named_parameters() if not n.startswith("aux."))
    assert cost(spec).parameters == counted
    assert Spec.from_json(spec.to_json()) == spec


def test_a_candidate_computes_on_the_grid_that_is_counted() -> None:
    import torch

    for seed in range(3):
        spec = decode(draw(replace(SMALL, width=(0.25, 0.25)), Dice(seed)), num_classes=3)
        network = create_model(spec).eval()
        with torch.no_grad():
            features = network.features(torch.zeros(1, 3, spec.image_size, spec.image_size))
        ends = {stage.name: tuple(stage.end.shape) for stage in cost(spec).stages}
        assert {n: tuple(x.shape[1:]) for n, x in features.items()} == {
            n: ends[n] for n in features
        }


@pytest.mark.parametrize("seed", range(10))
def test_parameters_draw_the_genome_they_are_of(seed: int) -> None:
    genome = draw(Space(), Dice(seed))
    assert draw(Space(), Told(parameters_of(genome))) == genome
    assert Genome.from_json(genome.to_json()) == genome


@pytest.mark.parametrize("house", ["googlenet_bn", "bn_inception"])
def test_the_hand_made_network_lies_where_a_search_may_draw(house: str) -> None:
    space = Space(house=house)
    asked: dict[str, tuple[Any, ...]] = {}

    class Watching(Told):
        def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
            asked[name] = (low, high, step)
            value = super().suggest_int(name, low, high, step=step)
            assert low <= value <= high, name
            assert (value - low) % step == 0, name
            return value

        def suggest_categorical(self, name: str, choices: Any) -> Any:
            value = super().suggest_categorical(name, choices)
            assert value in choices
            return value

    genome = draw(space, Watching(hand_made(space)))
    assert decode(genome).stages == get_spec(house).stages
    assert len(asked) > 50


def test_widths_drawn_reach_half_and_more_than_the_papers() -> None:
    assert ranges(3)["conv3x3"] == (32, 288)  # 64 in BN-Inception's 3a, 192 in GoogLeNet's 3b
    assert ranges(5)["reduce5x5"] == (16, 288)

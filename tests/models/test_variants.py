"""Variants of networks, against published networks and numbers worked by hand."""

from dataclasses import replace

import pytest
import torch

from inception.errors import InputError
from inception.models import MODELS, create_model
from inception.models.cost import cost
from inception.models.googlenet import GOOGLENET, GOOGLENET_BN, GOOGLENET_SMALL
from inception.models.spec import Conv, Dropout, Spec, leaves
from inception.models.variants import (
    cut_after,
    wider,
    with_aux_heads,
    with_dropout,
    with_head,
    with_norm,
)

BUILT_OF = ("stages", "aux", "classifier", "initialisation", "preprocessing")


def classifier_parameters(spec: Spec) -> int:
    return cost(spec).stages[-1].parameters


def assert_same_network(one: Spec, other: Spec) -> None:
    assert [p for p in BUILT_OF if getattr(one, p) != getattr(other, p)] == []


def test_norms_lead_from_the_paper_s_network_to_the_batch_normed_one_and_back() -> None:
    assert_same_network(with_norm(GOOGLENET, "batch"), GOOGLENET_BN)
    assert_same_network(with_norm(GOOGLENET_BN, "lrn"), GOOGLENET)
    assert_same_network(with_norm(GOOGLENET_BN, "none"), with_norm(GOOGLENET, "none"))


def test_a_network_that_is_so_already_stays_as_it_is() -> None:
    assert with_norm(GOOGLENET_BN, "batch") is GOOGLENET_BN
    assert with_norm(GOOGLENET, "own") == with_norm(GOOGLENET, "lrn") == GOOGLENET
    assert with_head(GOOGLENET, "linear") == with_aux_heads(GOOGLENET, 2) == GOOGLENET
    assert wider(GOOGLENET, 1.0) == with_dropout(GOOGLENET, 0.4) == GOOGLENET


def test_a_network_without_googlenet_s_stem_takes_no_lrn() -> None:
    bare = replace(GOOGLENET_BN, stages={"mixed": GOOGLENET_BN.stages["inception_3a"]}, aux={})
    with pytest.raises(InputError, match="has no stage conv1"):
        with_norm(bare, "lrn")


def test_heads_have_the_parameters_of_the_protocol() -> None:
    assert classifier_parameters(with_head(GOOGLENET, "linear")) == 1_025_000
    assert classifier_parameters(with_head(GOOGLENET, "nin")) == 1_025_000
    assert classifier_parameters(with_head(GOOGLENET, "flatten")) == 50_177_000  # 7x7 of 1,024


def small(head: str) -> Spec:
    spec = wider(replace(GOOGLENET_SMALL, num_classes=3), 0.125)
    return with_head(replace(spec, preprocessing=replace(spec.preprocessing, size=16)), head)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["linear", "flatten", "nin", "cosine"])
def test_every_head_takes_other_picture_sizes(head: str) -> None:
    network = create_model(small(head)).eval()
    for size in (16, 24):
        assert network(torch.randn(2, 3, size, size)).shape == (2, 3)


def test_heads_compute_what_they_are_named_after() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 16, 16)
    for head in ("flatten", "nin"):
        network = create_model(small(head)).eval()
        grid = network.features(x)["inception_5b"]  # [2, 128, 4, 4]
        weight = next(iter(network.logits_layers())).weight
        if head == "flatten":
            expected = grid.flatten(1) @ weight.T
        else:
            maps = torch.einsum("nchw,kc->nkhw", grid, weight[:, :, 0, 0])
            expected = maps.clamp(min=0).mean(dim=(2, 3))
        torch.testing.assert_close(network(x), expected)


def test_one_auxiliary_head_is_the_later_one() -> None:
    one, none = with_aux_heads(GOOGLENET, 1), with_aux_heads(GOOGLENET, 0)
    assert list(one.aux) == ["inception_4d"]
    reduce, hidden, logits = 528 * 128 + 128, 2048 * 1024 + 1024, 1_025_000  # by hand
    assert cost(one).parameters_with_aux == 6_998_552 + reduce + hidden + logits
    assert cost(none).parameters_with_aux == 6_998_552
    with pytest.raises(InputError, match="googlenet has 2 auxiliary heads; got aux_heads=3"):
        with_aux_heads(GOOGLENET, 3)


def test_dropout_is_the_classifier_s() -> None:
    spec = with_dropout(GOOGLENET, 0.1)
    assert Dropout(0.1) in leaves(spec.classifier) and spec.aux == GOOGLENET.aux
    plain = with_head(replace(GOOGLENET, classifier=Conv("classes")), "linear")
    with pytest.raises(InputError, match=r"no dropout to set to 0\.1"):
        with_dropout(plain, 0.1)


def test_twice_as_wide_costs_four_times_as_much() -> None:
    before, after = cost(GOOGLENET), cost(wider(GOOGLENET, 2.0))
    for one, two in zip(before.stages[1:-1], after.stages[1:-1], strict=True):
        assert two.multiply_adds == 4 * one.multiply_adds, one.name
    assert after.stages[0].multiply_adds == 2 * before.stages[0].multiply_adds  # from 3 channels


def test_a_wider_network_s_widths_are_multiples_of_eight() -> None:
    widths = [x.width for x in leaves(wider(GOOGLENET, 1.25).stages) if isinstance(x, Conv)]
    # 64, 64, 192 of the stem and 3a's 64, 96, 128, 16, 32, 32, times 1.25 by hand
    assert widths[:9] == [80, 80, 240, 80, 120, 160, 16, 40, 40]
    assert all(isinstance(w, int) and w % 8 == 0 for w in widths)


@pytest.mark.parametrize("name", MODELS)
def test_a_variant_is_named_among_the_departures_and_survives_json(name: str) -> None:
    for spec in (
        with_head(MODELS[name], "nin"),
        wider(MODELS[name], 1.5),
        with_aux_heads(MODELS[name], 0),
        with_norm(MODELS[name], "none"),
    ):
        assert Spec.from_json(spec.to_json()) == spec
        cost(spec)
        changed = any(getattr(spec, p) != getattr(MODELS[name], p) for p in BUILT_OF)
        assert len(spec.departures) == len(MODELS[name].departures) + changed


def test_a_network_cut_after_a_stage_computes_as_far_as_there() -> None:
    whole = wider(replace(GOOGLENET_SMALL, num_classes=3), 0.125)
    spec = cut_after(whole, "inception_4b")
    assert list(spec.stages) == list(whole.stages)[: list(whole.stages).index("inception_4b") + 1]
    assert list(spec.aux) == ["inception_4a"]  # what hangs on 4d goes
    network, own = create_model(spec).eval(), create_model(whole).eval()
    own.load_state_dict({**own.state_dict(), **_stages_of(network)})
    x = torch.randn(2, 3, 16, 16)
    cut, full = network.features(x), own.features(x)
    assert torch.equal(cut["inception_4b"], full["inception_4b"])
    assert torch.allclose(network.embed(x), full["inception_4b"].mean((2, 3)), atol=1e-6)
    with pytest.raises(InputError, match="no stage named 'inception_4z'; did you mean"):
        cut_after(whole, "inception_4z")


def _stages_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    apart = ("aux.", "classifier.")
    return {n: t for n, t in network.state_dict().items() if not n.startswith(apart)}

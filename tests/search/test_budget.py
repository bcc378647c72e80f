"""Budgets: what is counted, and that nothing over them comes out."""

import weakref
from dataclasses import replace

import pytest
import torch

from inception.errors import InputError
from inception.models import create_model, get_spec
from inception.models.cost import cost
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec, branches
from inception.preprocessing import Preprocessing
from inception.runtime import torch_graph
from inception.runtime.lower import lower
from inception.runtime.torch_graph import ProgramModule
from inception.search.budget import Budget, Price, Pricing, fitted, parse_count
from inception.search.memory import peak_activations
from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode

NARROW = Space(modules=((1, 2), (1, 2), (1, 1)), width=(0.25, 0.25))
MEASURED = {f"candidate {s}": decode(draw(NARROW, Dice(s)), num_classes=3) for s in range(3)}
MEASURED["residual"] = replace(get_spec("xception_small"), num_classes=3)


@pytest.mark.parametrize("name", MEASURED)
def test_peak_memory_is_what_torch_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted at every step from the tensors that are really alive, each storage once."""
    spec, alive, peaks = MEASURED[name], [], []
    real = torch_graph._run

    def watching(step, inputs, tensors, dtype):  # type: ignore[no-untyped-def]
        given = real(step, inputs, tensors, dtype)
        alive.append(weakref.ref(given))
        held = {t.untyped_storage().data_ptr(): t for ref in alive if (t := ref()) is not None}
        peaks.append(sum(t.untyped_storage().nbytes() for t in held.values()))
        return given

    state = create_model(spec).state_dict().items()
    weights = {n: t.numpy() for n, t in state if not n.endswith("num_batches_tracked")}
    module = ProgramModule(lower(spec, weights))
    monkeypatch.setattr(torch_graph, "_run", watching)
    with torch.no_grad():
        module(torch.zeros(1, spec.image_size, spec.image_size, 3, dtype=torch.uint8))
    assert max(peaks) == peak_activations(spec)


def test_peak_memory_of_a_module_worked_by_hand() -> None:
    spec = Spec(
        "tiny",
        {"module": branches(a=Conv(2), b={"reduce": Conv(5), "conv": Conv(4, kernel=3)})},
        {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)},
        num_classes=2,
        preprocessing=Preprocessing(size=8),
    )
    # At each of 64 places: 2 of a and 4 of b beside the 6 they are copied into. Before that 2 of a,
    # 5 of b's reduction and 4 of its 3x3, and 2, 5 and the picture's 3.
    assert peak_activations(spec) == 4 * 64 * 12


def test_googlenets_largest_moment_is_its_first_pool() -> None:
    assert peak_activations(get_spec("googlenet_bn")) == 4 * 64 * (112 * 112 + 56 * 56)


@pytest.mark.parametrize(
    "limit",
    [
        {"multiply_adds": 40_000_000},
        {"parameters": 900_000},
        {"activation_mb": 0.3},
        {"latency_ms": 4.0},
    ],
    ids=str,
)
def test_no_candidate_over_the_budget_comes_out(limit: dict[str, float]) -> None:
    budget = Budget(**limit)  # type: ignore[arg-type]
    pricing = Pricing(lambda spec: cost(spec).multiply_adds / 1e7)
    given = [fitted(draw(Space(), Dice(seed)), budget, pricing, 3) for seed in range(12)]
    fitting = [genome for genome in given if genome]
    assert fitting
    for genome in fitting:
        assert budget.over(pricing.of(decode(genome, 3))) == []


def test_a_candidate_that_fits_keeps_its_widths() -> None:
    genome = draw(Space(), Dice(1))
    assert fitted(genome, Budget(), Pricing(), 3) == genome
    assert fitted(genome, Budget(parameters=1), Pricing(), 3) is None


def test_what_a_price_exceeds_is_told() -> None:
    price = Price(2_000_000, 10, 1.5, None)
    assert Budget(1_000_000, 10, 1.5, 1.0).over(price) == ["multiply adds 2e+06 over 1e+06"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.58G", 1_580_000_000), ("7M", 7_000_000), ("250k", 250_000), ("1_000", 1000), (".5m", 5e5)],
)
def test_counts_are_read_as_people_write_them(text: str, value: float) -> None:
    assert parse_count(text, "budget") == value


@pytest.mark.parametrize("text", ["", "0", "-3", "1.2.3G", "7T", "nan", "G", "1e3"])
def test_counts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"such as 1\.58G"):
        parse_count(text, "--budget-macs")

"""Latency from a table of layer timings: fitted, kept, and the engine's layers in their places."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inception.models import MODELS, get_spec
from inception.models.cost import cost
from inception.search import timing
from inception.search.latency import LayerTable, Timed, Work, fit_table, works
from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode

FACTORS = {"conv": (0.01, 0.02, 0.3, 0.5), "pool": (0.005, 0.0, 0.8, 0.0)}


def made(count: int, noise: float = 0.0) -> list[Timed]:
    rng, timed = np.random.default_rng(0), []
    for _ in range(count):
        done, ms = [], []
        for kind, factors in FACTORS.items():
            for _ in range(6):
                macs = int(rng.integers(1, 50) * 1e5) if kind == "conv" else 0
                work = Work(kind, macs, *(int(n) for n in rng.integers(1e4, 1e6, 2)))
                done.append(work)
                ms.append(float(np.dot(factors, work.features) * (1 + noise * rng.normal())))
        timed.append(Timed(tuple(done), tuple(ms), 1.1 * sum(ms) + 0.2))
    return timed


def test_a_table_finds_what_timings_were_made_of() -> None:
    table = fit_table(made(10), "fp32", {})
    for kind, factors in FACTORS.items():
        assert table.kinds[kind] == pytest.approx(factors, rel=1e-3, abs=1e-6)
    assert (table.scale, table.offset_ms) == pytest.approx((1.1, 0.2), rel=1e-3)


def test_a_layer_that_was_disturbed_moves_little() -> None:
    timed = made(10, noise=0.05)
    first = timed[0]
    disturbed = replace(first, layers_ms=(40.0, *first.layers_ms[1:]))
    tables = [fit_table([each, *timed[1:]], "fp32", {}) for each in (first, disturbed)]
    a, b = (table.layer_ms(first.works[1]) for table in tables)
    assert b == pytest.approx(a, rel=0.1)


def test_no_factor_is_below_0() -> None:
    table = fit_table(made(4, noise=0.4), "fp32", {})
    assert all(factor >= 0 for factors in table.kinds.values() for factor in factors)
    assert LayerTable.from_json(table.to_json()) == table


@pytest.mark.parametrize("name", MODELS)
def test_the_work_is_all_of_the_multiply_adds(name: str) -> None:
    spec = get_spec(name)
    assert sum(work.multiply_adds for work in works(spec)) == cost(spec).multiply_adds


def test_the_engines_layers_find_their_places() -> None:
    pytest.importorskip("openvino")
    genome = draw(Space(modules=((1, 1), (1, 1), (1, 1)), width=(0.25, 0.25)), Dice(4))
    timed = timing.time_network(decode(genome, 2), threads=1, runs=3)
    assert None not in timed.layers_ms
    assert timed.total_ms > 0


def test_a_table_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    asked: list[Any] = []

    def timed(spec: Any, *given: Any, **options: Any) -> Timed:
        asked.append(spec)
        return made(1)[0]

    monkeypatch.setattr(timing, "time_network", timed)
    first, second = timing.layer_table(threads=1), timing.layer_table(threads=1)
    assert first == second
    assert len(asked) == timing.FITTED
    timing.layer_table(threads=2)
    assert len(asked) == 2 * timing.FITTED


def test_a_damaged_table_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(timing, "time_network", lambda *given, **options: made(1)[0])
    first = timing.layer_table(threads=1)
    for file in timing.cache_folder().glob("latency-*.json"):
        file.write_text("{")
    assert timing.layer_table(threads=1) == first

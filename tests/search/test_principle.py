"""Widths from correlations: on activations that were made so that the answer is known."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inception.search.principle import clusters, correlations, effective_rank, proposed

RNG = np.random.default_rng(0)


def made(sources: int, copies: int, radius: int) -> npt.NDArray[Any]:
    """Maps of sources that are spread over so many places, each in several units."""
    noise = RNG.standard_normal((16, sources, 24, 24))
    side = 2 * radius + 1
    padded = np.pad(noise, ((0, 0), (0, 0), *[(radius, radius)] * 2), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    spread = windows.mean(axis=(-1, -2))
    units = np.repeat(spread / spread.std(), copies, axis=1)
    return units + 0.1 * RNG.standard_normal(units.shape)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_units_of_one_source_are_one_cluster_as_wide_as_it_is_spread(radius: int) -> None:
    """Means over 5x5 places keep 0.72 of their correlation a place off, and 0.48 two off."""
    found = clusters(made(6, 3, 2 * radius))
    gathered = sorted(sorted(c.units) for c in found)
    assert gathered == [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(6)]
    assert {c.radius for c in found} == {radius}


def test_a_correlation_is_numpys_own() -> None:
    maps = made(3, 2, 1)
    rows = np.moveaxis(maps, 1, 0).reshape(6, -1)
    np.testing.assert_allclose(correlations(maps, 0), np.abs(np.corrcoef(rows)), atol=1e-12)
    a, b = maps[:, 0, :, 1:].ravel(), maps[:, 3, :, :-1].ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1


def test_rank_counts_sources_and_not_units() -> None:
    assert effective_rank(made(5, 4, 0)) == pytest.approx(5, rel=0.15)
    assert effective_rank(RNG.standard_normal((16, 8, 24, 24))) == pytest.approx(8, rel=0.05)


def test_dead_units_are_in_no_cluster() -> None:
    maps = np.concatenate([made(2, 2, 0), np.zeros((16, 3, 24, 24))], axis=1)
    assert sorted(u for c in clusters(maps) for u in c.units) == [0, 1, 2, 3]


def test_widths_follow_the_clusters() -> None:
    maps = np.concatenate([made(6, 2, 0), made(2, 2, 6)], axis=1)
    widths = proposed(maps, 72, 8)
    assert sum((widths.conv1x1, widths.conv3x3, widths.conv5x5, widths.pool_proj)) == 72
    assert widths.conv1x1 == 40  # six of eight clusters, less the 8 that a 3x3 has at the least
    assert widths.conv5x5 == 16

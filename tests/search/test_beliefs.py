"""What found networks say of the paper's beliefs, held to what Table 1 says."""

import pytest

from inception.models import get_spec
from inception.models.cost import cost
from inception.search.beliefs import beliefs, rank_correlation
from inception.search.space import encode

# shares of outputs from 3x3 and 5x5, by hand from Table 1, 3a to 5b
SHARES = (62.5, 60.0, 50.0, 56.25, 62.5, 66.667, 53.846, 53.846, 50.0)


def test_table_1_has_the_shares_worked_by_hand() -> None:
    told = beliefs(encode(get_spec("googlenet")))
    assert [100 * m.wide_share for m in told.modules] == pytest.approx(SHARES, abs=0.01)
    assert told.rise == pytest.approx(rank_correlation(range(9), SHARES))
    assert told.rise < 0  # it does not rise


def test_reductions_are_shares_of_what_a_module_is_given() -> None:
    first = beliefs(encode(get_spec("googlenet"))).modules[0]
    assert first.reductions == pytest.approx((96 / 192, 16 / 192))


def test_wide_kernels_have_the_multiply_adds_that_are_counted() -> None:
    spec = get_spec("googlenet")
    stage = next(s for s in cost(spec).stages if s.name == "inception_3a")
    wide = sum(r.multiply_adds for r in stage.layers if r.name.endswith(".conv"))
    told = beliefs(encode(spec)).modules[0]
    assert told.wide_adds == pytest.approx(wide / stage.multiply_adds)


def test_modules_that_halve_the_grid_are_left_out() -> None:
    assert len(beliefs(encode(get_spec("bn_inception"))).modules) == 8


@pytest.mark.parametrize(
    ("second", "expected"),
    [((1, 2, 3, 4), 1), ((4, 3, 2, 1), -1), ((1, 1, 1, 1), 0), ((1, 3, 2, 4), 0.8)],
)
def test_rank_correlation_is_spearmans(second: tuple[float, ...], expected: float) -> None:
    assert rank_correlation((10, 20, 30, 40), second) == pytest.approx(expected)

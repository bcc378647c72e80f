"""Lowering takes little memory beside the weights it is given."""

import tracemalloc

import numpy as np
import pytest

from inception.models import MODELS
from inception.models.build import build_empty
from inception.runtime.lower import lower
from inception.runtime.torch_engine import trained


@pytest.mark.parametrize(("name", "most"), [("vgg16", 20e6), ("vgg16_bn", 80e6)])
def test_lowering_copies_no_weight_that_it_does_not_change(name: str, most: float) -> None:
    """Of 0.5 GB of weights only the convolutions of 59 MB get their batch norm folded in."""
    network = build_empty(MODELS[name])
    one = np.ones((), np.float32)
    weights = {n: np.broadcast_to(one, t.shape) for n, t in trained(network).items()}
    tracemalloc.start()
    lower(MODELS[name], weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most

"""Where a picture may leave a network with an answer, and what it has cost by then. No torch."""

from inception.models.cost import cost
from inception.models.spec import Spec

CLASSIFIER = "classifier"


def exit_names(spec: Spec) -> tuple[str, ...]:
    """The stages whose heads may answer, the first in the network first; then the classifier."""
    return (*(stage for stage in spec.stages if stage in spec.aux), CLASSIFIER)


def exit_costs(spec: Spec, *, heads: bool = True) -> dict[str, int]:
    """Multiply-adds of a picture by the exit it leaves at, for pictures of the network's own size.

    Args:
        spec: a network.
        heads: whether the heads it passes are run, and so paid for.
    """
    counted = cost(spec)
    aux = {head.name: head.multiply_adds for head in counted.aux}
    costs, spent = {}, 0
    for stage in counted.stages:
        spent += stage.multiply_adds
        if stage.name in aux:
            costs[stage.name] = spent + aux[stage.name]
            spent += aux[stage.name] * heads
    return {**costs, CLASSIFIER: spent}

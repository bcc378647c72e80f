"""Our own names, of a file that has lost its description or never had one."""

from inception.models import get_spec
from inception.weights.importers.importer import Importer


def own_names(model: str) -> Importer:
    """Reads tensors that are called as in our network of that name."""
    from inception.models.build import build_empty  # torch

    names = build_empty(get_spec(model)).state_dict()
    return Importer("inception", model, "torch", {n: n for n in names}, {}, own_order=True)

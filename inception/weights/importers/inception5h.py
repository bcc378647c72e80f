"""Google's own GoogLeNet, ``tensorflow_inception_graph.pb`` of inception5h: a frozen graph.

Its constants are read from the graph: ports disagree on those of its local response norms.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inception.errors import InputError
from inception.models.googlenet import MODULES
from inception.models.spec import Layers, LocalResponseNorm, Spec
from inception.weights.importers.importer import Importer, within

PARTS = {
    f"{kind}.{ours}": theirs
    for kind in ("conv", "linear")
    for ours, theirs in {"weight": "_w", "bias": "_b"}.items()
}
LAYERS = {
    "conv1": "conv2d0",
    "conv2.reduce": "conv2d1",
    "conv2.conv": "conv2d2",
    **within(
        {f"inception_{module}": f"mixed{module}" for module in MODULES},
        {
            "conv1x1": "1x1",
            "conv3x3.reduce": "3x3_bottleneck",
            "conv3x3.conv": "3x3",
            "conv5x5.reduce": "5x5_bottleneck",
            "conv5x5.conv": "5x5",
            "pool.proj": "pool_reduce",
        },
        "_",
    ),
    "aux.inception_4a.reduce": "head0_bottleneck",
    "aux.inception_4a.hidden": "nn0",
    "aux.inception_4a.logits": "softmax0",
    "aux.inception_4d.reduce": "head1_bottleneck",
    "aux.inception_4d.hidden": "nn1",
    "aux.inception_4d.logits": "softmax1",
    "classifier.logits": "softmax2",
}
FLATTENED = {"aux.inception_4a.hidden": (4, 4), "aux.inception_4d.hidden": (4, 4)}
# the nodes whose attributes decide the grid: ours, theirs
PADDED = {
    "conv1": "conv2d0_pre_relu/conv",
    "pool1": "maxpool0",
    "pool2": "maxpool1",
    "pool3": "maxpool4",
    "pool4": "maxpool10",
}
NORMS = {"pool1": "localresponsenorm0", "conv2": "localresponsenorm1"}
DEFAULTS = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}  # TensorFlow's, left out


def from_graph(spec: Spec, nodes: Mapping[str, Any]) -> Spec:
    """The network with the graph's own norms, once its padding is seen to be ours.

    Raises:
        InputError: the graph lacks a node, or pads otherwise.
    """
    for theirs in PADDED.values():
        padding = _node(nodes, theirs).get("padding")
        if padding != "SAME":
            raise InputError(f"the graph's {theirs} pads as {padding}, where inception5h has SAME")
    stages = dict(spec.stages)
    for stage, theirs in NORMS.items():
        norm = local_response_norm(_node(nodes, theirs))
        stages[stage] = {**_mapping(stages[stage]), "norm": norm}
    return replace(spec, stages=stages)


def local_response_norm(attributes: Mapping[str, Any]) -> LocalResponseNorm:
    """TensorFlow counts channels to one side, and does not divide alpha by their number."""
    radius, k, alpha, beta = (attributes.get(name, value) for name, value in DEFAULTS.items())
    size = 2 * radius + 1
    return LocalResponseNorm(size, alpha * size, beta, k)


def _node(nodes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in nodes:
        raise InputError(f"the graph has no node {name}, so it is not inception5h")
    node: Mapping[str, Any] = nodes[name]
    return node


def _mapping(layers: Layers) -> Mapping[str, Layers]:
    return layers if isinstance(layers, Mapping) else {}


IMPORTERS = (
    Importer(
        "inception5h",
        "googlenet_5h",
        "graph",
        LAYERS,
        PARTS,
        layout="tensorflow",
        change=from_graph,
        background=1,
        flattened=FLATTENED,
        own_order=True,
    ),
)

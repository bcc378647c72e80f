"""Legal networks by chance: every layer kind, odd windows and sizes, each from its seed alone."""

import random
from collections.abc import Iterator
from dataclasses import replace

from inception.errors import InputError
from inception.models.check import check
from inception.models.spec import (
    CLASSES,
    Activation,
    ActivationKind,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pair,
    Pool,
    Residual,
    Spec,
)
from inception.preprocessing import Preprocessing

SIZES = (9, 13, 14, 16, 17, 23)
KERNELS: tuple[Pair, ...] = (1, 1, 2, 3, 3, 4, 5, (1, 3), (5, 2), (2, 5), 7)
STRIDES: tuple[Pair, ...] = (1, 1, 1, 2, 2, 3, (1, 2), (3, 1))
ACTIVATIONS: tuple[ActivationKind | None, ...] = ("relu", "relu", "tanh", "sigmoid", None)


def random_spec(seed: int) -> Spec:
    """A network of one to five stages, some with heads, on grey or coloured pictures."""
    chance = random.Random(seed)
    channels = chance.choice((1, 3, 3))
    order = "grey" if channels == 1 else chance.choice(("rgb", "bgr"))
    how = Preprocessing(
        size=chance.choice(SIZES),
        channel_order=order,  # type: ignore[arg-type]
        mean=tuple(chance.uniform(90, 140) for _ in range(channels)),
        std=tuple(chance.uniform(30, 80) for _ in range(channels)),
    )
    spec = Spec(
        f"random_{seed}",
        {},
        {"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)},
        num_classes=chance.choice((1, 2, 5)),
        in_channels=channels,
        preprocessing=how,
    )
    for number in range(chance.randint(1, 5)):
        spec = _longer(spec, f"stage_{number}", chance)
    heads = {stage: _classifier(chance) for stage in spec.stages if chance.random() < 0.3}
    return _legal([replace(spec, classifier=_classifier(chance), aux=heads)]) or spec


def _longer(spec: Spec, name: str, chance: random.Random) -> Spec:
    """The network with one more stage, the first of many tries that is legal."""
    tries = (replace(spec, stages={**spec.stages, name: _stage(chance)}) for _ in range(100))
    found = _legal(tries)
    assert found is not None
    return found


def _legal(tries: Iterator[Spec] | list[Spec]) -> Spec | None:
    for spec in tries:
        try:
            check(spec)
        except InputError:
            continue
        return spec
    return None


def _stage(chance: random.Random) -> Layers:
    makers = (_conv, _conv, _pool, _pool, _pool, _leaf, _branches, _residual, _named)
    return chance.choice(makers)(chance)


def _conv(chance: random.Random) -> Conv:
    kernel = chance.choice(KERNELS)
    depthwise = chance.random() < 0.15
    return Conv(
        None if depthwise else chance.randint(1, 8),
        kernel,
        chance.choice(STRIDES),
        chance.choice(("half", "same", 0, 1, (0, 1), (2, 1))),
        groups=1 if depthwise else chance.choice((1, 1, 1, 2, 3)),
        multiplier=chance.randint(1, 2) if depthwise else None,
        norm=chance.choice((None, Norm(), Norm(eps=1e-5, scale=False))),
        activation=chance.choice(ACTIVATIONS),
        bias=chance.choice((None, True, False)),
    )


def _pool(chance: random.Random) -> Pool:
    return Pool(
        chance.choice(("max", "average")),
        chance.choice((*KERNELS, None)),
        chance.choice(STRIDES),
        chance.choice(("half", "same", "same", 0, 1, (0, 1), 2)),
        ceil=chance.random() < 0.4,
        count_pad=chance.random() < 0.5,
        grid=chance.choice((None, None, None, 1, 2, 3, 4, 6)),
    )


def _leaf(chance: random.Random) -> Layer:
    size, beta = chance.choice((1, 2, 3, 5, 9)), chance.choice((0.5, 0.75, 0.75, 1.0))
    return chance.choice(
        (
            Activation(chance.choice(("relu", "tanh", "sigmoid"))),
            LocalResponseNorm(size, alpha=chance.choice((0.01, 0.5)), beta=beta, k=2.0),
            Dropout(0.5),
        )
    )


def _keeping(chance: random.Random) -> Layers:
    """Layers that keep the grid, so that they may stand beside each other."""
    kernel = chance.choice((1, 1, 3, 5, (1, 3), (3, 1)))
    conv = replace(_conv(chance), kernel=kernel, stride=1, padding=chance.choice(("half", "same")))
    pool = Pool(chance.choice(("max", "average")), 3, 1, chance.choice(("same", 1)))
    return chance.choice((conv, conv, pool, {"one": conv, "two": _leaf(chance)}, {}))


def _branches(chance: random.Random) -> Branches:
    held = {name: _keeping(chance) for name in "abcd"[: chance.randint(1, 4)]}
    if chance.random() < 0.2:
        held["inner"] = Branches({"x": _keeping(chance), "y": _keeping(chance)})
    return Branches(held)


def _residual(chance: random.Random) -> Residual:
    width = chance.randint(1, 6)
    body = {"in": _keeping(chance), "out": Conv(width, activation=None)}
    return Residual(
        body,
        Conv(width, activation=chance.choice(ACTIVATIONS)),
        scale=chance.choice((1.0, 0.17, -0.5)),
        activation=chance.choice(ACTIVATIONS),
    )


def _named(chance: random.Random) -> dict[str, Layers]:
    return {"first": _conv(chance), "then": {"second": _leaf(chance), "third": _pool(chance)}}


def _classifier(chance: random.Random) -> dict[str, Layers]:
    if chance.random() < 0.2:
        conv = Conv(CLASSES, activation=None)
        return {"conv": conv, "pool": Pool("average", grid=1), "flatten": Flatten()}
    grid = chance.choice((1, 1, 2, 3))
    head: dict[str, Layers] = {"pool": Pool(chance.choice(("max", "average")), grid=grid)}
    if grid > 1 or chance.random() < 0.5:
        head["flatten"] = Flatten()
    if chance.random() < 0.5:
        head["hidden"] = Linear(chance.randint(2, 9), norm=Norm(), activation="tanh")
    return {**head, "logits": Linear(CLASSES, bias=chance.random() < 0.7)}

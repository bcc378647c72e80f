"""What a network wants to see: a picture changed by gradient ascent, in octaves and with jitter."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from inception.data.images import Picture
from inception.errors import InputError, unknown
from inception.models.network import InceptionNet, Normalise

SCALE = 1.4  # between octaves
JITTER = 8  # most pixels the picture is rolled by, so that no grid shows
NOISE = 20.0  # deviation of the grey noise that dreams of a class start from


def noise(side: int, seed: int = 0) -> Picture:
    """A grey picture with noise, to dream from."""
    drawn = torch.randn(side, side, 3, generator=torch.Generator().manual_seed(seed)) * NOISE
    picture: Picture = (127.5 + drawn).clamp(0, 255).to(torch.uint8).numpy()
    return picture


def dream(
    network: InceptionNet,
    picture: Picture,
    *,
    stage: str | None = None,
    class_index: int | None = None,
    octaves: int = 4,
    steps: int = 20,
    rate: float = 1.5,
    seed: int = 0,
) -> Picture:
    """The picture changed so that a stage answers more strongly, or a class gets more of a logit.

    Args:
        network: in eval mode.
        picture: ``uint8 [H, W, 3]``; the result has its size.
        stage: all of whose values grow, where no class is given.
        class_index: whose logit grows.
        octaves: sizes, each 1.4 times the one before, the last the picture's own; those too small
            for the network are left out.
        steps: of each octave.
        rate: brightness, of 255, by which a step changes a pixel on average.
        seed: of the jitter.

    Raises:
        InputError: no such stage, neither stage nor class, or a picture the network cannot take.
    """
    if class_index is None and stage not in network.spec.stages:
        raise unknown("stage", str(stage), network.spec.stages)
    own = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    sizes = list(_sizes(own, network.smallest_size, octaves))
    if not sizes:
        raise InputError(f"a dream needs a picture of at least {network.smallest_size} px a side")
    random = torch.Generator().manual_seed(seed)
    normalise, change = Normalise(network.spec.preprocessing), torch.zeros_like(own)
    for size in sizes:
        base = F.interpolate(own, size, mode="bilinear", antialias=True)
        change = F.interpolate(change, size, mode="bilinear")
        for _ in range(steps):
            shift = torch.randint(-JITTER, JITTER + 1, (2,), generator=random).tolist()
            seen = (base + change).roll(shift, (2, 3)).requires_grad_()
            with torch.enable_grad():
                x = normalise(seen.permute(0, 2, 3, 1))
                (slope,) = torch.autograd.grad(_wish(network, x, stage, class_index), seen)
            slope = _smooth(slope.roll([-s for s in shift], (2, 3)))
            change += rate * slope / slope.abs().mean().clamp_min(1e-12)
            change = (base + change).clamp(0, 255) - base
    made: Picture = (own + change)[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return made


def _smooth(slope: Tensor) -> Tensor:
    """Without what differs from pixel to pixel, which a network rewards and nobody can see."""
    for _ in range(2):
        slope = F.avg_pool2d(F.pad(slope, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return slope


def _sizes(own: Tensor, smallest: int, octaves: int) -> Iterator[tuple[int, int]]:
    for number in reversed(range(octaves)):
        height, width = (round(side / SCALE**number) for side in own.shape[2:])
        if min(height, width) >= smallest:
            yield height, width


def _wish(network: InceptionNet, x: Tensor, stage: str | None, class_index: int | None) -> Tensor:
    if class_index is not None:
        logits: Tensor = network(x)
        return logits[0, class_index]
    return network.features(x)[str(stage)].square().mean()

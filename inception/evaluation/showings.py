"""How pictures were shown in training, which is what batch norms remember: cut how, blended or not.

A network learns from random crops, often of blended pictures, and is asked about whole squares. Its
norms fit those less well than what it learnt from, and sometimes less well than a wrong form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture
from inception.data.transforms import Augmentation, augment
from inception.preprocessing import Preprocessing


class Showing(NamedTuple):
    """A way to show pictures.

    Attributes:
        crops: random ones; none for the squares of validation.
        blend: of mixup's beta distribution (arXiv:1710.09412); 0 for none.
    """

    crops: Augmentation | None = None
    blend: float = 0.0

    def squares(self, pictures: Iterable[Picture], how: Preprocessing) -> list[Picture]:
        """``uint8 [size, size, 3]`` of each, cut at the same places at every call."""
        rng = np.random.default_rng(0)
        if self.crops is None:
            cut = [views(picture, how)[0] for picture in pictures]
        else:
            cut = [augment(picture, how.size, self.crops, rng) for picture in pictures]
        return [_blended(a, b, self.blend, rng) for a, b in _pairs(cut)] if self.blend else cut


SHOWINGS = {
    "as in validation": Showing(),
    "cut at random": Showing(Augmentation(area=(0.08, 1.0))),  # torchvision, timm, the paper
    "cut gently at random": Showing(Augmentation(area=(0.35, 1.0))),
    "cut at random and blended": Showing(Augmentation(area=(0.08, 1.0)), 0.2),
    "cut gently at random and blended": Showing(Augmentation(area=(0.35, 1.0)), 0.2),
}
PLAIN, *_ = SHOWINGS


def _pairs(cut: list[Picture]) -> Iterable[tuple[Picture, Picture]]:
    return zip(cut, [*cut[1:], *cut[:1]], strict=True)


def _blended(one: Picture, other: Picture, alpha: float, rng: np.random.Generator) -> Picture:
    share = rng.beta(alpha, alpha)
    return np.rint(share * one + (1 - share) * other).astype(np.uint8)

"""Augmentation: what training does to a picture before the network sees it."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from PIL import Image, ImageEnhance

from inception.data.crops import FILTERS
from inception.data.images import Picture
from inception.errors import InputError, unknown
from inception.preprocessing import Interpolation

TRIES = 10  # for a crop that fits, before the largest centred one is taken

# Principal components of ImageNet's colours, for pixels from 0 to 1 (AlexNet's lighting noise)
LIGHTING_VALUES = np.array([0.2175, 0.0188, 0.0045])
LIGHTING_VECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


@dataclass(frozen=True)
class Augmentation:
    """Random crop, mirror and distortions of training pictures.

    Attributes:
        area: smallest and largest share of the picture's area that a crop keeps.
        aspect: smallest and largest width / height of a crop, drawn log-uniformly.
        mirror: swap left and right in half of the pictures.
        photometric: how far from 1 brightness, contrast and colour are each scaled, in random
            order; 0.5 in Howard's work (arXiv:1312.5402), 0 for none.
        lighting: deviation of AlexNet's colour noise; 0 for none.
        interpolations: one is drawn for each picture.
        squash: areas and aspects are those of the picture made square first, as Caffe's users do.
    """

    area: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    mirror: bool = True
    photometric: float = 0.0
    lighting: float = 0.0
    interpolations: tuple[Interpolation, ...] = ("bilinear",)
    squash: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InputError(f"crop areas are shares, 0 < low <= high <= 1; got {self.area}")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise InputError(f"aspects must be positive, low <= high; got {self.aspect}")
        if not 0 <= self.photometric <= 1 or self.lighting < 0:
            given = f"photometric {self.photometric:g}, lighting {self.lighting:g}"
            raise InputError(f"photometric is from 0 to 1, lighting not negative; got {given}")
        for name in self.interpolations:
            if name not in FILTERS:
                raise unknown("interpolation", name, get_args(Interpolation))


AUGMENTATIONS = {
    "light": Augmentation(),
    # "Going Deeper with Convolutions", section 6
    "googlenet": Augmentation(
        area=(0.08, 1.0),
        photometric=0.5,
        lighting=0.1,
        interpolations=("bilinear", "area", "nearest", "bicubic"),
    ),
    # Caffe's: 224 of the 256 pixels of either side of the squashed picture, and the mirror
    "caffe": Augmentation(area=((224 / 256) ** 2,) * 2, aspect=(1.0, 1.0), squash=True),
    "none": Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0), mirror=False),
}


def augmentation(name: str) -> Augmentation:
    """The augmentation of that name. Raises ``InputError`` where there is none."""
    if name not in AUGMENTATIONS:
        raise unknown("augmentation", name, AUGMENTATIONS)
    return AUGMENTATIONS[name]


def augment(picture: Picture, size: int, how: Augmentation, rng: np.random.Generator) -> Picture:
    """The picture as training sees it, ``uint8 [size, size, 3]``; all chance comes from ``rng``."""
    image = Image.fromarray(picture)
    box = random_box(image.height, image.width, how, rng)
    kernel = FILTERS[how.interpolations[int(rng.integers(len(how.interpolations)))]]
    image = image.resize((size, size), kernel, box=box)
    if how.mirror and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if how.photometric:
        image = _photometric(image, how.photometric, rng)
    out = np.asarray(image)
    return _lighting(out, how.lighting, rng) if how.lighting else out


def random_box(
    height: int, width: int, how: Augmentation, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """``(left, top, right, bottom)`` of a crop of random area and aspect inside the picture."""
    squashed = width / height if how.squash else 1.0
    for _ in range(TRIES):
        area = height * width * rng.uniform(*how.area)
        aspect = squashed * np.exp(rng.uniform(*np.log(how.aspect)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w = min(width, max(1, round(height * how.aspect[1])))
    h = min(height, max(1, round(width / how.aspect[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _photometric(image: Image.Image, most: float, rng: np.random.Generator) -> Image.Image:
    kinds = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
    for which in rng.permutation(3):
        image = kinds[which](image).enhance(float(rng.uniform(1 - most, 1 + most)))
    return image


def _lighting(picture: Picture, deviation: float, rng: np.random.Generator) -> Picture:
    shift = LIGHTING_VECTORS @ (rng.normal(0, deviation, 3) * LIGHTING_VALUES) * 255
    shifted: Picture = np.clip(np.rint(picture + shift), 0, 255).astype(np.uint8)
    return shifted

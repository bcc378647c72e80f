"""Pictures with what was found in them: boxes, and labels that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inception.data.images import Picture
from inception.detection.boxes import Boxes
from inception.drawing import text_font
from inception.text import shown

COLOURS = (  # apart from each other, and bright on photographs
    (255, 64, 64), (40, 190, 80), (60, 130, 255), (255, 165, 0), (200, 80, 255), (0, 200, 200),
    (255, 105, 180), (160, 200, 0),
)  # fmt: skip
MOST_LETTERS = 24  # of a label
LEAST_FONT, MOST_FONT = 11, 40  # px
Rectangle: TypeAlias = tuple[float, ...]  # left, top, right, bottom


def draw_boxes(
    picture: Picture, boxes_xyxy: Boxes, captions: Sequence[str], labels: Sequence[int]
) -> Picture:
    """The picture with boxes and their captions, those drawn last on top.

    Args:
        picture: ``uint8 [H, W, 3]``; the result has its size.
        boxes_xyxy: ``[N, 4]``.
        captions: one a box.
        labels: which of the colours each box has.
    """
    image = Image.fromarray(picture.copy())
    draw = ImageDraw.Draw(image)
    side = max(image.size)
    width = max(2, round(side / 250))
    font = text_font(round(min(max(side / 32, LEAST_FONT), MOST_FONT)))
    boxes = [tuple(map(float, box)) for box in boxes_xyxy]
    for box, label in zip(boxes, labels, strict=True):
        draw.rectangle(box, outline=COLOURS[label % len(COLOURS)], width=width)
    taken: list[Rectangle] = []
    for box, caption, label in zip(boxes, captions, labels, strict=True):  # over every box's lines
        taken.append(_write(draw, box, _short(caption), COLOURS[label % len(COLOURS)], font, taken))
    return np.asarray(image)


def _write(
    draw: ImageDraw.ImageDraw,
    box: Rectangle,
    text: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
    taken: Sequence[Rectangle],
) -> Rectangle:
    """A label on its own ground, apart from those written before; gives where it lies."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    size = (right - left + 6, bottom - top + 6)
    at = place_label(box, size, draw.im.size, taken)
    draw.rectangle(at, fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    where = (at[0] + 3 - left, at[1] + 3 - top)
    draw.text(where, text, fill="black" if dark else "white", font=font)
    return at


def place_label(
    box: Rectangle,
    size: tuple[float, float],
    picture: tuple[int, int],
    taken: Sequence[Rectangle],
) -> Rectangle:
    """Where a label of that size covers least of those that lie there: above its box, if it can.

    Else inside at the top, below, or inside at the bottom, from the left side on or to the right
    one; always within the picture, where there is room.
    """
    width, height = size
    sides = [box[0], box[2] - width]
    lines = [box[1] - height, box[1], box[3], box[3] - height]
    places = []
    for y in lines:
        if (y == lines[0] and y < 0) or (y == lines[2] and y + height > picture[1]):
            continue  # beside the picture
        for x in sides:
            within = [
                min(max(at, 0), max(most - side, 0))
                for at, most, side in zip((x, y), picture, size, strict=True)
            ]
            places.append((*within, within[0] + width, within[1] + height))
    return min(places, key=lambda place: sum(_common(place, other) for other in taken))


def _common(one: Rectangle, other: Rectangle) -> float:
    """The area that lies in both."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _short(caption: str) -> str:
    text = shown(caption)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"

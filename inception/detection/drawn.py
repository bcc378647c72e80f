"""Pictures with what was found in them: boxes, and labels that can be read."""

from __future__ import annotations

from collections.abc import Sequence

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
    for box, caption, label in zip(boxes, captions, labels, strict=True):  # over every box's lines
        _write(draw, box, _short(caption), COLOURS[label % len(COLOURS)], font)
    return np.asarray(image)


def _write(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, ...],
    text: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
) -> None:
    """A label on its own ground: above the box, or inside where there is no room."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = min(max(box[0], 0), max(draw.im.size[0] - width, 0))
    y = box[1] - height if box[1] >= height else box[1]
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    draw.text((x + 3 - left, y + 3 - top), text, fill="black" if dark else "white", font=font)


def _short(caption: str) -> str:
    text = shown(caption)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"

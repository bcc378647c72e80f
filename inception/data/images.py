"""The one decoder: bytes or a path to an upright RGB picture, or an error that names the file."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from inception.errors import InputError

Picture = npt.NDArray[np.uint8]  # [H, W, 3], RGB

ORIENTATION = 0x0112  # the EXIF tag
MAX_PIXELS = 89_478_485  # Pillow's own limit of caution: 256 MiB of RGB
EXTENSIONS = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
_FAILURES = (  # what Pillow's plugins raise on hostile bytes
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class UnreadableImageError(InputError):
    """A picture that cannot be decoded; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def read_image(
    source: bytes | str | Path,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    least_side: int | None = None,
) -> Picture:
    """The picture as ``uint8 [H, W, 3]`` RGB, upright.

    EXIF rotation is applied, transparency laid over white, 16 bits scaled to 8, the first frame
    of an animation taken. CMYK, palette, grey and other modes become RGB.

    Args:
        source: encoded bytes, or the path of a file.
        name: what errors call the picture; the path by default.
        max_pixels: larger pictures are refused before they are decoded.
        least_side: a JPEG may come out at a half, a quarter or an eighth of its size, as long as
            both sides keep so many pixels; that is several times faster, and not the same pixels.

    Raises:
        UnreadableImageError: not a picture, truncated, broken or too large.
    """
    name = name or ("picture" if isinstance(source, bytes) else str(source))
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        with _open(data, name, max_pixels) as image:
            if least_side is not None and image.mode == "RGB":
                image.draft("RGB", (least_side, least_side))  # for a JPEG; else it does nothing
            picture = _plain_jpeg(image, data)
            if picture is None:
                ImageOps.exif_transpose(image, in_place=True)
                picture = np.asarray(_to_rgb(image))
            return picture
    except _FAILURES as error:
        raise UnreadableImageError(name, _reason(error)) from error


def image_mode(data: bytes) -> str:
    """Pillow's mode of an encoded picture, with ``rotated`` where EXIF turns it."""
    with Image.open(io.BytesIO(data)) as image:
        turned = image.getexif().get(ORIENTATION, 1) != 1
        return image.mode + (" rotated" if turned else "")


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    if not data:
        raise UnreadableImageError(name, "the file is empty")
    image = Image.open(io.BytesIO(data))
    if image.width * image.height > max_pixels:
        size = f"{image.width}x{image.height}"
        raise UnreadableImageError(name, f"{size} pixels, more than the limit of {max_pixels:,}")
    return image


def _plain_jpeg(image: Image.Image, data: bytes) -> Picture | None:
    """An upright colour JPEG by simplejpeg, where that is installed: the same pixels, sooner.

    It gives up at the first thing that is not as it should be; Pillow then tells what can be
    borne, bytes between the segments for example, from what cannot, a file cut short.
    """
    decode = _simplejpeg()
    if decode is None or image.format not in ("JPEG", "MPO") or image.mode != "RGB":
        return None
    if image.getexif().get(ORIENTATION, 1) != 1:
        return None
    try:
        picture = decode(data, min_height=image.height, min_width=image.width)
    except ValueError:
        return None
    return picture if picture.shape[:2] == (image.height, image.width) else None


@cache
def _simplejpeg() -> Callable[..., Picture] | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    return partial(decode_jpeg, colorspace="RGB")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_grey8(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_grey8(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    if image.mode != "F":
        values = values / 257  # 65,535 becomes 255
    elif values.size and values.max() <= 1:
        values = values * 255
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in any known format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels: a decompression bomb?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

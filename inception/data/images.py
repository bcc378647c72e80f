"""The one decoder: bytes or a path to an upright RGB picture, or an error that names the file."""

import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from inception.errors import InputError
from inception.files import open_regular, read_bytes

Picture = npt.NDArray[np.uint8]  # [H, W, 3], RGB

ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT: dict[int, Callable[[Picture], Picture]] = {  # what turns a stored picture upright
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: x[::-1].transpose(1, 0, 2),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: x[:, ::-1].transpose(1, 0, 2),
}
EXTENSIONS = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
# Pillow's names of them, the likeliest first; others, whatever the bytes say, are never tried, for
# some start a program (Ghostscript reads EPS)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "TGA")
MAX_PIXELS = 89_478_485  # Pillow's own limit of caution: 256 MiB of RGB
MAX_SCANS = 100  # of a JPEG, which has about 10; each is a pass over the whole picture
MAX_PASSES = 16  # over the largest picture, in pixels over all scans
MAX_TILE_PIXELS = 1 << 22  # of a TIFF; where the picture is larger, four times its size
FULLEST = {"JPEG": 1024, "MPO": 1024, "PNG": 8 * 1032}  # pixels that a byte can stand for
BYTES_PER_PIXEL = 12  # held while one is decoded: Pillow's copy, a turned one, ours
MAX_BYTES = 3 << 29  # held by all pictures that are decoded at once
BAND_PIXELS = 1 << 20  # converted at once
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # what simplejpeg calls Pillow's modes
_SCAN = b"\xff\xda"
_SAYS_ORIENTATION = re.compile(rb"e[Xx][Ii]f|rientation")
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")


class UnreadableImageError(InputError):
    """A picture that cannot be decoded; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def read_image(
    source: bytes | str | Path | Image.Image,
    *,
    name: str | None = None,
    max_pixels: int | None = None,
    least_side: int | None = None,
) -> Picture:
    """The picture as ``uint8 [H, W, 3]`` RGB, upright.

    EXIF rotation is applied, transparency laid over white, 16 bits scaled to 8, the first frame
    of an animation taken. CMYK, palette, grey and other modes become RGB.

    Args:
        source: encoded bytes, the path of a file, or an open picture of Pillow's.
        name: what errors call the picture; the path by default.
        max_pixels: larger pictures are refused before they are decoded; by default
            ``$INCEPTION_MAX_PIXELS``, else 89,478,485. Pillow's own limit is raised where it is
            lower.
        least_side: a JPEG may come out at a half, a quarter or an eighth of its size, as long as
            both sides keep so many pixels; that is several times faster, and not the same pixels.

    Raises:
        UnreadableImageError: not a picture, truncated, broken or too large.
    """
    name = name or (str(source) if isinstance(source, str | Path) else "picture")
    limit = default_max_pixels() if max_pixels is None else max_pixels
    try:
        if isinstance(source, Image.Image):
            return _rgb(ImageOps.exif_transpose(source))
        data = source if isinstance(source, bytes) else read_bytes(Path(source))
        with _open(data, limit) as image:
            if least_side is not None and image.mode == "RGB":
                image.draft("RGB", (least_side, least_side))  # for a JPEG; else it does nothing
            with _IN_FLIGHT.held(BYTES_PER_PIXEL * image.width * image.height):
                return _decoded(image, data)
    except Exception as error:  # a decoder's failure of any kind is the picture's, and says so
        raise UnreadableImageError(name, _reason(error)) from error


def default_max_pixels() -> int:
    """The limit where none is given: ``$INCEPTION_MAX_PIXELS``, else Pillow's of caution.

    Raises:
        InputError: the variable is no positive number.
    """
    given = os.environ.get("INCEPTION_MAX_PIXELS") or str(MAX_PIXELS)
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"INCEPTION_MAX_PIXELS must be a number of pixels from 1; got {given!r}")
    return int(given)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture as ``read_image`` gives it, from its header alone.

    Raises:
        UnreadableImageError: no regular file, or not a picture.
    """
    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            # a PNG may tell its orientation after its pixels, and Pillow decodes it to look
            told = image.format != "PNG" or _SAYS_ORIENTATION.search(read_bytes(path))
            turned = bool(told) and _orientation(image) > 4
            return (image.width, image.height) if turned else (image.height, image.width)
    except Exception as error:  # as in read_image
        raise UnreadableImageError(str(path), _reason(error)) from error


def image_mode(data: bytes) -> str:
    """Pillow's mode of an encoded picture, with ``rotated`` where EXIF turns it."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return image.mode + (" rotated" if _orientation(image) != 1 else "")


class _Refused(Exception):
    """Why a picture is not decoded."""


class _InFlight:
    """Bytes held by decoders of all threads; whoever would hold too many waits for the others."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size <= self._most)
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


_IN_FLIGHT = _InFlight(MAX_BYTES)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """The picture, not decoded yet, where what it claims is within all limits."""
    if not data:
        raise _Refused("the file is empty")
    if max_pixels > (Image.MAX_IMAGE_PIXELS or max_pixels):
        Image.MAX_IMAGE_PIXELS = max_pixels
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    pixels, size = image.width * image.height, f"{image.width}x{image.height} pixels"
    if pixels > max_pixels:
        raise _Refused(f"{size}, more than the limit of {max_pixels:,}")
    if pixels > FULLEST.get(image.format or "", pixels) * len(data):
        raise _Refused(f"{size} cannot be in {len(data):,} bytes: the file is truncated")
    if image.format in ("JPEG", "MPO"):
        most = min(MAX_SCANS, MAX_PASSES * max_pixels // pixels)
        if data.count(_SCAN) > most and (scans := _num_scans(data)) > most:
            raise _Refused(f"{scans:,} scans, more than the limit of {most} at {size}")
    if image.format == "TIFF":
        _check_tile(image, max(MAX_TILE_PIXELS, 4 * pixels))
    return image


def _num_scans(data: bytes) -> int:
    """Scans of a JPEG's first picture; what only looks like one inside a segment left out."""
    scans, place = 0, 2
    while found := _MARKER.search(data, place):
        place, marker = found.end(), found.group()
        if marker == b"\xff\xd9":
            break
        scans += marker == _SCAN
        place += int.from_bytes(data[place : place + 2], "big")
    return scans


def _check_tile(image: Image.Image, most: int) -> None:
    """Refuses a TIFF whose tiles are far larger than what they are pieces of."""
    width, height = (image.tag_v2.get(tag, 1) for tag in (322, 323))  # type: ignore[attr-defined]
    if width * height > most:
        raise _Refused(f"tiles of {width}x{height} pixels in a picture of {image.size}")


def _decoded(image: Image.Image, data: bytes) -> Picture:
    picture = _plain_jpeg(image, data)
    if picture is None:
        ImageOps.exif_transpose(image, in_place=True)
        picture = _rgb(image)
    return picture


def _plain_jpeg(image: Image.Image, data: bytes) -> Picture | None:
    """A colour or grey JPEG by simplejpeg, where that is installed: the same pixels, sooner.

    It gives up at the first thing that is not as it should be; Pillow then tells what can be
    borne, bytes between the segments for example. Pillow would bear missing data too, and fill
    them with grey: that is an error as in a file cut short. CMYK is read here for that alone.
    """
    decode = _simplejpeg()
    if decode is None or image.format not in ("JPEG", "MPO") or image.mode not in _SPACES:
        return None
    size = {"min_height": image.height, "min_width": image.width}
    try:
        picture = decode(data, colorspace=_SPACES[image.mode], **size)
    except ValueError as error:
        if "premature end of data segment" in str(error):
            raise _Refused("image file is truncated (data are missing)") from error
        return None
    if image.mode == "CMYK" or picture.shape[:2] != (image.height, image.width):
        return None
    upright = np.ascontiguousarray(UPRIGHT[_orientation(image)](picture))
    return upright if image.mode == "RGB" else upright.repeat(3, axis=2)


def _orientation(image: Image.Image) -> int:
    told = image.getexif().get(ORIENTATION)
    return told if isinstance(told, int) and told in UPRIGHT else 1


@cache
def _simplejpeg() -> Callable[..., Picture] | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    decode: Callable[..., Picture] = decode_jpeg
    return decode


def _rgb(image: Image.Image) -> Picture:
    """Pillow's picture in 8 bits RGB; band by band, since conversions take many times its size."""
    image.load()
    if image.mode == "RGB" and not image.has_transparency_data:
        return np.asarray(image)
    brightest = _brightest(image)
    picture = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        picture[top : top + rows] = np.asarray(_band_to_rgb(band, brightest))
    return picture


def _brightest(image: Image.Image) -> float:
    """What white is in a grey picture of more than 8 bits."""
    if image.mode != "F":
        return 65_535
    return 1 if np.fmax.reduce(np.asarray(image), axis=None) <= 1 else 255


def _band_to_rgb(image: Image.Image, brightest: float) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=brightest, neginf=0)
        # 65,535 divided by 257 is exact, and 255 divided by 1 too
        scaled = values * 255 if brightest == 1 else values / (brightest / 255)
        image = Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in any known format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels: a decompression bomb?"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__

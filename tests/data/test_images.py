"""The one decoder, against Pillow and numpy; hostile files give an error that names them."""

import io
import json
import struct
import subprocess
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inception.data import images
from inception.data.images import UnreadableImageError, image_mode, read_image
from inception.errors import InputError

Pixels = npt.NDArray[Any]

UPRIGHT = {  # EXIF orientation to what turns the stored picture upright
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, 1),
}


def picture(height: int = 6, width: int = 9) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def mean_difference(a: Pixels, b: Pixels) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def outcome(path: Path) -> str:
    try:
        pixels = read_image(path)
    except UnreadableImageError as error:
        assert str(error).startswith(f"{path}: ") and error.name == str(path) and error.reason
        return "error"
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    return "ok"


def test_every_odd_picture_gives_what_it_must(real_data: Path) -> None:
    folder = real_data / "odd-images"
    expected = json.loads((folder / "expected.json").read_text())
    wanted = {name: entry["expect"] for name, entry in expected.items()}
    assert {name: outcome(folder / name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "like", "most"),
    [  # lossy files of one picture differ a little: the tolerance is of 255
        ("exif3.jpg", "plain.jpg", 6),
        ("exif6.jpg", "plain.jpg", 6),
        ("exif8.jpg", "plain.jpg", 6),
        ("grey16.png", "grey.jpg", 3),
        ("progressive.jpg", "plain.jpg", 6),
        ("spaces and ünïcode 图.jpg", "plain.jpg", 0),
    ],
)
def test_odd_files_of_one_picture_decode_alike(
    real_data: Path, name: str, like: str, most: float
) -> None:
    folder = real_data / "odd-images"
    assert mean_difference(read_image(folder / name), read_image(folder / like)) <= most


@pytest.mark.parametrize("name", ["rgba.png", "palette_transparent.png"])
def test_transparency_is_laid_over_white(real_data: Path, name: str) -> None:
    path = real_data / "odd-images" / name
    with Image.open(path) as image:
        rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[:, :, 3:] / 255
    assert alpha.min() < 1
    by_hand = rgba[:, :, :3] * alpha + 255 * (1 - alpha)
    assert np.abs(read_image(path) - by_hand).max() <= 1  # rounding


def test_an_animation_gives_its_first_frame(real_data: Path) -> None:
    path = real_data / "odd-images" / "animated.gif"
    with Image.open(path) as image:
        image.seek(0)
        first = np.asarray(image.convert("RGB"))
        image.seek(1)
        second = np.asarray(image.convert("RGB"))
    assert np.array_equal(read_image(path), first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_exif_orientation_is_turned_upright(orientation: int) -> None:
    stored, exif = picture(), Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(stored), exif=exif)
    assert np.array_equal(read_image(data), UPRIGHT[orientation](stored))
    assert image_mode(data) == ("RGB" if orientation == 1 else "RGB rotated")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16), "PNG"),
        (np.array([[0, 257, 128 * 257, 65535]], dtype=np.int32), "TIFF"),
        (np.array([[0, 1 / 255, 128 / 255, 1]], dtype=np.float32), "TIFF"),
        (np.array([[0, 1, 128, 255]], dtype=np.float32), "TIFF"),
        (np.array([[0, 1, 128, 255]], dtype=np.uint8), "PNG"),
    ],
)
def test_grey_of_any_depth_is_scaled_to_eight_bits(values: Pixels, kind: str) -> None:
    got = read_image(encoded(Image.fromarray(values), kind))
    assert got.tolist() == [[[v, v, v] for v in (0, 1, 128, 255)]]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TGA", "TIFF"])
def test_lossless_formats_give_the_very_pixels(kind: str) -> None:
    assert np.array_equal(read_image(encoded(Image.fromarray(picture()), kind)), picture())


def test_a_path_may_be_text_or_path(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    assert np.array_equal(read_image(path), read_image(str(path)))


def test_too_many_pixels_are_refused_before_decoding(real_data: Path) -> None:
    cut = (real_data / "odd-images" / "cut.png").read_bytes()
    with Image.open(io.BytesIO(cut)) as image:
        pixels = image.width * image.height
    with pytest.raises(UnreadableImageError, match=f"more than the limit of {pixels - 1:,}"):
        read_image(cut, max_pixels=pixels - 1)
    with pytest.raises(UnreadableImageError, match="truncated"):  # it comes to decoding
        read_image(cut, max_pixels=pixels)


@pytest.mark.parametrize("given", [None, "tar/7.jpg"])
def test_an_error_names_bytes_as_it_was_told(given: str | None) -> None:
    with pytest.raises(InputError, match=f"^{given or 'picture'}: not a picture in any"):
        read_image(b"not a picture", name=given)


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"gone\.jpg: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(UnreadableImageError, match="Is a directory"):
        read_image(tmp_path)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage it can live with
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_damaged_bytes_give_a_picture_or_the_one_error(kind: str) -> None:
    whole = np.frombuffer(encoded(Image.fromarray(picture(30, 40)), kind), np.uint8)
    rng = np.random.default_rng(0)
    errors = 0
    for _ in range(100):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 300), 4)] = rng.integers(0, 256, 4)
        try:
            assert read_image(damaged.tobytes()).shape[2] == 3
        except UnreadableImageError:
            errors += 1
    assert errors > 0


def read_or_none(data: bytes) -> Pixels | None:
    try:
        return read_image(data)
    except UnreadableImageError:
        return None


def read_both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """What simplejpeg and Pillow together give, and Pillow alone."""
    together = read_or_none(data)
    with monkeypatch.context() as patch:
        patch.setattr(images, "_simplejpeg", lambda: None)
        return together, read_or_none(data)


def fast(data: bytes) -> Pixels | None:
    with Image.open(io.BytesIO(data)) as image:
        return images._plain_jpeg(image, data)


def soft_picture(height: int = 60, width: int = 90) -> Image.Image:
    return Image.fromarray(picture()).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (61, 97)])
def test_the_fast_jpeg_decoder_gives_pillow_s_pixels(
    subsampling: str, progressive: bool, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"quality": 85, "subsampling": subsampling, "progressive": progressive}
    data = encoded(soft_picture(*shape), "JPEG", **options)
    together, alone = read_both_ways(data, monkeypatch)
    assert fast(data) is not None
    assert together.dtype == np.uint8 and np.array_equal(together, alone)


def test_photographs_decode_alike_with_and_without_the_fast_decoder(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*(real_data / "imagenet-sample").iterdir(), *(real_data / "odd-images").glob("*.jpg")]
    taken = 0
    for path in files:
        data = path.read_bytes()
        together, alone = read_both_ways(data, monkeypatch)
        assert np.array_equal(together, alone) if alone is not None else together is None
        taken += together is not None and fast(data) is not None
    assert taken >= 70


def test_other_than_colour_and_grey_jpegs_do_not_go_to_the_fast_decoder() -> None:
    others = [encoded(soft_picture(), "PNG"), encoded(soft_picture().convert("CMYK"), "JPEG")]
    assert all(fast(data) is None for data in others)


@pytest.mark.parametrize("orientation", [None, *UPRIGHT, 9, 0])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_decoder_turns_and_greys_as_pillow_does(
    mode: str, orientation: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    data = encoded(soft_picture().convert(mode), "JPEG", exif=exif)
    together, alone = read_both_ways(data, monkeypatch)
    assert fast(data) is not None and np.array_equal(together, alone)


def test_a_jpeg_cut_short_anywhere_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(soft_picture(), "JPEG")
    for length in range(len(data)):
        together, alone = read_both_ways(data[:length], monkeypatch)
        assert together is None or np.array_equal(together, alone)
        assert (together is None) == (alone is None)


def test_stray_bytes_in_a_jpeg_are_borne_as_pillow_bears_them() -> None:
    whole = encoded(soft_picture(), "JPEG")
    scan = whole.index(b"\xff\xda")
    stray = whole[:scan] + b"stray" + whole[scan:]
    assert fast(stray) is None
    assert np.array_equal(read_image(stray), read_image(whole))


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    ("least", "wanted"),
    [(None, (300, 404)), (50, (75, 101)), (76, (150, 202)), (151, (300, 404)), (999, (300, 404))],
)
def test_a_jpeg_may_be_decoded_at_a_fraction_of_its_size(
    quick: bool, least: int | None, wanted: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not quick:
        monkeypatch.setattr(images, "_simplejpeg", lambda: None)
    data = encoded(soft_picture(300, 404), "JPEG", quality=90)
    got = read_image(data, least_side=least)
    assert got.shape == (*wanted, 3)
    smaller = Image.fromarray(read_image(data)).resize(wanted[::-1], Image.Resampling.BOX)
    assert mean_difference(got, np.asarray(smaller)) < 1  # of 255
    assert np.array_equal(read_image(encoded(soft_picture(), "PNG"), least_side=8), soft_picture())


def test_a_scaled_jpeg_is_turned_upright_and_must_be_whole() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(soft_picture(300, 404), "JPEG", exif=exif)
    assert read_image(turned, least_side=100).shape == (202, 150, 3)
    with pytest.raises(UnreadableImageError):
        read_image(turned[: len(turned) // 2], least_side=100)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 20\n%%EndComments\nshowpage\n%%EOF\n"


def test_only_the_formats_of_the_list_are_opened() -> None:
    Image.init()
    refused = {"EPS", "ICO", "PCX", "PSD", "QOI", "SGI", "MSP", "ICNS", "DDS", "BLP"}
    for kind in sorted(refused & (set(Image.SAVE) | {"EPS"})):
        data = EPS if kind == "EPS" else _saved_as(kind)
        with pytest.raises(UnreadableImageError, match="not a picture in any known format"):
            read_image(data)


def _saved_as(kind: str) -> bytes:
    mode = {"MSP": "1", "BLP": "P"}.get(kind, "RGB")
    return encoded(Image.new("RGB", (32, 32)).convert(mode), kind)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (subprocess.CalledProcessError(1, "gs"), "returned non-zero"),
        (MemoryError(), "not enough memory"),
        (AssertionError(), "AssertionError"),
        (ZeroDivisionError("division by zero"), "division by zero"),
        (RecursionError("two\nlines"), "two lines"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_whatever_a_decoder_raises_is_the_picture_s_line(
    raised: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(Image.Image, "getexif", fail)
    with pytest.raises(UnreadableImageError, match=told):
        read_image(encoded(soft_picture(), "PNG"), name="a.png")


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same data under a header that claims another size."""
    place = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) + 5
    return jpeg[:place] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[place + 4 :]


EMPTY_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00"


def test_a_jpeg_of_endless_scans_is_refused_before_decoding() -> None:
    whole = encoded(soft_picture(), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    assert read_image(whole[:-2] + 80 * last + whole[-2:]).shape == (60, 90, 3)
    with pytest.raises(UnreadableImageError, match=r"20,010 scans, more than the limit of 100"):
        read_image(whole[:-2] + 20_000 * EMPTY_SCAN + whole[-2:])
    large = with_size(whole[:-2] + 50 * EMPTY_SCAN + bytes(200_000) + whole[-2:], 9000, 9000)
    with pytest.raises(UnreadableImageError, match=r"60 scans, more than the limit of 17 at 9000"):
        read_image(large)


def test_what_only_looks_like_scans_does_not_count() -> None:
    whole = encoded(soft_picture(), "JPEG", exif=b"Exif\0\0" + 300 * b"\xff\xda")
    video = whole + 300 * b"\xff\xda"  # phones append a film
    assert np.array_equal(read_image(video), read_image(encoded(soft_picture(), "JPEG")))


@pytest.mark.parametrize("decoder", ["simplejpeg", "Pillow"])
def test_a_jpeg_that_claims_more_than_its_bytes_can_hold_is_truncated(
    decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if decoder == "Pillow":
        monkeypatch.setattr(images, "_simplejpeg", lambda: None)
    whole = encoded(soft_picture(), "JPEG")
    with pytest.raises(UnreadableImageError, match=r"8000x8000 pixels cannot be in .* truncated"):
        read_image(with_size(whole, 8000, 8000))
    blank = encoded(Image.new("L", (4000, 4000)), "JPEG", progressive=True, optimize=True)
    assert read_image(blank).shape == (4000, 4000, 3)  # the fullest there is


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_with_an_end_but_not_all_data_is_truncated(mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = encoded(soft_picture().convert(mode), "JPEG", exif=exif)
    scan = whole.index(b"\xff\xda")
    for kept in range(scan + 20, len(whole) - 40, 100):
        with pytest.raises(UnreadableImageError, match="truncated"):
            read_image(whole[:kept] + b"\xff\xd9")


def tiff(tags: dict[int, int], data: bytes) -> bytes:
    """A grey TIFF of 16 x 16 pixels, deflated, with other tags."""
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1} | tags
    start = 8 + 2 + 12 * len(tags) + 4
    tags |= {k: v for k, v in {324: start, 325: len(data)}.items() if k in tags}
    rows = b"".join(struct.pack("<HHII", k, 4, 1, tags[k]) for k in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4) + data


def test_a_tiff_of_huge_tiles_is_refused_before_decoding() -> None:
    tiles = {324: 0, 325: 0}
    good = tiff({322: 16, 323: 16} | tiles, zlib.compress(bytes(range(256))))
    assert read_image(good)[:, :, 0].tolist() == np.arange(256).reshape(16, 16).tolist()
    huge = tiff({322: 60_000, 323: 30_000} | tiles, zlib.compress(bytes(10_000)))
    with pytest.raises(UnreadableImageError, match="tiles of 60000x30000 pixels"):
        read_image(huge)


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "RGBA", "LA", "P", "1", "CMYK", "L"])
def test_conversions_take_little_more_than_the_picture(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (70, 90))
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        data = encoded(Image.fromarray(values.astype(kind)), "TIFF")
    else:
        data = encoded(soft_picture(70, 90).convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    at_once = read_image(data)
    monkeypatch.setattr(images, "BAND_PIXELS", 200)
    assert np.array_equal(read_image(data), at_once)


def test_numbers_that_are_none_are_black_or_white() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 128]], np.float32)
    assert read_image(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [
        0,
        255,
        0,
        128,
    ]


def test_decoders_of_all_threads_hold_no_more_than_the_limit() -> None:
    flight, seen, gate = images._InFlight(100), [], threading.Barrier(3, timeout=10)

    def decode(size: int) -> None:
        gate.wait()
        with flight.held(size):
            seen.append(flight._held)

    threads = [threading.Thread(target=decode, args=(size,)) for size in (60, 60, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(seen) == [60, 60, 1000]  # never two at once; the largest alone


def test_the_limit_of_pixels_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(soft_picture(60, 90), "PNG")
    monkeypatch.setenv("INCEPTION_MAX_PIXELS", "5399")
    with pytest.raises(UnreadableImageError, match="more than the limit of 5,399"):
        read_image(data)
    monkeypatch.setenv("INCEPTION_MAX_PIXELS", "5400")
    assert read_image(data).shape == (60, 90, 3)
    for nonsense in ("none", "0", "-3"):
        monkeypatch.setenv("INCEPTION_MAX_PIXELS", nonsense)
        with pytest.raises(InputError, match="INCEPTION_MAX_PIXELS must be a number"):
            read_image(data)

"""What callers give as pictures, one by one, in batches and mixed."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from misbehaving_server import serving
from PIL import Image

from inception.data.images import Picture, UnreadableImageError
from inception.pictures import check_paths, is_one, named, read

Convert = Callable[[Picture], torch.Tensor]


def noise(seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (9, 14, 3), np.uint8)


def png(seed: int = 0) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(seed)).save(file, "PNG")
    return file.getvalue()


def told(pictures: Iterable[Any]) -> list[Any]:
    """Each picture as nested lists, or why it is none."""
    answers: list[Any] = []
    for item in named(pictures):
        try:
            answers.append(read(item).tolist())
        except UnreadableImageError as error:
            answers.append(error.reason)
    return answers


def first(x: Picture) -> torch.Tensor:
    """Channels first, as torchvision decodes."""
    return torch.from_numpy(x.copy()).permute(2, 0, 1)


@pytest.mark.parametrize(
    "convert",
    [
        first,
        lambda x: torch.from_numpy(x.copy()),
        lambda x: first(x) / 255,  # as torchvision's ToTensor
        lambda x: (first(x) / 255).double().requires_grad_(),
    ],
)
def test_tensors_are_pictures_alone_in_batches_and_among_others(convert: Convert) -> None:
    arrays = [noise(seed) for seed in range(3)]
    wanted = [x.tolist() for x in arrays]
    tensors = [convert(x) for x in arrays]
    batch = torch.stack(tensors)
    assert told(tensors) == told([batch]) == wanted
    assert [item.path for item in named([png(), batch])][1:] == [
        f"picture 1[{n}]" for n in range(3)
    ]
    assert told([tensors[0], Image.fromarray(arrays[1]), np.stack(arrays[2:])]) == wanted
    assert is_one(tensors[0]) and is_one(batch) and not is_one(tensors)


def test_a_grey_tensor_is_a_grey_picture() -> None:
    grey = torch.arange(255, dtype=torch.uint8).reshape(1, 17, 15)
    assert told([grey]) == told([Image.fromarray(grey[0].numpy())])


@pytest.mark.parametrize(
    ("tensor", "error"),
    [
        (torch.full((3, 4, 4), -2.1), "a picture from 0 to 1, not yet normalised; got -2.1 to -2"),
        (torch.full((3, 4, 4), torch.nan), "from 0 to 1, not yet normalised; got nan to nan"),
        (torch.zeros(4, 4), "an array must be uint8 [H, W, 3]; got uint8 [4, 4]"),
        (torch.zeros(2, 4, 4), "an array must be uint8 [H, W, 3]; got uint8 [2, 4, 4]"),
        (torch.zeros(3, 0, 4), "an array must be uint8 [H, W, 3]; got uint8 [0, 4, 3]"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "got int64 [4, 4, 3]"),
        (torch.zeros(3, 4, 4, dtype=torch.complex64), "got complex64 [4, 4, 3]"),
    ],
)
def test_a_tensor_that_is_no_picture_says_why_and_the_rest_goes_on(
    tensor: torch.Tensor, error: str
) -> None:
    bad, good = told([tensor, png()])
    assert error in bad and good == noise().tolist()


def test_pictures_are_fetched_from_addresses_within_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    with serving() as server:
        server.content = png()
        url, gone = server.url(), server.url("/gone.jpg?a=*")
        check_paths([url, gone])
        missing = "cannot be downloaded: HTTP status 404 Not Found"
        mixed = [url, tmp_path / "1.png", gone]
        assert told(mixed) == [noise().tolist(), noise(1).tolist(), missing]
        assert [item.path for item in named([url])] == [url]
        monkeypatch.setattr("inception.pictures.MOST_BYTES", 20)
        assert told([url]) == ["larger than 20 bytes"]
        monkeypatch.setenv("INCEPTION_OFFLINE", "1")
        assert told([url]) == ["INCEPTION_OFFLINE forbids to download it"]

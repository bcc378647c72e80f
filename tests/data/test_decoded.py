"""Pictures kept decoded: the same as decoded anew, once each, never more than allowed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception.data.datasets import Dataset, open_data
from inception.data.decoded import DecodedPictures


class Counting:
    """A source that counts how often each picture was read."""

    def __init__(self, source: Any) -> None:
        self.source, self.reads = source, [0] * len(source.keys)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, row: int) -> bytes:
        self.reads[row] += 1
        content: bytes = self.source.read(row)
        return content


@pytest.fixture
def dataset(colours: Path) -> Dataset:
    train = open_data(colours).splits["train"]
    return replace(train, source=Counting(train.source))


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_pictures_are_decoded_once_as_far_as_memory_goes(dataset: Dataset, share: float) -> None:
    every = [dataset.read(i) for i in range(len(dataset))]
    most_mb = share * sum(picture.nbytes for picture in every) / 1e6
    decoded = DecodedPictures(dataset, most_mb)
    before = list(dataset.source.reads)  # type: ignore[attr-defined]
    for _ in range(3):
        for i, picture in enumerate(every):
            assert np.array_equal(decoded.read(i), picture)
    reads = np.subtract(dataset.source.reads, before)  # type: ignore[attr-defined]
    assert set(reads[dataset.rows]) <= {1, 3}
    kept = sum(every[i].nbytes for i in range(len(every)) if reads[dataset.rows[i]] == 1)
    assert kept <= most_mb * 1e6
    assert (kept > 0) == (share > 0)

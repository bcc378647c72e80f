"""Mean and covariance of a set's features, kept as pytorch-fid keeps them: ``.npz``, mu, sigma."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inception.errors import InputError
from inception.fid.scores import Doubles
from inception.files import MOST_BYTES, open_regular, replacing
from inception.runtime import Floats

BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True)
class Statistics:
    """What FID needs of a set of pictures.

    Attributes:
        mean: ``[D]``.
        covariance: ``[D, D]``.
        pictures: how many; None where a file does not say.
        resize: how they came to the network's size; None likewise.
        digest: of the weights (``Extractor.digest``); None likewise.
    """

    mean: Doubles
    covariance: Doubles
    pictures: int | None = None
    resize: str | None = None
    digest: str | None = None


def statistics_of(values: Floats, *, resize: str, digest: str) -> Statistics:
    """Those of features ``[N, D]``.

    Raises:
        InputError: fewer than two pictures.
    """
    if len(values) < 2:
        raise InputError("statistics need at least two pictures")
    doubles = values.astype(np.float64)
    covariance = np.cov(doubles, rowvar=False)
    return Statistics(doubles.mean(axis=0), covariance, len(values), resize, digest)


def check_ending(path: Path) -> None:
    """Raises ``InputError`` for a file that statistics are not kept in."""
    if path.suffix != ".npz":
        raise InputError(f"statistics are kept in an .npz; got {path}")


def write_statistics(statistics: Statistics, path: Path) -> None:
    """Writes an ``.npz`` that pytorch-fid and others read, with what they do not look for.

    Raises:
        InputError: another ending, or a place that cannot be written to.
    """
    check_ending(path)
    about = {
        "pictures": statistics.pictures,
        "resize": statistics.resize,
        "weights": statistics.digest,
    }
    known: dict[str, Any] = {n: np.array(v) for n, v in about.items() if v is not None}
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, mu=statistics.mean, sigma=statistics.covariance, **known)


def read_statistics(path: Path) -> Statistics:
    """The statistics of an ``.npz``, pytorch-fid's or ours.

    Raises:
        InputError: no such file, or none of statistics.
    """
    try:
        with open_regular(path) as opened, zipfile.ZipFile(opened) as held:
            size = sum(info.file_size for info in held.infolist())
        if size > MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes in it, more than statistics are")
        with np.load(path, allow_pickle=False) as file:
            mean, covariance = (np.asarray(file[n], np.float64) for n in ("mu", "sigma"))
            told = {n: file[n].item() for n in ("pictures", "resize", "weights") if n in file}
    except BROKEN as error:
        line = " ".join(str(error).split())
        raise InputError(f"{path}: no statistics with mu and sigma ({line})") from error
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        shapes = f"{list(mean.shape)} and {list(covariance.shape)}"
        raise InputError(f"{path}: mu and sigma should be [D] and [D, D]; they are {shapes}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"{path}: what is no number is in its statistics")
    return Statistics(
        mean, covariance, told.get("pictures"), told.get("resize"), told.get("weights")
    )

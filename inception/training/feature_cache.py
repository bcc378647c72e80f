"""Features of a frozen backbone, computed once for every picture and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from inception.data.crops import views
from inception.data.datasets import Dataset
from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.data.transforms import augment
from inception.files import cache_folder, replacing, write_text
from inception.machine import available_cores
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import layers_to_json
from inception.training.config import TrainConfig
from inception.training.group import Group

FORMAT = 2
AT_ONCE = 64  # pictures in one pass through the backbone


@dataclass(frozen=True)
class Features:
    """Features of a data set.

    Attributes:
        values: ``[N, views, features]``, float16, mapped from the file; rows of unreadable
            pictures are 0.
        labels: ``[N]`` class indices.
        unreadable: path and reason.
        readable: ``[N]``.
    """

    values: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int64]
    unreadable: dict[str, str]
    readable: npt.NDArray[np.bool_]


def cached_features(
    network: InceptionNet,
    dataset: Dataset,
    config: TrainConfig,
    *,
    num_views: int,
    group: Group | None = None,
) -> Features | None:
    """The backbone's features of each picture: as evaluated, then ``num_views - 1`` augmented.

    They are read from the cache where weights, pictures and preparation are the same to the
    byte; else computed, a share by each process, and kept by the first, which alone is given them.
    A cache that was not finished does not count.
    """
    group = group or Group()
    place = group.first(
        lambda: cache_folder() / "features" / _key(network, dataset, config, num_views)
    )
    finished = place / "unreadable.json"
    if not group.first(finished.exists):
        passes = _passes(network, dataset, config, num_views, group)
        if group.leads:
            unreadable = _write(passes, (len(dataset), num_views), place / "features.npy")
            write_text(finished, json.dumps(unreadable))
        else:
            deque(passes, maxlen=0)
    return _read(place, dataset) if group.leads else None


def _read(place: Path, dataset: Dataset) -> Features:
    unreadable = json.loads((place / "unreadable.json").read_text("utf-8"))
    values = np.load(place / "features.npy", mmap_mode="r", allow_pickle=False)
    readable = np.array([dataset.path(i) not in unreadable for i in range(len(dataset))])
    return Features(values, dataset.labels, unreadable, readable)


def _key(network: InceptionNet, dataset: Dataset, config: TrainConfig, num_views: int) -> str:
    """A hash of all that the features depend on; labels and classifiers are not among it.

    Weights alone do not tell networks apart: other pools compute other things with the same ones.
    """
    digest = hashlib.sha256()
    how = {
        "format": FORMAT,
        "preprocessing": network.spec.preprocessing.to_json(),
        "augmentation": asdict(config.augmentation()) if num_views > 1 else None,
        "seed": config.sampling_seed if num_views > 1 else None,
        "views": num_views,
        "precision": config.precision,
        "pooling": network.pooling_json(),
        "stages": layers_to_json(network.spec.stages),
    }
    digest.update(json.dumps(how, sort_keys=True).encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith(("classifier.", "aux.")):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for index in range(len(dataset)):
        digest.update(dataset.path(index).encode() + dataset.content(index))
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class _Pass:
    """A few pictures' features.

    Attributes:
        rows: of those that can be read.
        features: ``[rows, views, features]``; None where there are no such.
        unreadable: path and reason of the others.
    """

    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.float16] | None
    unreadable: dict[str, str]


def _write(passes: Iterable[_Pass], shape: tuple[int, int], path: Path) -> dict[str, str]:
    """Writes the features; gives path and reason of pictures that cannot be read."""
    unreadable: dict[str, str] = {}
    with replacing(path) as beside:
        out = None
        for each in passes:
            unreadable |= each.unreadable
            if each.features is None:
                continue
            if out is None:
                whole = (*shape, each.features.shape[-1])
                out = np.lib.format.open_memmap(beside, "w+", np.float16, whole)
            out[each.rows] = each.features
        if out is None:  # no picture at all can be read
            np.save(beside.open("wb"), np.zeros((*shape, 0), np.float16))
    return unreadable


def _passes(
    network: InceptionNet, dataset: Dataset, config: TrainConfig, num_views: int, group: Group
) -> Iterator[_Pass]:
    """All processes' passes, each of which goes over every so many blocks of pictures."""
    size = network.image_size

    def prepare(index: int) -> tuple[int, Picture | UnreadableImageError]:
        try:
            picture = dataset.read(index)
        except UnreadableImageError as error:
            return index, error
        rngs = (
            np.random.default_rng([config.sampling_seed, v, index]) for v in range(1, num_views)
        )
        augmented = [augment(picture, size, config.augmentation(), rng) for rng in rngs]
        plain = views(picture, network.spec.preprocessing)
        return index, np.concatenate([plain, *(a[None] for a in augmented)])

    threads = config.threads or available_cores()
    blocks = range(0, len(dataset), AT_ONCE)
    own = (i for start in group.share(blocks) for i in range(len(dataset))[start : start + AT_ONCE])
    prepared = ordered_map(prepare, own, threads=threads, ahead=2 * AT_ONCE)
    backbone = Backbone(network, config)
    for _ in range(0, len(blocks), group.size):
        yield from group.gather(_pass(backbone, list(islice(prepared, AT_ONCE)), num_views))


def _pass(
    backbone: Backbone, batch: Sequence[tuple[int, Picture | UnreadableImageError]], num_views: int
) -> _Pass:
    good = [(i, p) for i, p in batch if not isinstance(p, UnreadableImageError)]
    errors = (p for _, p in batch if isinstance(p, UnreadableImageError))
    features = None
    if good:
        told = backbone.run(np.concatenate([p for _, p in good]))
        features = told.reshape(len(good), num_views, -1)
    rows = np.array([i for i, _ in good], np.int64)
    return _Pass(rows, features, {error.name: error.reason for error in errors})


class Backbone:
    """A network without its classifier, on pictures."""

    def __init__(self, network: InceptionNet, config: TrainConfig) -> None:
        self.network = network.eval()
        self.device = next(network.parameters()).device
        self.normalise = Normalise(network.spec.preprocessing).to(self.device)
        self.half = config.precision == "bf16"

    @torch.inference_mode()
    def run(self, pictures: Picture) -> npt.NDArray[np.float16]:
        """``[n, features]`` of ``uint8 [n, H, W, 3]``."""
        x = self.normalise(torch.from_numpy(pictures).to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, self.half):
            features = self.network.embed(x)
        return features.half().cpu().numpy()

"""Features of a frozen backbone, computed once for every picture and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from inception.data.crops import views
from inception.data.datasets import Dataset
from inception.data.images import Picture, UnreadableImageError
from inception.data.loading import ordered_map
from inception.data.transforms import augment
from inception.files import cache_folder, replacing, write_text
from inception.machine import available_cores
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import layers_to_json
from inception.training.config import TrainConfig

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
    network: InceptionNet, dataset: Dataset, config: TrainConfig, *, num_views: int
) -> Features:
    """The backbone's features of each picture: as evaluated, then ``num_views - 1`` augmented.

    They are read from the cache where weights, pictures and preparation are the same to the
    byte; else computed and kept. A cache that was not finished does not count.
    """
    place = cache_folder() / "features" / _key(network, dataset, config, num_views)
    finished = place / "unreadable.json"
    if not finished.exists():
        unreadable = _compute(network, dataset, config, num_views, place / "features.npy")
        write_text(finished, json.dumps(unreadable))
    unreadable = json.loads(finished.read_text("utf-8"))
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
        digest.update(dataset.path(index).encode() + _content(dataset, index))
    return digest.hexdigest()[:32]


def _content(dataset: Dataset, index: int) -> bytes:
    try:
        return hashlib.sha256(dataset.encoded(index)).digest()
    except UnreadableImageError:
        return b"unreadable"


def _compute(
    network: InceptionNet, dataset: Dataset, config: TrainConfig, num_views: int, path: Path
) -> dict[str, str]:
    """Writes the features; gives path and reason of pictures that cannot be read."""
    unreadable: dict[str, str] = {}
    with replacing(path) as beside:
        out = None
        for index, features in _passes(network, dataset, config, num_views, unreadable):
            if out is None:
                shape = (len(dataset), num_views, features.shape[-1])
                out = np.lib.format.open_memmap(beside, "w+", np.float16, shape)
            out[index] = features
        if out is None:  # no picture at all can be read
            np.save(beside.open("wb"), np.zeros((len(dataset), num_views, 0), np.float16))
    return unreadable


def _passes(
    network: InceptionNet,
    dataset: Dataset,
    config: TrainConfig,
    num_views: int,
    unreadable: dict[str, str],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float16]]]:
    """Rows and their features ``[rows, views, features]``, a batch at a time."""
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
    prepared = ordered_map(prepare, range(len(dataset)), threads=threads, ahead=2 * AT_ONCE)
    backbone = Backbone(network, config)
    while batch := list(islice(prepared, AT_ONCE)):
        good = [(i, p) for i, p in batch if not isinstance(p, UnreadableImageError)]
        errors = (p for _, p in batch if isinstance(p, UnreadableImageError))
        unreadable |= {error.name: error.reason for error in errors}
        if good:
            features = backbone.run(np.concatenate([p for _, p in good]))
            yield np.array([i for i, _ in good]), features.reshape(len(good), num_views, -1)


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

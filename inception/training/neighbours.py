"""What frozen features tell without training: nearest neighbours, and nearest class means."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inception.evaluation.metrics import log_loss, top_k_accuracy
from inception.training.checkpoint import State
from inception.training.config import TrainConfig
from inception.training.feature_cache import Features
from inception.training.loop import Reports, peak_memory_mb

Vectors = npt.NDArray[np.float32]

SCALES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # of a cosine, to choose from
WARMTH = 0.07  # a neighbour's vote is exp(cosine / WARMTH)
AT_ONCE = 512  # pictures compared with all of the training set


def fit_nearest(
    head: nn.Module,
    train: Features,
    val: Features,
    config: TrainConfig,
    state: State,
    reports: Reports,
) -> None:
    """Sets the classifier's rows to the class means and measures it; nothing is trained.

    The row of the run also tells how often the nearest neighbours in the training set are right
    (``knn_accuracy``). The means are what a file keeps: the neighbours are as many as pictures.
    """
    began = time.perf_counter()
    known, labels = _views(train)
    asked, truth = _vectors(val.values[val.readable, 0]), val.labels[val.readable]
    *_, last = (module for module in head.modules() if isinstance(module, nn.Linear))
    rows = class_means(known, labels, last.out_features)
    scale = min(SCALES, key=lambda s: log_loss(_softmax(known @ rows.T, s), labels))
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(scale * rows))
    votes = nearest_votes(known, labels, asked, config.neighbours, last.out_features)
    scores = _softmax(asked @ rows.T, scale)
    seconds = state.seconds + time.perf_counter() - began
    row = {
        "epoch": 1,
        "lr": 0.0,
        "val_loss": log_loss(scores, truth),
        "top1_accuracy": top_k_accuracy(scores, truth, k=1),
        "top5_accuracy": top_k_accuracy(scores, truth, k=5),
        "knn_accuracy": top_k_accuracy(votes, truth, k=1),
        "images_per_second": len(train.labels) / max(seconds, 1e-9),
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb(torch.device(config.device)),
    }
    state.better(row["top1_accuracy"], row["val_loss"])
    state.rows.append(row)
    state.begin_epoch()
    reports.epoch(row, True)


def class_means(features: Vectors, labels: npt.NDArray[np.int64], classes: int) -> Vectors:
    """``[classes, features]`` the mean of each class, of length 1; 0 for a class without any."""
    sums = np.zeros((classes, features.shape[1]), np.float32)
    np.add.at(sums, labels, features)
    return _unit(sums)


def nearest_votes(
    known: Vectors, labels: npt.NDArray[np.int64], asked: Vectors, neighbours: int, classes: int
) -> Vectors:
    """``[n, classes]`` what the nearest of ``known`` by cosine vote, nearer ones with more weight.

    Args:
        known: ``[N, features]`` of length 1.
        labels: ``[N]`` of ``known``.
        asked: ``[n, features]`` of length 1.
        neighbours: how many vote, at most all.
        classes: their number.
    """
    count = min(neighbours, len(known))
    one_hot = np.eye(classes, dtype=np.float32)[labels]
    shares = []
    for start in range(0, len(asked), AT_ONCE):
        cosines = asked[start : start + AT_ONCE] @ known.T
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]  # [n, count]
        weights = np.exp((np.take_along_axis(cosines, nearest, axis=1) - 1) / WARMTH)
        votes = (weights[:, :, None] * one_hot[nearest]).sum(axis=1)
        shares.append(votes / votes.sum(axis=1, keepdims=True))
    return np.concatenate(shares)


def _views(of: Features) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """All views of all readable pictures, with their labels."""
    values = of.values[of.readable]
    labels = np.repeat(of.labels[of.readable], values.shape[1])
    return _vectors(values.reshape(-1, values.shape[-1])), labels


def _vectors(values: npt.NDArray[np.float16]) -> Vectors:
    return _unit(np.asarray(values, np.float32))  # float16 left them not quite of length 1


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-12)
    return unit


def _softmax(cosines: Vectors, scale: float) -> Vectors:
    scores: Vectors = torch.from_numpy(cosines).mul(scale).softmax(dim=1).numpy()
    return scores

"""What the network is shown of a region, against loops that say it a value at a time."""

from itertools import product

import numpy as np
import pytest
import torch

from inception.benchmark.usual_way import import_torchvision
from inception.detection.boxes import Boxes
from inception.detection.detector import Origin
from inception.detection.learning import roi_align as roi_align_by_torch
from inception.detection.regions import SAMPLES, in_cells, roi_align, shown_whole, warp, widened
from inception.preprocessing import Preprocessing
from inception.runtime.program import Floats

PLAIN = Preprocessing(size=32, mean=(10.0, 20.0, 30.0))


def boxes_at_random(count: int, seed: int = 0) -> Boxes:
    """In a grid of 9 x 13 cells, some of them beyond its edges."""
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(-2, (14, 10), (count, 2, 2)), axis=1)
    return corners.reshape(count, 4)


def point(features: Floats, y: float, x: float) -> Floats:
    """The features between the four cells around a point, which is moved to the edge first."""
    _, height, width = features.shape
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    below, beside = y - top, x - left
    upper = features[:, top, left] * (1 - beside) + features[:, top, right] * beside
    lower = features[:, bottom, left] * (1 - beside) + features[:, bottom, right] * beside
    return upper * (1 - below) + lower * below


def pooled_by_loops(features: Floats, boxes: Boxes, grid: int) -> Floats:
    out = np.zeros((len(boxes), len(features), grid, grid), np.float32)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        high, wide = (y2 - y1) / grid, (x2 - x1) / grid
        for i, j in product(range(grid), repeat=2):
            points = [
                point(
                    features,
                    y1 + high * (i + (a + 0.5) / SAMPLES),
                    x1 + wide * (j + (b + 0.5) / SAMPLES),
                )
                for a, b in product(range(SAMPLES), repeat=2)
            ]
            out[n, :, i, j] = np.mean(points, axis=0)
    return out


@pytest.mark.parametrize(("count", "grid"), [(0, 3), (1, 1), (70, 4)])
def test_roi_align_equals_loops_over_points(count: int, grid: int) -> None:
    features = np.random.default_rng(1).standard_normal((5, 9, 13)).astype(np.float32)
    boxes = boxes_at_random(count)
    expected = pooled_by_loops(features, boxes, grid)
    np.testing.assert_allclose(roi_align(features, boxes, grid), expected, atol=1e-5)
    by_torch = roi_align_by_torch(torch.from_numpy(features), boxes, grid)
    np.testing.assert_allclose(by_torch, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")
def test_roi_align_is_torchvisions_inside_the_picture() -> None:
    """Its own Python form, which says cells by their edges: ours, plus a half."""
    import_torchvision()
    from torchvision.ops.roi_align import _roi_align

    features = torch.randn(1, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    boxes = np.array([[1.2, 0.5, 7.9, 6.1], [0.0, 0.0, 12.0, 8.0], [3.0, 3.0, 3.5, 3.2]])
    rois = torch.from_numpy(np.concatenate([np.zeros((3, 1)), boxes + 0.5], axis=1)).float()
    theirs = _roi_align(features, rois, 1.0, 4, 4, SAMPLES, True)
    np.testing.assert_allclose(roi_align(features[0].numpy(), boxes, 4), theirs, atol=1e-5)


def test_boxes_in_cells_count_from_the_first_cells_middle() -> None:
    cells = in_cells(np.array([[14.5, 14.5, 30.5, 46.5]]), Origin(14.5, 16))
    assert cells.tolist() == [[0, 0, 1, 2]]


def test_a_picture_keeps_its_proportions_and_the_rest_is_the_mean_colour() -> None:
    picture = np.full((20, 40, 3), 200, np.uint8)
    shown, scale = shown_whole(picture, PLAIN)
    assert (shown.shape, scale) == ((32, 32, 3), 0.8)
    assert (shown[:16] == 200).all() and (shown[16:] == [10, 20, 30]).all()


def gradient(height: int, width: int) -> Floats:
    """Red is x, green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)  # type: ignore[return-value]


def test_a_warped_region_fills_its_square_but_for_the_context() -> None:
    """On a picture whose colour says where it is, each pixel must say what the map says."""
    picture, box = gradient(200, 240), np.array([[60.0, 40.0, 124.0, 88.0]])
    (square,) = warp(picture, box, PLAIN, context_px=4)
    places = (np.arange(4, 28) - 4 + 0.5) / 24  # of the region, shares
    across = 60 + 64 * places - 0.5
    down = 40 + 48 * places - 0.5
    np.testing.assert_allclose(square[16, 4:28, 0], across, atol=1)
    np.testing.assert_allclose(square[4:28, 16, 1], down, atol=1)
    wide = widened(box, 32, 4)[0]
    assert wide.tolist() == pytest.approx([60 - 64 / 6, 40 - 8, 124 + 64 / 6, 88 + 8])
    assert square[16, 0, 0] == pytest.approx(wide[0], abs=2)  # the context is seen, not invented


def test_beyond_the_pictures_edge_a_warped_region_has_the_mean_colour() -> None:
    picture = np.full((50, 50, 3), 255, np.uint8)
    (square,) = warp(picture, np.array([[0.0, 0.0, 24.0, 24.0]]), PLAIN, context_px=4)
    assert (square[:4] == [10, 20, 30]).all() and (square[:, :4] == [10, 20, 30]).all()
    assert (square[4:, 4:] == 255).all()
    assert warp(picture, np.zeros((0, 4)), PLAIN, context_px=4).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_mean_colour_is_red_first_whatever_the_network_takes_first(order: str) -> None:
    mean = (10.0, 20.0, 30.0) if order == "rgb" else (30.0, 20.0, 10.0)
    how = Preprocessing(size=32, mean=mean, channel_order=order)  # type: ignore[arg-type]
    shown, _ = shown_whole(np.zeros((10, 40, 3), np.uint8), how)
    assert shown[-1, -1].tolist() == [10, 20, 30]


def test_thin_boxes_are_still_warped() -> None:
    picture = gradient(50, 50)
    box = np.array([[10.0, 10.0, 10.2, 40.0], [49.9, 0.0, 50.0, 50.0]])
    assert warp(picture, box, PLAIN, context_px=4).shape == (2, 32, 32, 3)

"""TF-slim's networks, end point by end point, as its own tests state them.

Source: google-research/tf-slim, ``tf_slim/nets/inception_v1_test.py``, ``_v2_test.py`` and
``_v3_test.py``: their shapes at the published size, and the last at half of it.
"""

import pytest

from inception.models import MODELS
from inception.models.cost import cost

V1 = """
Conv2d_1a_7x7 112 64, MaxPool_2a_3x3 56 64, Conv2d_2c_3x3 56 192, MaxPool_3a_3x3 28 192,
Mixed_3b 28 256, Mixed_3c 28 480, MaxPool_4a_3x3 14 480, Mixed_4b 14 512, Mixed_4c 14 512,
Mixed_4d 14 512, Mixed_4e 14 528, Mixed_4f 14 832, MaxPool_5a_2x2 7 832, Mixed_5b 7 832,
Mixed_5c 7 1024
"""
V2 = """
Conv2d_1a_7x7 112 64, MaxPool_2a_3x3 56 64, Conv2d_2c_3x3 56 192, MaxPool_3a_3x3 28 192,
Mixed_3b 28 256, Mixed_3c 28 320, Mixed_4a 14 576, Mixed_4b 14 576, Mixed_4c 14 576,
Mixed_4d 14 576, Mixed_4e 14 576, Mixed_5a 7 1024, Mixed_5b 7 1024, Mixed_5c 7 1024
"""
V3 = """
Conv2d_1a_3x3 149 32, Conv2d_2a_3x3 147 32, Conv2d_2b_3x3 147 64, MaxPool_3a_3x3 73 64,
Conv2d_3b_1x1 73 80, Conv2d_4a_3x3 71 192, MaxPool_5a_3x3 35 192, Mixed_5b 35 256,
Mixed_5c 35 288, Mixed_5d 35 288, Mixed_6a 17 768, Mixed_6b 17 768, Mixed_6c 17 768,
Mixed_6d 17 768, Mixed_6e 17 768, Mixed_7a 8 1280, Mixed_7b 8 2048, Mixed_7c 8 2048
"""
# Conv2d_2b_1x1 is within our conv2 and left out
END_POINTS = {"googlenet_slim": V1, "inception_v2_slim": V2, "inception_v3": V3}
HALF = {"googlenet_slim": (112, 4), "inception_v2_slim": (112, 4), "inception_v3": (150, 3)}


@pytest.mark.parametrize("model", END_POINTS)
def test_every_stage_has_the_shape_of_its_end_point(model: str) -> None:
    rows = [row.split() for row in END_POINTS[model].split(",")]
    published = [(int(grid), int(grid), int(channels)) for _, grid, channels in rows]
    shapes = [stage.end.shape for stage in cost(MODELS[model]).stages[:-1]]
    assert [(s.height, s.width, s.channels) for s in shapes] == published


@pytest.mark.parametrize("model", HALF)
def test_the_last_grid_of_a_picture_of_half_the_size(model: str) -> None:
    size, grid = HALF[model]
    shape = cost(MODELS[model], size).stages[-2].end.shape
    assert (shape.height, shape.width) == (grid, grid)

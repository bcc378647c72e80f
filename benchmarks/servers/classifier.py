"""An exported model as OpenVINO's documentation would have it run, for servers to compare with."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import openvino as ov
from PIL import Image


class Classifier:
    """A model, its picture size and the usual rule: resize, cut the centre out."""

    def __init__(self, path: str) -> None:
        self.model = ov.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
        self.size = self.model.input(0).partial_shape[1].get_length()

    def read(self, data: bytes) -> Any:
        """A picture as the network is shown it."""
        image = Image.open(io.BytesIO(data)).convert("RGB")
        scale = self.size / 0.875 / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return np.asarray(image.crop((left, top, left + self.size, top + self.size)))

    def answer(self, squares: Any) -> list[dict[str, Any]]:
        """The five likeliest classes of each."""
        told = self.model.create_infer_request().infer({0: squares})["probabilities"]
        best = np.argsort(-told, axis=1)[:, :5]
        return [
            {"top": [{"index": int(i), "probability": float(row[i])} for i in rank]}
            for row, rank in zip(told, best, strict=True)
        ]

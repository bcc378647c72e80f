"""LitServe with batches of 32, as its documentation would have it: MODEL PORT."""

import sys
from typing import Any

import litserve
import numpy as np
from classifier import Classifier
from fastapi import Request


class Served(litserve.LitAPI):  # type: ignore[misc]
    """Pictures decoded and classified in LitServe's worker."""

    def setup(self, device: str) -> None:
        """Once in the worker."""
        self.classifier = Classifier(sys.argv[1])

    def decode_request(self, request: Request) -> Any:
        """The form's file to a square."""
        return self.classifier.read(request["file"].file.read())

    def predict(self, squares: Any) -> Any:
        """Of a batch."""
        return self.classifier.answer(np.stack(squares))

    def encode_response(self, told: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return told


if __name__ == "__main__":
    api = Served(max_batch_size=32, batch_timeout=0.005, api_path="/v1/predict")
    server = litserve.LitServer(api, accelerator="cpu", healthcheck_path="/readyz")
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="warning")

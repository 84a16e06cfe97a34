"""LitServe: one API for JSON and one for bytes, one worker process for each.

Settings: `fast_queue` sends answers through ZeroMQ instead of a queue of multiprocessing;
`timeout=False` saves its check of each request; a `Response` that the worker makes is passed on
unchanged, while FastAPI would encode a list once more.
"""

# The annotation of `decode_request` must not be a text: LitServe gives it to FastAPI.
import json
import sys
from typing import Annotated, Any

import litserve
import numpy as np
from fastapi import Body
from fastapi.responses import Response

from benchmarks.serving.apps import IMAGE, open_model


class Digits(litserve.LitAPI):  # type: ignore[misc]
    """The model, in a worker."""

    def setup(self, device: str) -> None:
        """Open the model."""
        self.run = open_model()

    def predict(self, image: Any) -> Any:
        """Run the model."""
        return self.run(image)


class Json(Digits):
    """Takes an object with 784 numbers."""

    def decode_request(self, request: dict) -> Any:  # type: ignore[type-arg]
        """Make an image of the request."""
        return np.array(request["image"], np.uint8).reshape(IMAGE)

    def encode_response(self, output: Any) -> Response:
        """Write the probabilities."""
        return Response(json.dumps(output[0].tolist()), media_type="application/json")


class Bytes(Digits):
    """Takes 784 bytes."""

    def decode_request(
        self, request: Annotated[bytes, Body(media_type="application/octet-stream")]
    ) -> Any:
        """Make an image of the request."""
        return np.frombuffer(request, np.uint8).reshape(IMAGE)

    def encode_response(self, output: Any) -> Response:
        """Write the probabilities."""
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    server = litserve.LitServer(
        [Json(api_path="/json"), Bytes(api_path="/bytes")],
        accelerator="cpu",
        workers_per_device=1,
        fast_queue=True,
        timeout=False,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )

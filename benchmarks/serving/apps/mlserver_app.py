"""MLServer: a model for the Open Inference Protocol, and a route beside it for bytes.

Settings, in `mlserver_model/`: no worker processes, so that the model runs in the event loop; no
gzip, debug, cache or metrics of HTTP. It lacks the protocol's extension for binary data: bytes go
as base64, which is faster than numbers. Its custom route passes by its protocol, its registry of
models and its figures: that is FastAPI, and a limit rather than a peer.
"""

from __future__ import annotations

import base64

import numpy as np
from fastapi import Request, Response
from mlserver import MLModel
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.serving.apps import IMAGE, open_model


class Digits(MLModel):  # type: ignore[misc]
    """The model."""

    async def load(self) -> bool:
        """Open the model."""
        self._run = open_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request of the protocol."""
        (given,) = payload.inputs
        if given.datatype == "BYTES":
            pixels = np.frombuffer(base64.b64decode(given.data.root[0]), np.uint8)
        else:
            pixels = np.array(given.data.root, np.uint8)
        answer = self._run(pixels.reshape(IMAGE))
        output = ResponseOutput(
            name="probabilities", shape=[1, 10], datatype="FP32", data=answer[0].tolist()
        )
        return InferenceResponse(model_name=self.name, outputs=[output])

    @custom_handler(rest_path="/bytes")  # type: ignore[untyped-decorator]
    async def as_bytes(self, request: Request) -> Response:
        """Answer 784 bytes."""
        pixels = np.frombuffer(await request.body(), np.uint8)
        answer = self._run(pixels.reshape(IMAGE))
        return Response(answer.tobytes(), media_type="application/octet-stream")

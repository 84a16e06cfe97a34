"""BentoML: coroutines, which run in the event loop; functions would go to a thread.

It has no path for bytes alone that is faster than base64 in JSON: for a body of bytes, it builds
the parameter's JSON schema again with each request. A `Response` is passed on unchanged.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import bentoml
import numpy as np
from starlette.responses import Response

from benchmarks.serving.apps import IMAGE, open_model


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Digits:
    """The service."""

    def __init__(self) -> None:
        self._run = open_model()

    # Without an annotation of what they return: BentoML knows no type for a Response.
    @bentoml.api(route="/json")  # type: ignore[untyped-decorator]
    async def as_json(self, image: list[int]):  # type: ignore[no-untyped-def]
        """Take 784 numbers."""
        answer: Any = self._run(np.array(image, np.uint8).reshape(IMAGE))
        return Response(json.dumps(answer[0].tolist()), media_type="application/json")

    @bentoml.api(route="/bytes")  # type: ignore[untyped-decorator]
    async def as_bytes(self, image: str):  # type: ignore[no-untyped-def]
        """Take 784 bytes in base64."""
        pixels = np.frombuffer(base64.b64decode(image), np.uint8).reshape(IMAGE)
        return Response(self._run(pixels).tobytes(), media_type="application/octet-stream")

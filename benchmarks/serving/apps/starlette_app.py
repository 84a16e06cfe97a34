"""The floor: a route of Starlette on uvicorn, without checks, limits or figures.

It is no peer. Its distance to `strop serve` is what Strop's own code costs.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.serving.apps import IMAGE, open_model


def main(port: int) -> None:
    """Serve the model on loopback."""
    run = open_model()

    async def as_json(request: Request) -> Response:
        image = np.array(json.loads(await request.body())["image"], np.uint8).reshape(IMAGE)
        return Response(json.dumps(run(image)[0].tolist()), media_type="application/json")

    async def as_bytes(request: Request) -> Response:
        image = np.frombuffer(await request.body(), np.uint8).reshape(IMAGE)
        return Response(run(image).tobytes(), media_type="application/octet-stream")

    routes = [
        Route("/json", as_json, methods=["POST"]),
        Route("/bytes", as_bytes, methods=["POST"]),
    ]
    uvicorn.run(
        Starlette(routes=routes), port=port, http="httptools", log_config=None, access_log=False
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""The apps of the other servers: each with its package's fastest documented settings.

All of them run the same ONNX file through the fastest Python loop of ONNX Runtime, in one worker
process, without batches: with 8 clients and a model of some microseconds, waiting for a batch
costs more than it saves. Figures, tracing, access logs and caches are off. Each reads the path of
the model from the environment, and answers `/json` and `/bytes`, if its protocol has no other path.
"""

from __future__ import annotations

import os

from benchmarks.peers import Call
from benchmarks.peers.onnx_runtime import open_loop

MODEL = "STROP_SERVING_MODEL"  # the environment variable
IMAGE = (1, 28, 28)


def open_model() -> Call:
    """Open the model for one image at a time.

    Returns:
        A call from uint8 (1, 28, 28) to float32 (1, 10).
    """
    return open_loop("ONNX Runtime IOBinding", "float32", os.environ[MODEL], 1)

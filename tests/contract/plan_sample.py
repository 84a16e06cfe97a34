"""A plan that has everything the format has, samples for it, and their digests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.plan import Plan, Step, Tensor

# SHA-256 of the plan, and of its outputs for 500 samples, one after the other
FILE = "c7471bfc2bb10b9add45d6f99917a17d94d4286ac87127b841bc3ab29faba264"
BITS = "bb83d020659e419b334083944ed22753393e03a9f2d9e2caf171fd842f03cf1d"


def floats(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Numbers from -4 to 4 that are the same on every platform."""
    return (random.integers(-(2**20), 2**20, shape) / 2**18).astype(np.float32)


def whole() -> Plan:
    """A plan with every operator, dtype and kind of tensor."""
    random = np.random.default_rng(5)

    def integers(*shape: int) -> NDArray[np.int8]:
        return random.integers(-127, 128, shape).astype(np.int8)

    scales = random.uniform(1e-3, 4e-3, 6).astype(np.float32)
    bias = random.integers(-9000, 9000, 6).astype(np.int32)
    tensors = [
        Tensor("uint8", (4, 5), 1.0, 0, name="bytes"),
        Tensor("float32", (7,), name="Zahlen für später"),
        Tensor("int8", (4, 5), 1.0, -128),  # 2
        Tensor("int8", (6, 20), values=integers(6, 20), scales=scales),
        Tensor("int32", (6,), values=bias),
        Tensor("int8", (6,), 0.5, -3),  # 5
        Tensor("int8", (6,), 0.25, 8),
        Tensor("float32", (6,)),
        Tensor("float32", (9, 7), values=floats(random, 9, 7)),
        Tensor("float32", (9,), values=floats(random, 9)),
        Tensor("float32", (9,)),  # 10
        Tensor("float32", (6, 9), values=floats(random, 6, 9)),
        Tensor("float32", (6,)),
        Tensor("float32", (6,)),
        Tensor("float32", (2, 3)),  # 14
        Tensor("float32", (3,), values=floats(random, 3)),
        Tensor("float32", (2, 3)),  # 16
        Tensor("float32", (2, 3)),
        Tensor("float32", (2, 3), name="shares"),  # 18
        Tensor("float32", (6,)),
        Tensor("int8", (6,), 0.05, 5),  # 20
        Tensor("int8", (2, 6), 0.01, values=integers(2, 6)),
        Tensor("int8", (2,), 0.07, 1),
        Tensor("int8", (2,), 0.07, 1, name="steps"),  # 23
        Tensor("float32", (6,)),
        Tensor("float32", (6,), name="flat"),
        Tensor("int8", (256,), values=integers(256)),  # 26
        Tensor("int8", (2,), 0.01, 100, values=integers(2)),
        Tensor("int8", (2,), 0.1, -7),
        Tensor("int8", (1,), 0.03, -9, values=integers(1)),
        Tensor("int8", (2,), 0.05, 11),  # 30
    ]
    steps = [
        Step("quantize", (0,), 2),
        Step("fully_connected", (2, 3, 4), 5, "relu"),
        Step("lookup", (5, 26), 6),
        Step("dequantize", (6,), 7),
        Step("fully_connected", (1, 8, 9), 10, "relu6"),
        Step("fully_connected", (10, 11), 12),
        Step("tanh", (12,), 13),
        Step("reshape", (13,), 14),
        Step("mul", (14, 15), 16),
        Step("add", (16, 7), 17, "relu"),
        Step("softmax", (17,), 18, beta=0.5),
        Step("sigmoid", (12,), 19),
        Step("quantize", (19,), 20),
        Step("fully_connected", (20, 21), 22),
        Step("mul", (22, 27), 28, "relu6"),
        Step("sub", (28, 29), 30),
        Step("add", (30, 22), 23, "relu"),
        Step("sub", (12, 13), 24, "relu"),
        Step("relu6", (24,), 25),
    ]
    return Plan(tensors, steps, [0, 1], [18, 23, 25], "float")


def inputs(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Samples for `whole`, each (count, ...)."""
    random = np.random.default_rng(8)
    return random.integers(0, 256, (count, 4, 5)).astype(np.uint8), floats(random, count, 7)

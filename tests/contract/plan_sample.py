"""A plan that has everything the format has, samples for it, and their digests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.plan import Plan, Step, Tensor, Window

# SHA-256 of the plan, and of its outputs for 500 samples, one after the other
FILE = "7b8b0dca6ee5425415d212e01e37d972a0a179814b86948f8f839151b8b19b6a"
BITS = "dd4713bbc09327994c66aaea603848000683c85c06ea7baaa769a3edc9233135"


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
        Tensor("int8", (4, 5, 1), 1.0, -128),
        Tensor("int8", (6, 3, 3, 1), values=integers(6, 3, 3, 1), scales=scales),
        Tensor("int8", (4, 5, 6), 0.09, -90),  # 33
        Tensor("int8", (12, 2, 3), 0.004, values=integers(12, 2, 3)),
        Tensor("int8", (2, 5, 12), 0.06, 3),
        Tensor("int8", (2, 3, 12), 0.06, 3),  # 36
        Tensor("int8", (3, 3, 12), 0.06, 3),
        Tensor("int8", (5, 3, 12), 0.06, 3),
        Tensor("int8", (5, 5, 12), 0.06, 3),  # 39
        Tensor("int8", (12, 5, 5), 0.06, 3),
        Tensor("int8", (12, 1), 0.03, -11, name="means"),
        Tensor("float32", (3, 3, 1)),  # 42
        Tensor("float32", (2, 2, 2, 1), values=floats(random, 2, 2, 2, 1)),
        Tensor("float32", (2,), values=floats(random, 2)),
        Tensor("float32", (3, 3, 2)),  # 45
        Tensor("float32", (4, 3, 3), values=floats(random, 4, 3, 3)),
        Tensor("float32", (3, 2, 4)),
        Tensor("float32", (2, 2, 4)),  # 48
        Tensor("float32", (1, 2, 4)),
        Tensor("float32", (6, 2, 4)),
        Tensor("float32", (7, 3, 4)),  # 51
        Tensor("float32", (3, 4, 7)),
        Tensor("float32", (3, 7), name="level"),
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
        Step("reshape", (2,), 31),
        Step("conv_2d", (31, 32, 4), 33, "relu6", window=Window((1, 1), (1, 1), (1, 1))),
        Step("depthwise_conv_2d", (33, 34), 35, window=Window((2, 1), (1, 2), (0, 2))),
        Step("max_pool_2d", (35,), 36, "relu", window=Window((1, 2), padding=(0, 1), size=(2, 2))),
        Step("average_pool_2d", (36,), 37, window=Window((1, 1), padding=(1, 0), size=(2, 2))),
        Step("concatenate", (36, 37), 38, axes=(0,)),
        Step("pad", (38,), 39, axes=(0, 1, 0)),
        Step("transpose", (39,), 40, axes=(2, 0, 1)),
        Step("mean", (40,), 41, axes=(1, 2)),
        Step("reshape", (10,), 42),
        Step("conv_2d", (42, 43, 44), 45, window=Window((1, 1), (1, 1), (0, 1))),
        Step("depthwise_conv_2d", (45, 46), 47, "relu", window=Window((1, 2), (2, 1), (2, 2))),
        Step("average_pool_2d", (47,), 48, window=Window((2, 1), padding=(1, 1), size=(3, 2))),
        Step("max_pool_2d", (48,), 49, "relu6", window=Window((2, 1), size=(2, 3))),
        Step("concatenate", (47, 48, 49), 50, axes=(0,)),
        Step("pad", (50,), 51, axes=(1, 0, 0)),
        Step("transpose", (51,), 52, axes=(1, 2, 0)),
        Step("mean", (52,), 53, axes=(1, 1)),
    ]
    return Plan(tensors, steps, [0, 1], [18, 23, 25, 41, 53], "float")


def inputs(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Samples for `whole`, each (count, ...)."""
    random = np.random.default_rng(8)
    return random.integers(0, 256, (count, 4, 5)).astype(np.uint8), floats(random, count, 7)

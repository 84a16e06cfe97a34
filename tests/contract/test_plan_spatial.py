"""Convolutions, pools and mean of int8: the referee computes what the kernels do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats import Converted
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import plan_referee
from tests.contract.spatial_files import VALID, Geometry, convolution, pool, reduced, transposed
from tests.contract.tflite_kit import Case, Kernels

Array = NDArray[Any]


def compare(
    files: Sequence[Converted], rounding: str, kernels: Kernels, count: int = 40, least: float = 0.5
) -> None:
    """Compare every value of `count` random samples of each file.

    More than the share `least` of the files give more than 30 different values.
    """
    random = np.random.default_rng(31)
    cases = []
    for file in files:
        shape = (count, *(side or 1 for side in file.inputs[0].shape[1:]))
        values = random.integers(-128, 128, shape)
        offsets = random.integers(-128, 128, (count, *[1] * (len(shape) - 1)))
        narrow = np.clip(values // 16 + offsets, -128, 127)  # sums far from those of any values
        values[1::2] = narrow[1::2]
        cases.append(Case(file.data, values.astype(np.int8)))
    spread = 0
    for case, file, tensors in zip(cases, files, kernels(cases), strict=True):
        plan = convert_plan(file, ["layer"], rounding)
        (ours,) = plan_referee.outputs(plan.data, case.inputs)
        np.testing.assert_array_equal(ours, tensors["y"].reshape(ours.shape))
        spread += len(np.unique(ours)) > 30
    assert spread > least * len(files)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_convolutions(rounding: str, kernels: Kernels) -> None:
    random = np.random.default_rng(41)
    files = []
    for i in range(80):
        geometry = Geometry.random(random)
        channels, outputs = int(random.integers(1, 20)), int(random.integers(1, 24))
        fused, scales = (0, 0, 1, 3)[i % 4], (0, 1)[i % 3 == 0]
        shape = (random, geometry, channels, outputs)
        files.append(convolution(*shape, scales=scales, fused=fused))
    compare(files, rounding, kernels)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_depthwise_convolutions(rounding: str, kernels: Kernels) -> None:
    random = np.random.default_rng(43)
    files = []
    for i in range(80):
        geometry = Geometry.random(random)
        channels = int(random.integers(1, 20))
        outputs = channels * (1, 1, 2, 3, 1, 8)[i % 6]
        fused, scales = (0, 0, 1, 3)[i % 4], (0, 1)[i % 7 == 0]
        shape = (random, geometry, channels, outputs)
        files.append(convolution(*shape, depthwise=True, scales=scales, fused=fused))
    compare(files, rounding, kernels)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_pools(kind: str, rounding: str, kernels: Kernels) -> None:
    """relu6 ends at a half for most of the last scales."""
    random = np.random.default_rng(47)
    geometries = [Geometry((25, 5), (25, 5), padding=VALID), Geometry((8, 8), (8, 8), (8, 8))]
    geometries += [Geometry.random(random, dilated=False) for _ in range(80)]
    files = []
    for i, geometry in enumerate(geometries):
        quantized = float(np.float32(random.uniform(0.01, 0.1))), int(random.integers(-128, 128))
        fused = (0, 0, 1, 3)[i % 4]
        files.append(pool(kind, geometry, int(random.integers(1, 20)), quantized, fused))
    for ends in ((4.0, -19), (4.0, -20), (6 / 127.5, -19), (6 / 10.5, -20)):
        files.append(pool(kind, Geometry((6, 6), (2, 2)), 3, ends, 3))
    compare(files, rounding, kernels)


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    *(((1, 8, 8, 7), (1, 2)), ((1, 25, 5, 4), (1, 2)), ((1, 7, 6, 3), (2, 1)), ((1, 6, 9), (1,))),
    *(((1, 6, 9), (2,)), ((1, 6, 9), (-1,)), ((1, 4, 3, 5), (3,)), ((1, 4, 3, 5), (1, 2, 3))),
    *(((1, 64, 64, 2), (1, 2)), ((1, 9), (1,)), ((1, 1, 1, 9), (1, 2)), ((1, 256, 256, 1), (1, 2))),
]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_means(rounding: str, kernels: Kernels) -> None:
    """Means of even numbers of values, with scales that are alike, are often halves."""
    random = np.random.default_rng(53)
    files: list[Converted] = []
    for shape, axes in SHAPES:
        for ratio in (1.0, 0.37, 0.999, 2.0**-10, 0.7):
            y = float(np.float32(random.uniform(0.01, 0.1)))
            x = float(np.float32(y * ratio))
            zeros = [int(each) for each in random.integers(-128, 128, 2)]
            if ratio == 1:
                zeros[1] = zeros[0]
            quantized, keep = ((x, zeros[0]), (y, zeros[1])), len(files) % 2 == 0
            files.append(reduced("MEAN", shape, axes, *quantized, keep=keep))
    # TensorFlow Lite takes larger ratios the more values there are.
    for shape, ratio in (((1, 2, 1, 5), 1.99), ((1, 8, 8, 5), 3.3), ((1, 8, 8, 5), 63.9)):
        files.append(reduced("MEAN", shape, (1, 2), (0.1 * ratio, 5), (0.1, -9)))
    compare(files, rounding, kernels, count=20, least=0.3)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_largest_of_a_picture(rounding: str, kernels: Kernels) -> None:
    files = [
        reduced("REDUCE_MAX", shape, axes, (0.05, -9), (0.05, -9), keep=keep)
        for shape, axes in (((1, 3, 2, 40), (1, 2)), ((1, 7, 40), (1,)), ((1, 2, 2, 40), (-3, 2)))
        for keep in (False, True)
    ]
    compare(files, rounding, kernels)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_transposed_convolutions(rounding: str, kernels: Kernels) -> None:
    random = np.random.default_rng(59)
    files = []
    for _ in range(60):
        height, width, above, across = (int(each) for each in random.integers(1, 6, 4))
        channels, outputs = (int(each) for each in random.integers(1, 20, 2))
        files.append(transposed(random, (height, width), (above, across), channels, outputs))
    compare(files, rounding, kernels, count=1, least=0.4)  # the file has the size of the batch

"""The arithmetic of docs/plan-format.md, by the referee, is that of LiteRT's kernels."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.formats import Conversions, Converted, Quantization, VariantSpec, quiet
from strop_export.formats.plan_tflite import convert_plan
from tests.conftest import Exported
from tests.contract import plan_referee, tflite_kit

with quiet():
    import keras

ROUNDINGS = ["float", "reference"]
SCALES = [0.02358, 2.0**-6, 0.0078431, 1.7e-3]


@functools.cache
def conversions(artifact: Path) -> Conversions:
    with np.load(artifact / "calibration.npz") as calibration:
        return Conversions(
            keras.models.load_model(artifact / "model.keras"), [calibration["inputs"]]
        )


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("recipe", ["edge", "notebook"])
def test_every_int8_value_of_all_test_images(
    recipe: str, per_channel: bool, rounding: str, request: pytest.FixtureRequest
) -> None:
    exported: Exported = request.getfixturevalue(recipe)
    convert = conversions(exported.artifact).convert
    few = Quantization(samples=50)
    plan = convert(VariantSpec("plan", "int8", per_channel, few, rounding=rounding)).data
    tflite = convert(VariantSpec("tflite", "int8", per_channel, few)).data
    images = exported.evaluation()["inputs"]
    kernels = tflite_kit.run(tflite, images, rounding)
    found = plan_referee.run(plan, images)
    compared = 0
    for i, step in enumerate(plan_referee.read(plan).steps):  # one for each operator
        if step.operator in ("quantize", "fully_connected") and found[step.output].dtype == "int8":
            theirs = kernels[f"{i}.{step.operator}"]
            np.testing.assert_array_equal(found[step.output], theirs)
            compared += 1
    assert compared == 3
    (ours,) = plan_referee.outputs(plan, images)
    np.testing.assert_allclose(ours, kernels["probabilities"], atol=1e-5)


def equal(file: Converted, inputs: NDArray[Any], rounding: str, *, least: int = 250) -> None:
    """Compare the referee with the kernels of a rounding; `least` steps must occur."""
    plan = convert_plan(file, ["layer"], rounding).data
    (ours,) = plan_referee.outputs(plan, inputs)
    theirs = tflite_kit.run(file.data, inputs, rounding)["y"]
    assert len(np.unique(theirs)) >= least
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("activation", [0, 1, 3])  # none, relu, relu6
@pytest.mark.parametrize("kind", ["one scale", "powers of two", "scales"])
def test_requantization(kind: str, activation: int, rounding: str) -> None:
    """Each output has a sum of its own: small and large ones, and many halves."""
    random = np.random.default_rng(11)
    count = 20_000
    x, y = np.float32(0.0373), np.float32(0.0521)
    w = np.array([1.234e-3], np.float32)
    if kind == "powers of two":
        x, w, y = np.float32(2.0**-5), np.array([2.0**-9], np.float32), np.float32(2.0**-6)
    elif kind == "scales":
        w = np.exp2(random.uniform(-22, -1, count)).astype(np.float32)
    factor = np.float64(x) * w / y
    sums = random.uniform(-140, 140, count) / factor
    build = tflite_kit.Builder()
    source = build.tensor((1, 1), "int8", x, -7)
    weights = random.integers(-127, 128, (count, 1)).astype(np.int8)
    inputs = [
        source,
        build.constant(weights, w),
        build.constant(sums.astype(np.int32), x * w),
    ]
    result = build.tensor((1, count), "int8", y, 3)
    file = build.file(source, build.step("FULLY_CONNECTED", inputs, result, activation))
    values = np.arange(-128, 128, 15, dtype=np.int8)[:, np.newaxis]
    equal(file, values, rounding, least={0: 256, 1: 125, 3: 115}[activation])


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    ("scale", "zero_point"), [(4.0, -19), (4.0, -20), (6 / 127.5, -19), (6 / 10.5, -20), (0.2, 3)]
)
def test_the_upper_limit_of_relu6(scale: float, zero_point: int, rounding: str) -> None:
    """It is a half for most of these scales."""
    build = tflite_kit.Builder()
    source = build.tensor((1, 1), "int8", scale, zero_point)
    w = np.array([0.009, 0.0091], np.float32)
    inputs = [
        source,
        build.constant(np.array([[100], [100]], np.int8), w),
        build.constant(np.zeros(2, np.int32), np.float32(scale) * w),
    ]
    result = build.tensor((1, 2), "int8", scale, zero_point)
    file = build.file(source, build.step("FULLY_CONNECTED", inputs, result, activation=3))
    equal(file, np.arange(-128, 128, dtype=np.int8)[:, np.newaxis], rounding, least=2)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero_point", [-128, 5])
def test_quantize(scale: float, zero_point: int, rounding: str) -> None:
    """The built-in kernels cannot tell values beyond int32; in eights, they use vectors for all."""
    halves = (np.arange(-300, 300) + 0.5) * np.float32(scale)
    near = np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))
    special = [0.0, -0.0, 1e-45, -1e-45, 1e5, -1e5, 1e6, -1e6]
    if rounding == "float":
        special += [np.inf, -np.inf, 3e38, -3e38, 1e30, -1e30, 1e20, -1e20]
    spread = np.random.default_rng(3).uniform(-300, 300, 20_000) * scale
    values = np.concatenate([halves, *near, special, spread]).astype(np.float32)
    assert len(values) % 8 == 0
    build = tflite_kit.Builder()
    source = build.tensor((1, 1), "float32")
    result = build.tensor((1, 1), "int8", scale, zero_point)
    file = build.file(source, build.step("QUANTIZE", [source], result))
    equal(file, values[:, np.newaxis], rounding)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scale", [*SCALES, 6 / 127.5, 4.0])
@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
def test_relu_of_int8(kind: str, scale: float, rounding: str) -> None:
    build = tflite_kit.Builder()
    source = build.tensor((1, 1), "int8", scale, -19)
    result = build.tensor((1, 1), "int8", scale, -19)
    file = build.file(source, build.step(kind, [source], result))
    equal(file, np.arange(-128, 128, dtype=np.int8)[:, np.newaxis], rounding, least=2)


def test_dequantize() -> None:
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 1), "int8", 0.0371, 9), build.tensor((1, 1), "float32")
    file = build.file(source, build.step("DEQUANTIZE", [source], result))
    equal(file, np.arange(-128, 128, dtype=np.int8)[:, np.newaxis], "float")

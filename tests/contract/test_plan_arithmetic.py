"""The arithmetic of docs/plan-format.md, by the referee, is that of the kernels it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats import Converted, Quantization, VariantSpec
from strop_export.formats.plan_tables import TABLES
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import plan_referee, tflite_kit
from tests.contract.operator_files import BYTES, pair, pairs, quantized, single
from tests.contract.tflite_kit import Case, Kernels
from tests.contract.trained import conversions, images

Array = NDArray[Any]
SCALES = (0.02358, 2.0**-6, 0.0078431, 1.7e-3)


def compare_images(artifact: Path, rounding: str, kernels: Kernels) -> None:
    """Compare every int8 value of all test images, with one scale for each output and for all."""
    few, samples = Quantization(samples=50), images(artifact)
    cases, plans = [], []
    for per_channel in (True, False):
        convert = conversions(artifact).convert
        cases.append(Case(convert(VariantSpec("tflite", "int8", per_channel, few)).data, samples))
        spec = VariantSpec("plan", "int8", per_channel, few, rounding=rounding)
        plans.append(convert(spec).data)
    for plan, theirs in zip(plans, kernels(cases), strict=True):
        found = plan_referee.run(plan, samples)
        compared = 0
        for i, step in enumerate(plan_referee.read(plan).steps):  # one for each operator
            ours = found[step.output]
            if ours.dtype == np.int8:
                np.testing.assert_array_equal(ours, theirs[f"{i}.{step.operator}"])
                compared += 1
        assert compared == 3
        (result,) = plan_referee.outputs(plan, samples)
        np.testing.assert_allclose(result, theirs["probabilities"], atol=1e-5)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("artifact", ["edge_artifact", "notebook_artifact"])
def test_every_int8_value_of_all_test_images(
    artifact: str, rounding: str, kernels: Kernels, request: pytest.FixtureRequest
) -> None:
    compare_images(request.getfixturevalue(artifact), rounding, kernels)


def test_the_reference_is_what_tflite_runtime_gives_by_default(
    edge_artifact: Path, tflite_python: Path, tmp_path: Path
) -> None:
    def kernels(cases: Sequence[Case]) -> list[dict[str, Array]]:
        return tflite_kit.run_tflite_runtime(cases, "AUTO", tflite_python, tmp_path)

    compare_images(edge_artifact, "reference", kernels)


def compare(
    files: Sequence[Converted], inputs: Array, rounding: str, kernels: Kernels, least: int = 250
) -> None:
    """Compare the referee with kernels; each file gives `least` different values at least."""
    cases = [Case(file.data, inputs) for file in files]
    for file, tensors in zip(files, kernels(cases), strict=True):
        (ours,) = plan_referee.outputs(convert_plan(file, ["layer"], rounding).data, inputs)
        assert len(np.unique(tensors["y"])) >= least
        np.testing.assert_array_equal(ours, tensors["y"])


def layer(
    weights: Array, sums: Array, scales: tuple[Any, Any, Any], zeros: tuple[int, int], fused: int
) -> Converted:
    """An int8 FULLY_CONNECTED of one input; `fused` is the schema's number of its activation."""
    x, w, y = scales
    build = tflite_kit.Builder()
    source = build.tensor((1, 1), "int8", x, zeros[0])
    bias = build.constant(sums.astype(np.int32), np.float32(x) * w)
    result = build.tensor((1, len(weights)), "int8", y, zeros[1])
    inputs = [source, build.constant(weights, w), bias]
    step = build.step("FULLY_CONNECTED", inputs, result, fusedActivationFunction=fused)
    return build.file(source, step)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["one scale", "powers of two", "scales"])
def test_requantization(kind: str, rounding: str, kernels: Kernels) -> None:
    """Each output has a sum of its own: small and large ones, and many halves."""
    random = np.random.default_rng(11)
    count = 20_000
    x, y = np.float32(0.0373), np.float32(0.0521)
    w = np.array([1.234e-3], np.float32)
    if kind == "powers of two":
        x, w, y = np.float32(2.0**-5), np.array([2.0**-9], np.float32), np.float32(2.0**-6)
    elif kind == "scales":
        w = np.exp2(random.uniform(-22, -1, count)).astype(np.float32)
    sums = random.uniform(-140, 140, count) / (np.float64(x) * w / y)
    weights = random.integers(-127, 128, (count, 1)).astype(np.int8)
    files = [layer(weights, sums, (x, w, y), (-7, 3), fused) for fused in (0, 1, 3)]
    compare(files, BYTES[::15], rounding, kernels, least=115)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_upper_limit_of_relu6(rounding: str, kernels: Kernels) -> None:
    """It is a half for most of these scales."""
    w = np.array([0.009, 0.0091], np.float32)
    weights, sums = np.full((2, 1), 100, np.int8), np.zeros(2)
    cases = [(4.0, -19), (4.0, -20), (6 / 127.5, -19), (6 / 10.5, -20), (0.2, 3)]
    files = [layer(weights, sums, (scale, w, scale), (z, z), 3) for scale, z in cases]
    compare(files, BYTES, rounding, kernels, least=2)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scale", SCALES)
def test_quantize(scale: float, rounding: str, kernels: Kernels) -> None:
    halves = (np.arange(-300, 300) + 0.5) * np.float32(scale)
    near = np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))
    special = [0.0, -0.0, 1e-45, -1e-45, 1e5, -1e5]
    if rounding == "float":  # the others' conversion to int32 is not defined for these
        special += [np.inf, -np.inf, 3e38, -3e38, 1e10, -1e10]
    spread = np.random.default_rng(3).uniform(-300, 300, 20_000) * scale
    values = np.concatenate([halves, *near, special, spread]).astype(np.float32)
    files = [single("QUANTIZE", None, (scale, zero)) for zero in (-128, 5)]
    compare(files, values[:, np.newaxis], rounding, kernels)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_separate_relus_of_int8(rounding: str, kernels: Kernels) -> None:
    files = [
        single(kind, (scale, -19), (scale, -19))
        for kind in ("RELU", "RELU6")
        for scale in (*SCALES, 6 / 127.5, 4.0)
    ]
    compare(files, BYTES, rounding, kernels, least=2)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_dequantize(rounding: str, kernels: Kernels) -> None:
    files = [single("DEQUANTIZE", (scale, 9), None) for scale in SCALES]
    compare(files, BYTES, rounding, kernels)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", sorted(TABLES))
def test_functions_of_int8(kind: str, rounding: str, kernels: Kernels) -> None:
    random = np.random.default_rng(13)
    options: dict[str, Any] = {"alpha": 0.13} if kind == "LEAKY_RELU" else {}
    results = {"TANH": (1 / 128, 0), "LOGISTIC": (1 / 256, -128)}  # no kernel takes others
    files = []
    for _ in range(100):
        scale, zero_point = quantized(random, -9, -2)
        ratio, shifted = quantized(random, -2, 3)
        files.append(
            single(
                kind, (scale, zero_point), results.get(kind, (scale * ratio, shifted)), **options
            )
        )
    compare(files, BYTES, rounding, kernels, least=1)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["MUL", "ADD", "SUB"])
def test_pairs_of_int8(kind: str, rounding: str, kernels: Kernels) -> None:
    """Each file gives the results of all pairs of bytes."""
    compare(pairs(kind), np.repeat(BYTES, 256, axis=1), rounding, kernels, least=1)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_ends_of_the_scales_of_pairs(rounding: str, kernels: Kernels) -> None:
    above = float(np.nextafter(np.float32(2.0**-10), np.float32(1)))
    ratios = [(2.0**-10, 1), (above, 2.0**-10), (63.99, 63.99), (63.99, 2.0**-10), (1, 1)]
    files = [
        pair(kind, ((0.01 * a, -3), (0.01 * b, 9), (0.01, 5)), fused=0)
        for kind in ("ADD", "SUB")
        for a, b in ratios
    ]
    files += [
        pair("MUL", ((0.5, -128), (0.5, 127), (0.25 / factor, -9)), fused=0)
        for factor in (2.0**-16, 0.99)
    ]
    compare(files, np.repeat(BYTES, 256, axis=1), rounding, kernels, least=1)

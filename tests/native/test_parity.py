"""The C core gives the bits of the referee, and the int8 values of TensorFlow Lite's kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats import Quantization, VariantSpec
from strop_export.formats.plan import Plan, Step, Tensor
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import operator_files, plan_referee, plan_sample, tflite_kit
from tests.contract.tflite_kit import Case
from tests.contract.trained import conversions, images
from tests.native import networks
from tests.native.engine import Engine
from tests.native.spatial import spatial_plan

Array = NDArray[Any]
Run = Callable[[Sequence[Case]], list[dict[str, Array]]]
FEW = Quantization(samples=50)


def differing(ours: Array, theirs: Array) -> int:
    """Count the values whose bits differ; any NaN is equal to any other."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    bits = np.dtype(f"u{ours.itemsize}")
    same = np.ascontiguousarray(ours).view(bits) == np.ascontiguousarray(theirs).view(bits)
    if ours.dtype == np.float32:
        same |= np.isnan(ours) & np.isnan(theirs)
    return int((~same).sum())


def compare(engine: Engine, plan: bytes, *inputs: Array) -> None:
    """Compare all outputs by every set of kernels with the referee's."""
    expected = plan_referee.outputs(plan, *inputs)
    for kernels in engine.kernels:
        for ours, theirs in zip(engine.run(plan, kernels, *inputs), expected, strict=True):
            assert differing(ours, theirs) == 0, kernels


@pytest.mark.parametrize("artifact", ["edge_artifact", "notebook_artifact"])
@pytest.mark.parametrize("precision", ["float32", "float", "reference"])
def test_all_tensors_of_all_test_images_have_the_bits_of_the_referee(
    artifact: str, precision: str, engine: Engine, request: pytest.FixtureRequest
) -> None:
    """The last tensors are the same whether or not the others are outputs."""
    folder = request.getfixturevalue(artifact)
    spec = VariantSpec("plan", "float32")
    if precision in ROUNDINGS:
        spec = VariantSpec("plan", "int8", quantization=FEW, rounding=precision)
    converted = conversions(folder).convert(spec)
    samples = images(folder).astype(converted.inputs[0].dtype)
    whole = networks.with_inner_outputs(converted.data)
    expected = plan_referee.outputs(whole, samples)
    assert len({array.tobytes() for array in expected}) > 2
    for kernels in engine.kernels:
        for ours, theirs in zip(engine.run(whole, kernels, samples), expected, strict=True):
            assert differing(ours, theirs) == 0, kernels
        (result,) = engine.run(converted.data, kernels, samples)
        assert differing(result, expected[-1]) == 0, kernels
        (few,) = engine.run(converted.data, kernels, samples[:150], tile_rows=7)
        assert differing(few, expected[-1][:150]) == 0, kernels


EXACT = {"LiteRT, XNNPACK": "float", "tflite-runtime, reference": "reference"}
# Optimized kernels, which round some values below the zero point differently: relu hides it.
OPTIMIZED = {"LiteRT, no delegates": "reference", "tflite-runtime": "reference"}


@pytest.fixture
def run(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """The kernels of TensorFlow Lite of a name."""
    if name.startswith("LiteRT"):
        resolver = "AUTO" if "XNNPACK" in name else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
        return lambda cases: tflite_kit.run_litert(cases, resolver)
    python = request.getfixturevalue("tflite_python")
    resolver = "BUILTIN_REF" if "reference" in name else "AUTO"
    return lambda cases: tflite_kit.run_tflite_runtime(cases, resolver, python, tmp_path)


@pytest.mark.parametrize(("name", "rounding"), (EXACT | OPTIMIZED).items())
@pytest.mark.parametrize("per_channel", [True, False], ids=["scales", "one scale"])
def test_every_int8_value_of_all_test_images_is_that_of_tensorflow_lite(
    per_channel: bool, edge_artifact: Path, rounding: str, run: Run, engine: Engine
) -> None:
    samples, convert = images(edge_artifact), conversions(edge_artifact).convert
    file = convert(VariantSpec("tflite", "int8", per_channel, FEW)).data
    spec = VariantSpec("plan", "int8", per_channel, FEW, rounding=rounding)
    whole = networks.with_inner_outputs(convert(spec).data)
    [theirs] = run([Case(file, samples)])
    found = engine.run(whole, next(iter(engine.kernels)), samples)
    layers = 0
    for i, (step, ours) in enumerate(zip(plan_referee.read(whole).steps, found, strict=True)):
        if ours.dtype == np.int8:
            assert differing(ours, theirs[f"{i}.{step.operator}"]) == 0
            layers += step.operator == "fully_connected"
    assert layers == 2
    np.testing.assert_allclose(found[-1], theirs["probabilities"], atol=1e-5)


@pytest.mark.parametrize(("name", "rounding"), EXACT.items())
def test_random_int8_networks_have_the_values_of_tensorflow_lite(
    rounding: str, run: Run, engine: Engine
) -> None:
    random = np.random.default_rng(17)
    made = [networks.int8_file(random, 20) for _ in range(60)]
    cases = [Case(file.data, values) for file, values in made]
    found = run(cases)
    assert sum(len(np.unique(theirs["y"])) > 10 for theirs in found) >= 45
    for (file, values), theirs in zip(made, found, strict=True):
        plan = convert_plan(file, ["layer"], rounding).data
        for name in engine.kernels:
            (ours,) = engine.run(plan, name, values)
            assert differing(ours, theirs["y"]) == 0, name
        compare(engine, networks.with_inner_outputs(plan), values)


def test_random_float_networks_have_the_bits_of_the_referee(engine: Engine) -> None:
    """Inputs are often NaN, infinite or denormal."""
    random = np.random.default_rng(23)
    for _ in range(150):
        plan = networks.float_plan(random)
        compare(engine, plan, *networks.samples(random, plan, int(random.integers(1, 71))))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_random_spatial_networks_have_the_bits_of_the_referee(dtype: str, engine: Engine) -> None:
    """Inputs of float32 are often NaN, infinite or denormal."""
    random = np.random.default_rng(29)
    for _ in range(150):
        plan = spatial_plan(random, dtype)
        compare(engine, plan, *networks.samples(random, plan, int(random.integers(1, 20))))


def test_every_operator_and_dtype_has_the_bits_of_the_referee(engine: Engine) -> None:
    plan = plan_sample.whole().to_bytes()
    compare(engine, plan, *plan_sample.inputs(500))
    compare(engine, plan, *networks.samples(np.random.default_rng(5), plan, 200))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["MUL", "ADD", "SUB"])
def test_pairs_of_int8_have_the_bits_of_the_referee(
    kind: str, rounding: str, engine: Engine
) -> None:
    """Each file gives the results of all pairs of bytes."""
    samples = np.repeat(operator_files.BYTES, 256, axis=1)
    for file in operator_files.pairs(kind):
        compare(engine, convert_plan(file, ["layer"], rounding).data, samples)


def test_softmax_works_along_the_last_axis_of_its_input(engine: Engine) -> None:
    tensors = [Tensor("float32", (2, 3), name="x"), Tensor("float32", (3, 2), name="y")]
    plan = Plan(tensors, [Step("softmax", (0,), 1, beta=1.0)], [0], [1]).to_bytes()
    compare(engine, plan, np.arange(12, dtype=np.float32).reshape(2, 2, 3))

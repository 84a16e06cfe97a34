"""Models that no plan holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from strop_export.errors import ConversionError, UnsupportedLayer
from strop_export.formats import (
    Conversions,
    Converted,
    Names,
    VariantSpec,
    convert,
    quiet,
)
from strop_export.formats.plan import MAX_RECORDS, Plan, Step, Tensor
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import tflite_kit
from tests.unit.export.formats_kit import model, samples
from tests.unit.export.plan_kit import (
    FLOAT32,
    INT8,
    Array,
    inputs_for,
    operators,
    sequential,
)

with quiet():
    import keras

    layers = keras.layers


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (("plan", "int8", "up"), "no rounding 'up'; choose reference, float"),
        (("plan", "float32", "reference"), "a float32 plan file has no choice of rounding"),
        (("tflite", "int8", "reference"), "a int8 tflite file has no choice of rounding"),
        (("plan", "float16", "float"), "plan is not written in precision 'float16'"),
    ],
)
def test_no_such_plan(fields: tuple[str, str, str], problem: str) -> None:
    with pytest.raises(ConversionError, match=problem):
        VariantSpec(*fields[:2], rounding=fields[2])


def _highway() -> Any:
    inputs = keras.Input((6,))
    gate = layers.Dense(6, "sigmoid")(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.Multiply()([1.0 - gate, inputs])))


def _attention() -> Any:
    inputs = keras.Input((6,))
    shares = layers.Dense(6, "softmax", name="shares")(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.Multiply()([shares, inputs])))


def _picture(kind: str) -> Any:
    more = {"up": layers.UpSampling2D, "wide": lambda name: layers.Conv2DTranspose(2, 3, name=name)}
    convolved = layers.Conv2D(4, 3)
    return sequential(convolved, more[kind](name=kind), layers.Conv2D(1, 3), shape=(6, 6, 1))


def _twice() -> Any:
    inputs = keras.Input((6,))
    result = layers.Dense(2)(inputs)
    return keras.Model(inputs, [result, result])


@pytest.mark.parametrize(
    ("spec", "build", "problem"),
    [
        (FLOAT32, lambda: _picture("up"), r"layer 'up' \(TILE\)"),
        (INT8, lambda: _picture("wide"), r"layer 'wide' \(TRANSPOSE_CONV\)"),
        (FLOAT32, lambda: model("table"), r"layer 'dense\w*' \(GELU\) .* no such operator"),
        (INT8, _highway, r"layer '\w*' \(SUB\) .* its first input is a constant"),
        (INT8, _attention, r"layer 'shares' \(SOFTMAX\) .* kernels do not agree on softmax"),
        (
            FLOAT32,
            lambda: sequential(layers.Dense(5, "elu", name="last")),
            r"layer 'last' \(ELU\)",
        ),
        (FLOAT32, _twice, "an output that is an input or another output"),
        (
            FLOAT32,
            lambda: sequential(layers.Softmax(axis=0, name="batch"), shape=()),
            r"layer 'batch' .* no axis besides the batch",
        ),
    ],
)
def test_other_layers_are_refused_by_name(spec: VariantSpec, build: Any, problem: str) -> None:
    net = build()
    with pytest.raises(UnsupportedLayer, match=problem):
        convert(net, spec, inputs_for(net), Names(("x",), ("y", "z")[: len(net.outputs)]))


def layer(
    weights: Array,
    bias: Sequence[int],
    *,
    scale: Any = 1e-3,
    scales: tuple[float, float] = (0.1, 0.1),
) -> Converted:
    """An int8 FULLY_CONNECTED; `scales`: of its input and of its output."""
    build = tflite_kit.Builder()
    source = build.tensor((1, weights.shape[1]), "int8", scales[0], 0)
    result = build.tensor((1, len(weights)), "int8", scales[1], 0)
    biases = build.constant(np.array(bias, np.int32), np.float32(scales[0] * scale))
    inputs = [source, build.constant(weights, scale), biases]
    return build.file(source, build.step("FULLY_CONNECTED", inputs, result))


ONE = np.ones((1, 1), np.int8)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (lambda: layer(ONE, [2**31 - 255]), "could overflow"),
        (lambda: layer(-127 * np.ones((1, 65_537), np.int8), [0]), "could overflow"),
        (lambda: layer(-128 * ONE, [0]), "a weight of -128"),
        (lambda: layer(ONE, [0], scale=1.0), "finer steps than its sums"),
        (lambda: layer(ONE, [0], scales=(0.1, 1e-4)), "finer steps than its sums"),
        (lambda: layer(ONE, [0], scale=1e-39), "not a normal number"),
    ],
)
def test_sums_that_the_format_cannot_hold_are_refused(file: Any, problem: str) -> None:
    with pytest.raises(UnsupportedLayer, match=rf"layer 'last' \(FULLY_CONNECTED\) .*{problem}"):
        convert_plan(file(), ["last"], "float")


def test_the_largest_sums_are_written() -> None:
    file = convert_plan(layer(ONE, [2**31 - 256]), ["last"], "float")
    assert operators(file) == ["fully_connected"]


def pair(kind: str, x: float, w: float, *, scales: int = 1) -> Converted:
    """An operator of a tensor and a constant, of these scales; its output has the scale 1."""
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 2), "int8", x), build.tensor((1, 2), "int8", 1.0)
    constant = build.constant(np.ones(2, np.int8), [w] * scales)
    return build.file(source, build.step(kind, [source, constant], result))


FAR = "too far apart"


@pytest.mark.parametrize(
    ("kind", "x", "w", "problem"),
    [
        ("ADD", 1.0, 2.0**-11, FAR),
        ("ADD", 2.0**-11, 1.0, FAR),
        ("SUB", 64.0, 1.0, FAR),
        ("SUB", 1.0, 64.0, FAR),
        ("MUL", 2.0**-8, 2.0**-9, "much coarser"),
        ("MUL", 2.0, 0.5, "finer steps than its products"),
    ],
)
def test_pairs_of_scales_that_kernels_do_not_share_are_refused(
    kind: str, x: float, w: float, problem: str
) -> None:
    with pytest.raises(UnsupportedLayer, match=rf"layer 'last' \({kind}\) .*{problem}"):
        convert_plan(pair(kind, x, w), ["last"], "float")


def test_a_constant_of_several_scales_is_refused() -> None:
    with pytest.raises(UnsupportedLayer, match="its constant has several scales"):
        convert_plan(pair("ADD", 1.0, 1.0, scales=2), ["last"], "float")


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_a_quantize_of_integers_is_a_lookup_if_it_changes_the_scale(dtype: str) -> None:
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 3), dtype, 0.1), build.tensor((1, 3), "int8", 0.2)
    file = build.file(source, build.step("QUANTIZE", [source], result))
    if dtype == "int8":
        assert operators(convert_plan(file, ["last"], "float")) == ["lookup"]
        return
    with pytest.raises(UnsupportedLayer, match="it changes the scale"):
        convert_plan(file, ["last"], "float")


@pytest.mark.parametrize(("kind", "scale"), [("RELU", 2.0**-9), ("QUANTIZE", 2.0**8)])
def test_a_function_of_scales_far_apart_is_refused(kind: str, scale: float) -> None:
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 3), "int8", scale), build.tensor((1, 3), "int8", 1.0)
    file = build.file(source, build.step(kind, [source], result))
    with pytest.raises(UnsupportedLayer, match="its input and its output are too far apart"):
        convert_plan(file, ["last"], "float")


def test_too_many_steps_are_refused() -> None:
    tensors = [Tensor("float32", (1,), name=name) for name in "xy"]
    steps = [Step("relu", (0,), 1)] * (MAX_RECORDS + 1)
    with pytest.raises(ConversionError, match="1,025 tensors or steps; .* at most 1,024"):
        Plan(tensors, steps, [0], [1]).to_bytes()


def test_too_much_work_is_refused() -> None:
    """A step more than the most that there may be."""
    tensors = [Tensor("float32", (2**16, 2**8), name=name) for name in "xyz"]
    weights = Tensor("float32", (2**8, 2**8), values=np.zeros((2**8, 2**8), np.float32))
    layer, more = Step("fully_connected", (0, 3), 1), Step("relu", (1,), 2)
    Plan([*tensors, weights], [layer], [0], [1]).to_bytes()
    message = "4,311,744,512 products and values for a sample; .* at most 4,294,967,296"
    with pytest.raises(ConversionError, match=message):
        Plan([*tensors, weights], [layer, more], [0], [1, 2]).to_bytes()


def test_a_plan_has_no_twin_and_no_ranking() -> None:
    here = Conversions(model("mlp"), [samples("mlp")])
    with pytest.raises(ConversionError, match="a plan file has no float twin"):
        here.twin(INT8)
    with pytest.raises(ConversionError, match="no ranking of layers; choose tflite or onnx"):
        here.ranking(INT8)
    with pytest.raises(ConversionError, match="a plan file is not run at export"):
        here.answers(INT8)

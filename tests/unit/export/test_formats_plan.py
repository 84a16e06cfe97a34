"""Keras to plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.errors import ConversionError, UnsupportedLayer
from strop_export.formats import (
    Conversions,
    Converted,
    Names,
    Quantization,
    VariantSpec,
    convert,
    quiet,
)
from strop_export.formats.plan import MAX_RECORDS, Plan, Step, Tensor
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import plan_referee, tflite_kit
from tests.unit.export.formats_kit import converted, expected, model, run_tflite, samples

with quiet():
    import keras

    layers = keras.layers

FLOAT32, INT8 = VariantSpec("plan", "float32"), VariantSpec("plan", "int8")
Array = NDArray[Any]


def run(file: Converted, *inputs: Array) -> Array:
    arrays = (a.astype(t.dtype) for a, t in zip(inputs, file.inputs, strict=True))
    (result,) = plan_referee.outputs(file.data, *arrays)
    return np.asarray(result)


def operators(file: Converted) -> list[str]:
    return [step.operator for step in plan_referee.read(file.data).steps]


def inputs_for(net: Any) -> list[Array]:
    random = np.random.default_rng(2)
    return [random.normal(size=(60, *t.shape[1:])).astype(np.float32) for t in net.inputs]


def sequential(*stack: Any, shape: tuple[int, ...] = (6,)) -> Any:
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input(shape), *stack])


def trained(net: Any) -> Any:
    """The model with weights that no layer begins with."""
    random = np.random.default_rng(4)
    net.set_weights([random.uniform(0.2, 1.5, w.shape) for w in net.get_weights()])
    return net


FLOATS = {
    "activations": lambda: sequential(
        layers.Dense(5, "relu"), layers.Dense(5, "relu6"), layers.Dense(4, "tanh"), layers.Dense(3)
    ),
    "sigmoid": lambda: sequential(layers.Dense(3, "sigmoid", use_bias=False)),
    "softmax": lambda: sequential(layers.Dense(8), layers.Reshape((2, 4)), layers.Softmax()),
    "separate activations": lambda: sequential(
        layers.Activation("relu"), layers.ReLU(6.0), layers.Activation("tanh"), layers.Dense(2)
    ),
    "rescaling": lambda: sequential(
        layers.Rescaling(1 / 255, offset=-0.5), layers.Flatten(), layers.Dense(3), shape=(4, 5)
    ),
    "rescaling alone": lambda: sequential(layers.Rescaling(1 / 255, offset=-0.5)),
    "normalization": lambda: sequential(
        layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7)), layers.Dense(3)
    ),
    "batch normalization": lambda: trained(
        sequential(layers.Dense(5), layers.BatchNormalization(), layers.Activation("relu"))
    ),
    "late batch normalization": lambda: trained(
        sequential(layers.Dense(5, "relu"), layers.BatchNormalization())
    ),
    "rows": lambda: sequential(layers.Dense(5, "relu"), layers.Dense(2, "softmax"), shape=(4, 3)),
    "dropout": lambda: sequential(layers.Dropout(0.5), layers.Dense(2)),
}


@pytest.mark.parametrize("kind", FLOATS)
def test_float32_outputs_are_those_of_keras(kind: str) -> None:
    net = FLOATS[kind]()
    (inputs,) = inputs_for(net)
    file = convert(net, FLOAT32, [inputs])
    np.testing.assert_allclose(run(file, inputs), net(inputs).numpy(), rtol=2e-6, atol=2e-6)
    assert file.rounding is None


def test_several_inputs_and_outputs_keep_their_order_and_names() -> None:
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    joined = layers.Add()([layers.Dense(6, "relu")(left), right])
    product = layers.Multiply()([joined, left])
    net = keras.Model([right, left], [layers.Dense(2)(product), joined])
    inputs = inputs_for(net)
    file = convert(net, FLOAT32, inputs, Names(("b", "a"), ("two", "six")))
    assert [tensor.name for tensor in (*file.inputs, *file.outputs)] == ["b", "a", "two", "six"]
    assert [tensor.shape for tensor in file.outputs] == [(None, 2), (None, 6)]
    found = plan_referee.outputs(file.data, *inputs)
    for ours, keras_s in zip(found, net(inputs), strict=True):
        np.testing.assert_allclose(ours, keras_s.numpy(), atol=1e-6)


def test_float32_weights_are_keras_s_own() -> None:
    plan = plan_referee.read(converted("linear", "plan", "float32").data)
    kernels = [t.values for t in plan.tensors if t.values is not None and t.values.ndim == 2]
    theirs = [w for w in model("linear").get_weights() if w.ndim == 2]
    for ours, keras_s in zip(kernels, theirs, strict=True):
        np.testing.assert_array_equal(ours, keras_s.T)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("kind", ["mlp", "vector", "linear"])
def test_int8_is_the_tflite_file(kind: str, per_channel: bool) -> None:
    tflite = converted(kind, "tflite", "int8", per_channel)
    file = converted(kind, "plan", "int8", per_channel)
    assert file.inputs == tflite.inputs
    assert file.outputs == tflite.outputs
    assert (file.float_layers, file.integer_share) == (tflite.float_layers, tflite.integer_share)
    assert (file.rounding, file.requires) == ("float", {})
    ours = run(file, samples(kind))
    np.testing.assert_allclose(ours, run_tflite(tflite.data, samples(kind)), atol=1e-6)
    assert np.abs(ours - expected(kind)).max() < 0.1
    weights = [t for t in plan_referee.read(file.data).tensors if t.values is not None]
    scaled = [t for t in weights if t.dtype == np.int8]
    assert all((t.scales is not None) == per_channel for t in scaled)
    assert all(bool(t.scale) != per_channel for t in scaled)


def test_bytes_are_taken_as_they_are() -> None:
    file = converted("mlp", "plan", "int8")
    assert file.inputs[0]._asdict() == {
        **{"name": "image", "shape": (None, 6, 5), "dtype": "uint8"},
        **{"scale": 1.0, "zero_point": 0},
    }
    names = ["quantize", "fully_connected", "fully_connected", "dequantize"]
    assert operators(file) == [*names, "fully_connected", "sigmoid"]


def test_int8_rows_share_a_layer() -> None:
    net = FLOATS["rows"]()
    (inputs,) = inputs_for(net)
    ours = run(convert(net, INT8, [inputs]), inputs)
    tflite = convert(net, VariantSpec("tflite", "int8"), [inputs])
    np.testing.assert_allclose(ours, run_tflite(tflite.data, inputs), atol=1e-6)
    assert ours.shape == (60, 4, 2)


def test_the_rounding_is_written() -> None:
    spec = VariantSpec("plan", "int8", rounding="reference")
    file = convert(model("linear"), spec, [samples("linear")])
    assert file.rounding == "reference"
    assert plan_referee.read(file.data).rounding == 0
    floats = plan_referee.read(converted("linear", "plan", "int8").data)
    assert floats.rounding == 1


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


def _twice() -> Any:
    inputs = keras.Input((6,))
    result = layers.Dense(2)(inputs)
    return keras.Model(inputs, [result, result])


@pytest.mark.parametrize(
    ("spec", "build", "problem"),
    [
        (FLOAT32, lambda: model("cnn"), r"layer 'conv2d\w*' \(CONV_2D\)"),
        (INT8, lambda: model("cnn"), r"layer 'conv2d\w*' \(CONV_2D\)"),
        (FLOAT32, lambda: model("table"), r"layer 'dense\w*' \(GELU\) .* no such operator"),
        (INT8, lambda: model("table"), r"layer 'normalization\w*' \(SUB\) .* does not turn int8"),
        (
            INT8,
            lambda: sequential(layers.Dense(5, "tanh", name="bent"), layers.Dense(2)),
            r"layer 'bent' \(TANH\) .* a plan's tanh does not turn int8 into int8; use tflite or",
        ),
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


def test_a_relu_that_changes_the_scale_is_refused() -> None:
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 3), "int8", 0.1), build.tensor((1, 3), "int8", 0.2)
    file = build.file(source, build.step("RELU", [source], result))
    with pytest.raises(UnsupportedLayer, match="it changes the scale"):
        convert_plan(file, ["last"], "float")


def test_a_quantize_that_changes_the_scale_is_refused() -> None:
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 3), "int8", 0.1), build.tensor((1, 3), "int8", 0.2)
    file = build.file(source, build.step("QUANTIZE", [source], result))
    with pytest.raises(UnsupportedLayer, match="it changes the scale"):
        convert_plan(file, ["last"], "float")


@pytest.mark.parametrize("spec", [FLOAT32, INT8])
def test_a_shared_layer_is_written_once(spec: VariantSpec) -> None:
    keras.utils.set_random_seed(3)
    source, twice = keras.Input((6,)), layers.Dense(6, "relu", bias_initializer="normal")
    net = keras.Model(source, twice(twice(source)))
    inputs = inputs_for(net)
    file = convert(net, spec, inputs)
    constants = [t for t in plan_referee.read(file.data).tensors if t.values is not None]
    assert len([t for t in constants if len(t.dims) == 2]) == 1
    np.testing.assert_allclose(run(file, *inputs), net(*inputs).numpy(), atol=0.05)


def test_too_many_steps_are_refused() -> None:
    tensors = [Tensor("float32", (1,), name=name) for name in "xy"]
    steps = [Step("relu", (0,), 1)] * (MAX_RECORDS + 1)
    with pytest.raises(ConversionError, match="1,025 tensors or steps; .* at most 1,024"):
        Plan(tensors, steps, [0], [1]).to_bytes()


def test_ranges_and_equalization_reach_the_plan() -> None:
    quantization = Quantization("percentile", samples=50, equalized=True)
    file, tflite = (
        convert(model("mlp"), VariantSpec(f, "int8", True, quantization), [samples("mlp")])
        for f in ("plan", "tflite")
    )
    assert file.equalized == tflite.equalized != ()
    outputs = run_tflite(tflite.data, samples("mlp"))
    np.testing.assert_allclose(run(file, samples("mlp")), outputs, atol=1e-6)


def test_a_plan_has_no_twin_and_no_ranking() -> None:
    here = Conversions(model("mlp"), [samples("mlp")])
    with pytest.raises(ConversionError, match="a plan file has no float twin"):
        here.twin(INT8)
    with pytest.raises(ConversionError, match="no ranking of layers; choose tflite or onnx"):
        here.ranking(INT8)
    with pytest.raises(ConversionError, match="a plan file is not run at export"):
        here.answers(INT8)

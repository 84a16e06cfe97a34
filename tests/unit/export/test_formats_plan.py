"""Keras to plans."""

from __future__ import annotations

import numpy as np
import pytest

from strop_export.formats import (
    Names,
    Quantization,
    VariantSpec,
    convert,
    quiet,
)
from tests.contract import plan_referee
from tests.unit.export.formats_kit import converted, expected, model, run_tflite, samples
from tests.unit.export.plan_kit import (
    FLOAT32,
    INT8,
    inputs_for,
    operators,
    run,
    sequential,
    trained,
)

with quiet():
    import keras

    layers = keras.layers


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
    "one input": lambda: trained(
        sequential(layers.Dense(16, "relu"), layers.Dense(16, "relu"), layers.Dense(1), shape=(1,))
    ),
    "rows of one": lambda: sequential(layers.Dense(5, "relu"), layers.Dense(2), shape=(4, 1)),
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


@pytest.mark.parametrize("spec", [FLOAT32, INT8], ids=["float32", "int8"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_a_keras_input_of_bytes_keeps_its_dtype(dtype: str, spec: VariantSpec) -> None:
    keras.utils.set_random_seed(3)
    scaled = [layers.Flatten(), layers.Rescaling(1 / 128)]
    stack = [*scaled, layers.Dense(5, "relu"), layers.Dense(2)]
    net = keras.Sequential([keras.Input((3, 2), dtype=dtype), *stack])
    inputs = np.random.default_rng(5).integers(0, 120, (60, 3, 2)).astype(dtype)
    file = convert(net, spec, [inputs])
    [given] = file.inputs
    assert (given.dtype, given.shape) == (dtype, (None, 3, 2))
    tflite = convert(net, VariantSpec("tflite", spec.precision), [inputs])
    widened = (dtype, spec.precision) == ("uint8", "float32")  # by the runtime, for this file
    assert tflite.inputs[0].dtype == ("float32" if widened else dtype)
    theirs = run_tflite(tflite.data, inputs)
    np.testing.assert_allclose(run(file, inputs), theirs, rtol=2e-6, atol=2e-6)


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


def test_ranges_and_equalization_reach_the_plan() -> None:
    quantization = Quantization("percentile", samples=50, equalized=True)
    file, tflite = (
        convert(model("mlp"), VariantSpec(f, "int8", True, quantization), [samples("mlp")])
        for f in ("plan", "tflite")
    )
    assert file.equalized == tflite.equalized != ()
    outputs = run_tflite(tflite.data, samples("mlp"))
    np.testing.assert_allclose(run(file, samples("mlp")), outputs, atol=1e-6)


@pytest.mark.parametrize("kept", [("first",), ("middle",), ("scale", "last")])
def test_a_mixed_plan_is_the_mixed_tflite_file(kept: tuple[str, ...]) -> None:
    net = sequential(
        layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7), name="scale"),
        layers.Dense(16, "relu", name="first"),
        layers.Dense(16, "tanh", name="middle"),
        layers.Dense(16, "relu", name="last"),
        layers.Dense(2),
    )
    (inputs,) = inputs_for(net)
    chosen = Quantization(float_layers=kept)
    tflite = convert(net, VariantSpec("tflite", "mixed", quantization=chosen), [inputs])
    for rounding in ("float", "reference"):
        spec = VariantSpec("plan", "mixed", quantization=chosen, rounding=rounding)
        file = convert(net, spec, [inputs])
        assert (file.float_layers, file.rounding) == (tflite.float_layers, rounding)
        assert file.integer_share == tflite.integer_share
        assert {"quantize", "dequantize"} <= set(operators(file))
        # A float that differs in its last bit may be rounded to the next of 256 values.
        np.testing.assert_allclose(run(file, inputs), run_tflite(tflite.data, inputs), atol=0.05)

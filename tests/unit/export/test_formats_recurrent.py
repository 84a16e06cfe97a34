"""Recurrent layers in int8: unrolled, so that TensorFlow's converter does not crash."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

from strop_export.formats import (
    Converted,
    VariantSpec,
    convert,
    flatbuffer_steps,
    onnx_steps,
    quiet,
)
from strop_export.formats.flatbuffer import TFLiteFile
from strop_export.formats.steps import Step
from tests.unit.export.formats_kit import run_tflite

with quiet():
    import keras

    from strop_export.formats import tflite_quantized

layers = keras.layers
KINDS = {
    "gru": lambda: layers.GRU(16),
    "lstm": lambda: layers.LSTM(16),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(8)),
    "simple": lambda: layers.SimpleRNN(16),
}


@functools.cache
def model(kind: str, steps: int = 12) -> Any:
    keras.utils.set_random_seed(7)
    stack = [keras.Input((steps, 5)), KINDS[kind](), layers.Dense(3, "softmax")]
    return keras.Sequential(stack)


def series(steps: int = 12) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(60, steps, 5)).astype(np.float32)


@functools.cache
def int8(kind: str) -> Converted:
    return convert(model(kind), VariantSpec("tflite", "int8"), [series()])


@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_the_same_model(kind: str) -> None:
    keras_says = np.asarray(model(kind)(series()))
    ours = run_tflite(int8(kind).data, series())
    assert (ours.argmax(axis=1) == keras_says.argmax(axis=1)).mean() > 0.9
    assert np.sqrt(((ours - keras_says) ** 2).mean()) < 0.1 * keras_says.std()


@pytest.mark.parametrize("kind", KINDS)
def test_its_steps_are_written_out_in_integers(kind: str) -> None:
    file = TFLiteFile(int8(kind).data)
    assert "WHILE" not in file.operators
    assert file.operators.count("FULLY_CONNECTED") >= 12
    assert file.is_of("int8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_are_left_as_they_were(kind: str) -> None:
    int8(kind)
    inside = model(kind)._flatten_layers(include_self=False)
    recurrent = [layer for layer in inside if isinstance(layer, layers.RNN)]
    assert recurrent
    assert not any(layer.unroll for layer in recurrent)


def test_they_are_even_if_it_fails() -> None:
    def unrolled() -> bool:
        return bool(model("gru").layers[0].unroll)

    def fail() -> None:
        with tflite_quantized.unrolled(model("gru")):
            assert unrolled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not unrolled()


@pytest.mark.parametrize(("steps", "unrolls"), [(128, True), (129, False)])
def test_only_so_many_steps_are(steps: int, unrolls: bool) -> None:
    long = model("gru", steps)
    with tflite_quantized.unrolled(long):
        assert long.layers[0].unroll == unrolls


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_other_precisions_keep_the_loop(format: str, precision: str) -> None:
    file = convert(model("gru"), VariantSpec(format, precision), [series()])
    assert len(file.data) < 40_000
    if format == "tflite":
        keras_says = np.asarray(model("gru")(series()))
        np.testing.assert_allclose(run_tflite(file.data, series()), keras_says, atol=5e-3)


def with_dense(kind: str) -> Converted:
    """Convert to ONNX a model whose dense layer is quantized and whose recurrent one is not."""
    stack = [KINDS[kind](), layers.Dense(64, "relu"), layers.Dense(2, "softmax")]
    whole = keras.Sequential([keras.Input((12, 5)), *stack])
    return convert(whole, VariantSpec("onnx", "int8"), [series()])


@pytest.mark.parametrize(("kind", "lstms"), [("lstm", [16]), ("bidirectional", [8, 8])])
def test_a_recurrent_operator_of_onnx_counts_at_every_step(kind: str, lstms: list[int]) -> None:
    dense, head = 16 * 64, 64 * 2
    recurrent = sum(12 * 4 * units * (5 + units) for units in lstms)
    share = dense / (dense + head + recurrent)
    assert with_dense(kind).integer_share == pytest.approx(share)


def test_an_operator_of_onnx_that_reads_integers_is_float_if_it_is_recurrent() -> None:
    node = onnx.helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="n")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("DequantizeLinear", ["q", "s"], ["x"]), node],
        "g",
        [],
        [],
        [onnx.numpy_helper.from_array(np.zeros((1, 8, 2), np.float32), name) for name in "wr"],
    )
    step = Step(("x", "w", "r"), ("y",), 32, 320, "floats")
    assert onnx_steps.in_quantized(graph, {"n": step})["n"].numbers == "floats"


def test_the_share_of_a_file_whose_loop_multiplies_is_not_known() -> None:
    """The loop of the .onnx file is in float, that of the dynamic .tflite file in integers."""
    assert with_dense("gru").integer_share is None
    wide = keras.Sequential([keras.Input((12, 5)), layers.GRU(64), layers.Dense(3)])
    dynamic = convert(wide, VariantSpec("tflite", "dynamic"), [series()])
    assert "WHILE" in TFLiteFile(dynamic.data).operators
    assert dynamic.integer_share is None


def test_a_file_all_in_floats_has_no_share_whatever_its_loop_does() -> None:
    assert convert(model("gru"), VariantSpec("tflite", "float32"), [series()]).integer_share == 0


@pytest.mark.parametrize("kind", ["UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"])
def test_a_recurrent_operator_of_a_tflite_file_counts_at_every_step(kind: str) -> None:
    """A model of 12 steps, 5 inputs and 8 units; the last tensor is its state."""
    int8, float32 = schema.TensorType.INT8, schema.TensorType.FLOAT32
    shapes = [[1, 12, 5], [8, 5], [8, 8], [8], [1, 8], [1, 12, 8]]
    graph = schema.SubGraphT()
    graph.tensors = []
    for number, shape in enumerate(shapes):
        tensor = schema.TensorT()
        tensor.shape, tensor.type = shape, int8 if number in (1, 2) else float32
        tensor.buffer, tensor.name = int(number in (1, 2, 3)), f"t{number}"
        graph.tensors.append(tensor)
    operator, code, file = schema.OperatorT(), schema.OperatorCodeT(), schema.ModelT()
    operator.inputs, operator.outputs = [0, -1, 1, 2, 3, 4], [5]
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    graph.operators = [operator]
    file.subgraphs, file.operatorCodes = [graph], [code]
    file.buffers = [schema.BufferT(), schema.BufferT()]
    file.buffers[1].data = b"weights"
    (step,) = flatbuffer_steps.steps_of(file)
    assert step.operations == 12 * (8 * 5 + 8 * 8)
    assert step.numbers == "integers"

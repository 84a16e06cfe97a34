"""Keras to .onnx, on models of several kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from strop_export.formats import VariantSpec, convert, quiet
from tests.unit.export.formats_kit import KINDS, converted, expected, run_onnx, samples

# The tolerance of each precision against Keras, with random weights and outputs of size 1.
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "int8": 0.05}


def graph(kind: str, precision: str) -> onnx.GraphProto:
    return onnx.load_from_string(converted(kind, "onnx", precision).data).graph


def operators(kind: str, precision: str) -> list[str]:
    return [node.op_type for node in graph(kind, precision).node]


def kernels(kind: str, of: int) -> list[str]:
    tensors = graph(kind, "int8").initializer
    return [t.name for t in tensors if t.data_type == of and len(t.dims) == 2]


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_keras(kind: str, precision: str) -> None:
    outputs = run_onnx(converted(kind, "onnx", precision).data, samples(kind))
    np.testing.assert_allclose(outputs, expected(kind), atol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_input_and_output_are_as_described(kind: str, precision: str) -> None:
    file = converted(kind, "onnx", precision)
    for info, value in zip(
        (*file.inputs, *file.outputs),
        (*graph(kind, precision).input, *graph(kind, precision).output),
        strict=True,
    ):
        tensor = value.type.tensor_type
        batch, *sizes = tensor.shape.dim
        assert info.name == value.name
        assert info.shape == (None, *(size.dim_value for size in sizes))
        assert info.dtype == onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        assert batch.dim_param == "batch"
    assert [tensor.name for tensor in (*file.inputs, *file.outputs)] == ["image", "probabilities"]
    takes_bytes = precision == "int8" and samples(kind).dtype == np.uint8
    assert file.inputs[0].dtype == ("uint8" if takes_bytes else "float32")
    assert file.inputs[0].scale == (1.0 if takes_bytes else None)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_files_are_standard_onnx_of_2020(kind: str, precision: str) -> None:
    file = converted(kind, "onnx", precision)
    model = onnx.load_from_string(file.data)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert file.requires == {"opset": 13, "ir_version": 7}
    assert model.ir_version == 7


def test_the_float_graph_is_plain() -> None:
    """The rescaling is in the weights, Flatten is one Reshape, Dropout is gone."""
    layers = ["Reshape", "Gemm", "Relu", "Gemm", "Relu", "Gemm", "Sigmoid"]
    assert operators("mlp", "float32") == layers


def test_half_precision_keeps_the_rescaling() -> None:
    """Weights / 255 would be subnormal numbers in float16."""
    assert "Mul" in operators("mlp", "float16")
    kinds = {tensor.data_type for tensor in graph("mlp", "float16").initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert onnx.TensorProto.FLOAT not in kinds


@pytest.mark.parametrize("kind", KINDS)
def test_int8_weights_are_unsigned(kind: str) -> None:
    """Signed ones saturate on a CPU without VNNI."""
    kinds = {tensor.data_type for tensor in graph(kind, "int8").initializer}
    assert onnx.TensorProto.UINT8 in kinds
    assert onnx.TensorProto.INT8 not in kinds


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_bytes_go_straight_to_the_first_layer(kind: str) -> None:
    """No Cast, no QuantizeLinear over the pixels."""
    before = operators(kind, "int8")
    before = before[: before.index({"mlp": "Gemm", "cnn": "Conv"}[kind])]
    assert set(before) <= {"Reshape", "Transpose", "DequantizeLinear"}


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        ("mlp", ["Gemm", "Max", "Gemm", "Sigmoid"]),  # of three layers the first is in integers
        ("vector", ["MatMul", "Softmax"]),
        ("cnn", ["MatMul", "Softmax"]),
        ("linear", ["MatMul"]),
    ],
)
def test_int8_ends_in_float(kind: str, tail: list[str]) -> None:
    assert operators(kind, "int8")[-len(tail) :] == tail


def test_a_small_last_layer_stays_float() -> None:
    """Of 1,536 weights the last layer of mlp has 16; of vector's 153, 36."""
    assert len(kernels("mlp", onnx.TensorProto.FLOAT)) == 1
    assert not kernels("vector", onnx.TensorProto.FLOAT)


def test_bytes_reach_a_layer_that_stays_float() -> None:
    """A model whose only layer is its last, and small enough for float with a wide input."""
    with quiet():
        import keras

        layers = keras.layers
        inputs = keras.Input((12,))
        shifted = layers.Add()([layers.Dense(40, "relu")(inputs), layers.Dense(40)(inputs)])
        both = layers.Concatenate()([shifted, inputs])
        model = keras.Model(inputs, layers.Dense(2, "softmax")(both))
    raw = np.random.default_rng(0).integers(0, 256, (60, 12)).astype(np.uint8)
    file = convert(model, VariantSpec("onnx", "int8"), [raw])
    assert file.inputs[0].dtype == "uint8"
    outputs = run_onnx(file.data, raw)
    agreement = (outputs.argmax(1) == model(raw.astype(np.float32)).numpy().argmax(1)).mean()
    assert agreement >= 0.95


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_grouped_convolutions_are_written(precision: str) -> None:
    """Keras has XLA compile them, in a function of their own."""
    with quiet():
        import keras

        layers = keras.layers
        keras.utils.set_random_seed(3)
        inputs = keras.Input((8, 8, 4))
        hidden = layers.Conv2D(8, 3, groups=4, activation="relu")(inputs)
        hidden = layers.Conv1D(6, 3, groups=2)(layers.Reshape((36, 8))(hidden))
        model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(hidden)))
    given = np.random.default_rng(0).normal(size=(60, 8, 8, 4)).astype(np.float32)
    file = convert(model, VariantSpec("onnx", precision), [given])
    grouped = [
        node for node in onnx.load_from_string(file.data).graph.node if node.op_type == "Conv"
    ]
    groups = [{a.name: a.i for a in node.attribute}["group"] for node in grouped]
    assert groups == [4, 2]
    atol = TOLERANCE[precision]
    np.testing.assert_allclose(run_onnx(file.data, given), model(given).numpy(), atol=atol)


def test_functions_of_one_s_own_are_read_as_tensorflow_reads_them() -> None:
    """AutoGraph turns their Python into operators, which it cannot where they run eagerly."""
    with quiet():
        import keras
        import tensorflow as tf

        @tf.function  # type: ignore[untyped-decorator]
        def doubled_if_positive(x: Any) -> Any:
            if tf.reduce_sum(x) > 0:
                return 2.0 * x
            return x

        class Own(keras.layers.Layer):  # type: ignore[misc]
            def call(self, x: Any) -> Any:
                return doubled_if_positive(x)

        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Dense(3)(Own()(inputs)))
    given = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    file = convert(model, VariantSpec("onnx", "float32"), [given])
    assert "If" in {node.op_type for node in onnx.load_from_string(file.data).graph.node}
    for sample in given:
        one = sample[np.newaxis]
        np.testing.assert_allclose(run_onnx(file.data, one), model(one).numpy(), atol=1e-5)


def test_one_zero_point_per_channel_or_one_for_all() -> None:
    def sizes(per_channel: bool) -> set[tuple[int, ...]]:
        file = onnx.load_from_string(converted("mlp", "onnx", "int8", per_channel).data)
        kinds = [tensor for tensor in file.graph.initializer if len(tensor.dims) < 2]
        return {tuple(t.dims) for t in kinds if t.data_type == onnx.TensorProto.UINT8}

    assert sizes(per_channel=True) == {(), (40,), (8,)}
    assert sizes(per_channel=False) == {()}


class TestForAGpu:
    """The file takes bytes, a quarter of the transfer, and widens them."""

    def nodes(self, kind: str, precision: str) -> list[onnx.NodeProto]:
        data = converted(kind, "onnx", precision, gpu=True).data
        return list(onnx.load_from_string(data).graph.node)

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_outputs_are_those_of_keras_on_a_cpu(self, kind: str, precision: str) -> None:
        outputs = run_onnx(converted(kind, "onnx", precision, gpu=True).data, samples(kind))
        np.testing.assert_allclose(outputs, expected(kind), atol=TOLERANCE[precision])

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_standard_onnx_of_2020(self, kind: str, precision: str) -> None:
        file = converted(kind, "onnx", precision, gpu=True)
        onnx.checker.check_model(onnx.load_from_string(file.data), full_check=True)
        assert file.requires == {"opset": 13, "ir_version": 7}

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    @pytest.mark.parametrize("kind", ["mlp", "cnn"])
    def test_bytes_are_dequantized_first(self, kind: str, precision: str) -> None:
        """ONNX Runtime's WebGPU has no Cast from uint8."""
        (source,) = converted(kind, "onnx", precision, gpu=True).inputs
        assert (source.dtype, source.scale, source.zero_point) == ("uint8", 1.0, 0)
        readers = [node for node in self.nodes(kind, precision) if source.name in node.input]
        assert [node.op_type for node in readers] == ["DequantizeLinear"]

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    def test_floats_are_left_as_they_are(self, precision: str) -> None:
        file = converted("vector", "onnx", precision, gpu=True)
        assert file == converted("vector", "onnx", precision)

    @pytest.mark.parametrize(("kind", "offsets"), [("mlp", 1), ("cnn", 0)])
    def test_half_precision_s_rescaling_is_the_scale_of_the_bytes(
        self, kind: str, offsets: int
    ) -> None:
        """It is rounded once, not twice, with one operator less over every pixel."""
        nodes = self.nodes(kind, "float16")
        assert [node.op_type for node in nodes].count("Add") == offsets
        assert "Mul" not in [node.op_type for node in nodes]
        file = onnx.load_from_string(converted(kind, "onnx", "float16", gpu=True).data)
        tensors = {t.name: onnx.numpy_helper.to_array(t) for t in file.graph.initializer}
        assert tensors[nodes[0].input[1]] == np.float32(1 / 255)
        assert tensors[nodes[0].input[1]].dtype == np.float32

    @pytest.mark.parametrize("factors", [(0.5, 0.25), (-0.5, None), (0.0, None)])
    def test_any_other_rescaling_stays(self, factors: tuple[float, float | None]) -> None:
        """The raw input is used too, or rescaled twice, or the factor cannot be a scale."""
        with quiet():
            import keras

            layers = keras.layers
            inputs = keras.Input((6,))
            scaled = [layers.Rescaling(factor)(inputs) for factor in factors if factor is not None]
            both = layers.Concatenate()([*scaled, inputs]) if scaled[1:] else scaled[0]
            model = keras.Model(inputs, layers.Dense(3)(layers.LayerNormalization()(both)))
        raw = np.random.default_rng(0).integers(0, 256, (20, 6)).astype(np.uint8)
        file = convert(model, VariantSpec("onnx", "float32", gpu=True), [raw])
        outputs = run_onnx(file.data, raw)
        np.testing.assert_allclose(outputs, model(raw.astype(np.float32)).numpy(), atol=1e-4)
        first, *_ = onnx.load_from_string(file.data).graph.node
        assert (first.op_type, list(first.input)[:1]) == ("DequantizeLinear", ["image"])

"""Keras to a float32 ONNX graph, through tf2onnx and around its faults."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from strop_export.errors import ConversionError

# The oldest opset with per-channel scales in DequantizeLinear, which every int8 file needs.
# onnxruntime 1.6 of 2020 and all later releases run it.
_OPSET: Final = 13


def from_keras(model: keras.Model) -> onnx.ModelProto:
    """Convert a model at any batch size; its inputs stay in the model's order."""
    # tf2onnx.convert.from_keras does not know Keras 3's tensors (KeyError: 'keras_tensor_...').
    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"strop_{i:03}")
        for i, tensor in enumerate(model.inputs)
    ]
    function = _traced(model, signature)
    captures = function.get_concrete_function().graph.captures
    file: onnx.ModelProto
    file, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=_OPSET)
    constants = {
        inside.name: outside.numpy()
        for outside, inside in captures
        if outside.dtype != tf.resource  # variables are frozen already
    }
    _keep_inside(file.graph, constants)
    _without_erfc(file.graph)
    _in_order(file.graph, len(signature))
    return file


def _traced(model: keras.Model, signature: Sequence[tf.TensorSpec]) -> Any:
    """Return a traced tf.function of a model, with no function inside that XLA compiles.

    Keras has XLA compile grouped convolutions, in functions that tf2onnx does not read. If there
    are any, the functions that the model calls are traced as parts of it: TensorFlow then "runs
    them eagerly".
    """

    def trace() -> Any:
        function = tf.function(
            lambda *inputs: keras.tree.flatten(model(list(inputs), training=False)),
            input_signature=signature,
        )
        function.get_concrete_function()  # it is kept
        return function

    function = trace()
    graph = function.get_concrete_function().graph.as_graph_def()
    inner = [node for each in graph.library.function for node in each.node_def]
    if any(node.attr["_XlaMustCompile"].b for node in (*graph.node, *inner)):
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            return trace()
        finally:
            tf.config.run_functions_eagerly(before)
    return function


def _in_order(graph: onnx.GraphProto, count: int) -> None:
    """Sort the inputs into the model's order; tf2onnx drops unused ones."""
    values = sorted(graph.input, key=lambda value: value.name)
    if len(values) != count:
        raise ConversionError("the model does not use one of its inputs", "remove that input")
    del graph.input[:]
    graph.input.extend(values)


def _keep_inside(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray]) -> None:
    """Turn the constant tensors of layers, which tf2onnx made inputs, into initializers.

    The mean and variance of a Normalization are such constants.

    Args:
        graph: the graph, changed in place.
        constants: name of the input -> its value.
    """
    for value in [value for value in graph.input if value.name in constants]:
        array = constants[value.name]
        graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        graph.input.remove(value)


def _without_erfc(graph: onnx.GraphProto) -> None:
    """Replace each Erfc, which a GELU has and ONNX lacks, with 1 - Erf."""
    for node in [node for node in graph.node if node.op_type == "Erfc"]:
        (source,), (result,) = node.input, node.output
        one = onnx.numpy_helper.from_array(np.ones((), np.float32), f"{result}.one")
        graph.initializer.append(one)
        place = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(place, onnx.helper.make_node("Erf", [source], [f"{result}.erf"]))
        graph.node.insert(
            place + 1, onnx.helper.make_node("Sub", [one.name, f"{result}.erf"], [result])
        )

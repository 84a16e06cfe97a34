"""Model files of `tests.bundles.pair`, with their tensors in another order than the manifest's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.formats import quiet
from tests.bundles import PAIR_KERNEL


def onnx_file() -> bytes:
    """The model as an .onnx file, node by node."""
    from onnx import TensorProto, helper, numpy_helper

    def tensor(name: str, *sizes: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sizes])

    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([-1, 4], np.int64),
        "kernel": PAIR_KERNEL,
        "last": np.array([1], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["picture", "flat"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "kernel"], ["sums"]),
            helper.make_node("Add", ["sums", "weights"], ["scores"]),
            helper.make_node("ReduceSum", ["weights", "last"], ["level"], keepdims=0),
        ],
        "pair",
        [tensor("weights", 3), tensor("picture", 2, 2)],
        [tensor("level"), tensor("scores", 3)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def tflite_file() -> tuple[bytes, dict[str, str]]:
    """The model as a .tflite file, and the file's name for each tensor of the manifest."""
    with quiet():
        import tensorflow as tf

        floats = tf.float32
        signature = [
            tf.TensorSpec((1, 2, 2), floats, name="picture"),
            tf.TensorSpec((1, 3), floats, name="weights"),
        ]

        class Pair(tf.Module):  # type: ignore[misc]
            @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
            def answer(self, picture: object, weights: object) -> object:
                scores = tf.matmul(tf.reshape(picture, (-1, 4)), tf.constant(PAIR_KERNEL)) + weights
                return {"scores": scores, "level": tf.reduce_sum(weights, 1)}

        pair = Pair()
        function = pair.answer.get_concrete_function()
        data = tf.lite.TFLiteConverter.from_concrete_functions([function], pair).convert()
    from ai_edge_litert.interpreter import Interpreter

    opened = Interpreter(model_content=data)
    inputs = {len(d["shape"]): d["name"] for d in opened.get_input_details()}
    outputs = {len(d["shape"]): d["name"] for d in opened.get_output_details()}
    return data, {
        "picture": inputs[3],
        "weights": inputs[2],
        "scores": outputs[2],
        "level": outputs[1],
    }

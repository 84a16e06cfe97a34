"""Dense networks of any width with random weights, in the format of each engine.

Only the cost of a call matters, so nothing is trained or converted.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

INPUT, OUTPUT = "x", "y"
PIXELS, CLASSES = 784, 10

_OPSET, _IR_VERSION = 13, 7
_TFLITE_VERSION = 3  # of the schema, since 2017

Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]  # kernel (in, out), bias (out,)


def layers(width: int) -> Layers:
    """Return the weights of 784-width-width-10, the same each time.

    Their size keeps answers near 1.

    Returns:
        Kernel (in, out) and bias (out,) of each layer, float32.
    """
    draw = np.random.default_rng(width)
    sizes = (PIXELS, width, width, CLASSES)
    return [
        (
            draw.standard_normal((inputs, outputs), np.float32) / np.float32(inputs**0.5),
            np.zeros(outputs, np.float32),
        )
        for inputs, outputs in itertools.pairwise(sizes)
    ]


def macs(some: Layers) -> int:
    """Return the number of multiply-accumulates for one sample.

    Args:
        some: kernel (in, out) and bias (out,) of each layer, float32.
    """
    return sum(kernel.size for kernel, _ in some)


def weights_file(some: Layers) -> bytes:
    """Return the network as a file for the reference engine.

    Args:
        some: kernel (in, out) and bias (out,) of each layer, float32.
    """
    file = io.BytesIO()
    tensors: dict[str, Any] = {f"kernel_{i}": kernel for i, (kernel, _) in enumerate(some)}
    tensors |= {f"bias_{i}": bias for i, (_, bias) in enumerate(some)}
    activations = np.array(["relu"] * (len(some) - 1) + ["sigmoid"])
    one, none = np.float32(1), np.float32(0)
    np.savez(file, scale=one, offset=none, activations=activations, **tensors)
    return file.getvalue()


def onnx_file(some: Layers) -> bytes:
    """Return the network as a file for ONNX Runtime, for any batch.

    Args:
        some: kernel (in, out) and bias (out,) of each layer, float32.
    """
    nodes, tensors, source = [], [], INPUT
    for i, (kernel, bias) in enumerate(some):
        tensors += [
            onnx.numpy_helper.from_array(kernel, f"kernel_{i}"),
            onnx.numpy_helper.from_array(bias, f"bias_{i}"),
        ]
        last = i == len(some) - 1
        names = [source, f"kernel_{i}", f"bias_{i}"]
        source = OUTPUT if last else f"active_{i}"
        nodes += [
            onnx.helper.make_node("Gemm", names, [f"sum_{i}"]),
            onnx.helper.make_node("Sigmoid" if last else "Relu", [f"sum_{i}"], [source]),
        ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in ((INPUT, PIXELS), (OUTPUT, CLASSES))
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "random", ends[:1], ends[1:], tensors),
        ir_version=_IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
    )
    return bytes(model.SerializeToString())


def tflite_file(some: Layers) -> bytes:
    """Return the network as a file for LiteRT, for one sample until it is resized.

    Args:
        some: kernel (in, out) and bias (out,) of each layer, float32.
    """
    buffers, tensors, operators = [schema.BufferT()], [], []

    def tensor(name: str, shape: Sequence[int], data: NDArray[np.float32] | None = None) -> int:
        it = schema.TensorT()
        it.name, it.shape, it.type = name, list(shape), schema.TensorType.FLOAT32
        if data is None:
            it.shapeSignature = [-1, *shape[1:]]
        else:
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(data).view(np.uint8).ravel()
            buffers.append(buffer)
            it.buffer = len(buffers) - 1
        tensors.append(it)
        return len(tensors) - 1

    source = first = tensor(INPUT, (1, PIXELS))
    for i, (kernel, bias) in enumerate(some):
        last = i == len(some) - 1
        options = schema.FullyConnectedOptionsT()
        if not last:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        operator = schema.OperatorT()
        operator.opcodeIndex = 0
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = options
        operator.inputs = [
            source,
            tensor(f"kernel_{i}", kernel.shape[::-1], kernel.T),
            tensor(f"bias_{i}", bias.shape, bias),
        ]
        source = tensor(f"active_{i}", (1, len(bias)))
        operator.outputs = [source]
        operators.append(operator)
    sigmoid = schema.OperatorT()
    sigmoid.opcodeIndex, sigmoid.inputs = 1, [source]
    sigmoid.outputs = [tensor(OUTPUT, (1, CLASSES))]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, [*operators, sigmoid]
    graph.inputs, graph.outputs = [first], list(sigmoid.outputs)
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers = _TFLITE_VERSION, [graph], buffers
    model.operatorCodes = [
        _code(schema.BuiltinOperator.FULLY_CONNECTED),
        _code(schema.BuiltinOperator.LOGISTIC),
    ]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _code(builtin: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code

"""The operators of an .onnx graph, with their sizes and their kinds of numbers."""

import math
from collections.abc import Collection
from typing import Final

import numpy as np
import onnx
import onnxruntime

from strop_export.formats.steps import Step

_ONLY_MOVE: Final = (
    *("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast"),
    *("Shape", "Slice", "Gather", "Concat", "QuantizeLinear", "DequantizeLinear"),
)
_PRODUCTS: Final = ("Gemm", "MatMul", "Conv", "ConvTranspose")
_RECURRENT: Final = ("LSTM", "GRU", "RNN")


def steps_of(file: onnx.ModelProto) -> dict[str, Step]:
    """Describe the operators of a float model, by their names, in the order they run.

    Args:
        file: the model; each operator has a name of its own.
    """
    shapes = _shapes(file)
    weights = {tensor.name: list(tensor.dims) for tensor in file.graph.initializer}
    return {
        node.name: Step(
            tuple(name for name in node.input if name),
            tuple(node.output),
            sum(
                math.prod(weights[name])
                for name in node.input
                if name in weights and node.op_type not in _ONLY_MOVE
            ),
            _operations(node, shapes),
            "" if node.op_type in _ONLY_MOVE else "floats",
        )
        for node in file.graph.node
    }


def in_quantized(graph: onnx.GraphProto, steps: dict[str, Step]) -> dict[str, Step]:
    """Describe the operators of a float model that are left in a quantized one.

    Args:
        graph: the quantized graph.
        steps: those of the float model.
    """
    integers = {
        name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    constants = {tensor.name for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        step = steps.get(node.name)
        if step is not None:
            exact = step.numbers and _reads_integers(node, integers, constants)
            found[node.name] = step._replace(numbers="integers") if exact else step
    return found


def _reads_integers(
    node: onnx.NodeProto, integers: Collection[str], constants: Collection[str]
) -> bool:
    """Tell whether an engine computes an operator in integers: it reads dequantized values."""
    if node.op_type in _RECURRENT:  # engines have none in integers
        return False
    if node.op_type in _PRODUCTS:
        return all(name in integers for name in node.input[:2])
    read = [name for name in node.input if name and name not in constants]
    return bool(read) and all(name in integers for name in read)


def _shapes(file: onnx.ModelProto) -> dict[str, list[int]]:
    """Run a model on one sample, and return the shape of each tensor.

    ONNX's own inference stops at the first shape that the model computes.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(file)
    names = [name for node in file.graph.node for name in node.output if name]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        whole.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    sample = {}
    for value in file.graph.input:
        tensor = value.type.tensor_type
        shape = [1, *(dim.dim_value for dim in tensor.shape.dim[1:])]
        sample[value.name] = np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    arrays = zip(names, session.run(None, sample), strict=True)
    shapes = {name: list(np.shape(array)) for name, array in (*sample.items(), *arrays)}
    return shapes | {tensor.name: list(tensor.dims) for tensor in file.graph.initializer}


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs that an operator runs: a loop's or a branch's."""
    return [body for attribute in node.attribute for body in (attribute.g, *attribute.graphs)]


def _multiplies(graph: onnx.GraphProto) -> bool:
    return any(
        node.op_type in (*_PRODUCTS, *_RECURRENT) or any(map(_multiplies, _bodies(node)))
        for node in graph.node
    )


def _operations(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int | None:
    """Return the multiply-accumulates of an operator for one sample; None if not known."""
    if node.op_type in _RECURRENT:  # (steps, 1, in), (directions, gates, in), (.., gates, units)
        values, *weights = (shapes[name] for name in node.input[:3])
        return math.prod(values[:-1]) * sum(map(math.prod, weights))
    if any(_multiplies(body) for body in _bodies(node)):
        return None
    if node.op_type not in _PRODUCTS:
        return 0
    left, right, output = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type == "Conv":  # (out, in, ...)
        return math.prod(output) * math.prod(right[1:])
    if node.op_type == "ConvTranspose":  # (in, out, ...)
        return math.prod(left) * math.prod(right[1:])
    if node.op_type == "Gemm":  # (in, out), or transposed
        return math.prod(right) * math.prod(output[:-1])
    return math.prod(output) * left[-1]

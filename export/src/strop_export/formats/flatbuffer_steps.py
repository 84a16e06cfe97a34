"""The operators of a parsed .tflite file, with their sizes and their kinds of numbers."""

import math
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from strop_export.formats.flatbuffer_tables import operator_name
from strop_export.formats.steps import Step

_ONLY_MOVE: Final = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "CAST", "TRANSPOSE")
_GRAPHS: Final = ("subgraphindex", "subgraph")  # how the options that name a graph end
_INTEGERS: Final = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16)
_WEIGHTS: Final = (*_INTEGERS, schema.TensorType.FLOAT32, schema.TensorType.FLOAT16)


def steps_of(model: Any) -> list[Step]:
    """Describe the operators of the main graph, in the order they run.

    Args:
        model: the parsed file, a `ModelT`.
    """
    graph = model.subgraphs[0]
    return [_step(model, graph, operator) for operator in graph.operators]


def _step(model: Any, graph: Any, operator: Any) -> Step:
    kind = operator_name(model, operator)
    inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
    outputs = [graph.tensors[index] for index in operator.outputs]
    constants = [tensor for tensor in inputs if model.buffers[tensor.buffer].data is not None]
    operations: int | None
    if inner := [step for step in _inner(model, operator) if step.operations != 0]:
        operations = None
        exact = any(step.numbers == "integers" for step in inner)
    else:
        operations = _operations(
            kind,
            [_shape(tensor) for tensor in inputs],
            _shape(outputs[0]) if outputs else [],
            [_shape(tensor) for tensor in constants],
        )
        # A dynamic file multiplies floats by int8 weights, in integers.
        exact = any(tensor.type in _INTEGERS for tensor in inputs[:2])
    return Step(
        tuple(map(_name, inputs)),
        tuple(map(_name, outputs)),
        sum(math.prod(_shape(tensor)) for tensor in constants if tensor.type in _WEIGHTS),
        operations,
        "" if kind in _ONLY_MOVE else "integers" if exact else "floats",
    )


def _inner(model: Any, operator: Any) -> list[Step]:
    """Describe the operators of the graphs that an operator runs: a loop's or a branch's."""
    options = vars(operator.builtinOptions) if operator.builtinOptions else {}
    numbers = [n for name, n in options.items() if name.lower().endswith(_GRAPHS)]
    graphs = [model.subgraphs[number] for number in numbers]
    return [_step(model, graph, each) for graph in graphs for each in graph.operators]


def _operations(
    kind: str, inputs: list[list[int]], output: list[int], constants: list[list[int]]
) -> int:
    """Return the multiply-accumulates of an operator, from the shapes of its tensors."""
    if kind.endswith(("SEQUENCE_LSTM", "SEQUENCE_RNN")):  # (1, steps, in); not its biases
        each = sum(math.prod(shape) for shape in constants if len(shape) > 1)
        return math.prod(inputs[0][:-1]) * each
    if kind in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"):
        weights = inputs[1]  # (out, ...), (out, h, w, in), or (1, h, w, out)
        each = math.prod(weights[:-1] if kind == "DEPTHWISE_CONV_2D" else weights[1:])
        return math.prod(output) * each
    if kind == "TRANSPOSE_CONV":  # the shape, the weights (out, h, w, in), the values
        return math.prod(inputs[2]) * math.prod(inputs[1][:-1])
    if kind == "CONV_3D":  # (depth, h, w, in, out)
        return math.prod(output) * math.prod(inputs[1][:-1])
    if kind == "BATCH_MATMUL":
        return math.prod(output) * inputs[0][-1]
    return 0


def _name(tensor: Any) -> str:
    return str(tensor.name if isinstance(tensor.name, str) else (tensor.name or b"").decode())


def _shape(tensor: Any) -> list[int]:
    return [] if tensor.shape is None else list(tensor.shape)

"""Inputs of bytes that a model converts to floats at once.

`keras.Input(dtype="uint8")` before a Rescaling is the same function as a float32 input that gets
bytes as its samples. All formats know that one form, and their int8 files take uint8 as it is. They
do not take int8 so: such an input keeps its dtype.
"""

from collections.abc import Iterator
from typing import Any

import keras

from strop_export.formats.graph import rebuild

# Layers whose result has the values that they take.
_ONLY_MOVE = (
    *(keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute),
    *(keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D, keras.layers.ZeroPadding3D),
    *(keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D),
    *(keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D),
)
_CONVERTING_LAYERS = (keras.layers.Rescaling, keras.layers.Normalization, keras.layers.Dense)
# Operations of `keras.ops`, whose classes have no public names.
_OPERATIONS = "keras.src.ops."
_DIVISIONS = ("Divide", "TrueDivide")
_ARITHMETIC = ("Add", "Subtract", "Multiply")


def with_float_inputs(model: keras.Model) -> keras.Model:
    """Return a model whose uint8 inputs are float32, if all that reads them converts them.

    Args:
        model: it is not changed, and the result shares its layers. An input of bytes with another
            reader, such as an Embedding, keeps its dtype.
    """
    if not any(tensor.dtype == "uint8" for tensor in model.inputs):
        return model
    graph = keras.Model(list(model.inputs), list(model.outputs))  # of a Sequential too
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype="float32", name=tensor.name)
        if tensor.dtype == "uint8" and _becomes_float(tensor, graph)
        else tensor
        for tensor in graph.inputs
    ]
    if all(own is given for own, given in zip(inputs, graph.inputs, strict=True)):
        return model
    return rebuild(graph, input_tensors=inputs)


def _becomes_float(tensor: Any, model: keras.Model) -> bool:
    """Tell whether all that reads a tensor of bytes computes the same from their floats."""
    if any(tensor is output for output in model.outputs):
        return False
    return all(
        all(_becomes_float(output, model) for output in node.outputs)
        if type(node.operation) in _ONLY_MOVE and node.operation.compute_dtype == "float32"
        else _converts(node)
        for node in _readers(tensor, model)
    )


def _readers(tensor: Any, model: keras.Model) -> Iterator[Any]:
    """Yield the calls of a model's layers that take a tensor."""
    for nodes in model._nodes_by_depth.values():
        for node in nodes:
            if any(tensor is each for each in node.input_tensors):
                yield node


def _converts(node: Any) -> bool:
    """Tell whether a call converts the bytes that it takes to float32 before it computes."""
    operation, kind = node.operation, type(node.operation)
    if kind in _CONVERTING_LAYERS:
        return bool(operation.compute_dtype == "float32")
    if not kind.__module__.startswith(_OPERATIONS):
        return False
    if kind.__name__ == "Cast":
        return bool(operation.dtype == "float32")
    if kind.__name__ in _ARITHMETIC:  # bytes alone wrap around
        taken = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        return any(isinstance(value, float) for value in taken)
    in_float32 = all(output.dtype == "float32" for output in node.outputs)
    return kind.__name__ in _DIVISIONS and in_float32

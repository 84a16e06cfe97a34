"""Byte inputs for an .onnx file, which converts them to floats.

It uses DequantizeLinear, not Cast: ONNX Runtime's WebGPU has no Cast from uint8.
"""

import numpy as np
import onnx


def take_bytes(graph: onnx.GraphProto, source: onnx.ValueInfoProto) -> None:
    """Make an input of a float graph uint8, and add a conversion to float32.

    If the first operator is a Rescaling by one positive number, that number becomes the scale of
    the DequantizeLinear.

    Args:
        graph: the graph, changed in place.
        source: the input.
    """
    wide, scale = source.name, 1.0
    rescaling = _rescaling(graph, wide)
    if rescaling is not None:
        node, scale = rescaling
        wide = node.output[0]
        graph.node.remove(node)
    # The floats keep their name, for their readers; the bytes get a new one.
    source.name = f"{source.name}.bytes"
    source.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    graph.node.insert(0, widening(graph, source.name, wide, scale))


def widening(graph: onnx.GraphProto, narrow: str, wide: str, scale: float = 1.0) -> onnx.NodeProto:
    """Return a node that turns the uint8 tensor `narrow` into float32 `wide`, times `scale`.

    Its constants are added to the graph; the node itself is not inserted yet.

    Args:
        graph: the graph that gets the constants.
        narrow: name of the node's input.
        wide: name of the node's output.
        scale: the factor.
    """
    constants: dict[str, np.ndarray] = {
        f"{wide}.scale": np.array(scale, np.float32),
        f"{wide}.zero_point": np.array(0, np.uint8),
    }
    for name, value in constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return onnx.helper.make_node("DequantizeLinear", [narrow, *constants], [wide])


def _rescaling(graph: onnx.GraphProto, source: str) -> tuple[onnx.NodeProto, float] | None:
    """Find a Mul by a positive number that is the only reader of the input.

    Returns:
        The node and the number, or None if there is no such node.
    """
    users = [node for node in graph.node if source in node.input]
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    has_bodies = any(attribute.HasField("g") or attribute.graphs for attribute in attributes)
    if [node.op_type for node in users] != ["Mul"] or has_bodies:  # bodies may read it too
        return None
    (mul,) = users
    for tensor in graph.initializer:
        if tensor.name in mul.input and not tensor.dims:
            factor = float(onnx.numpy_helper.to_array(tensor))
            return (mul, factor) if factor > 0 else None
    return None

"""An .onnx file that takes bytes and turns them into floats itself.

It does so by DequantizeLinear, not Cast: ONNX Runtime's WebGPU has no Cast from uint8.
"""

import numpy as np
import onnx


def take_bytes(graph: onnx.GraphProto, source: onnx.ValueInfoProto) -> None:
    """Make an input of a float graph uint8, and have the graph turn it into float32.

    If the first operator is a Rescaling by one positive number, the same DequantizeLinear does it,
    with that number as its scale.

    Args:
        graph: is changed in place.
        source: the input.
    """
    wide, scale = source.name, 1.0
    rescaling = _rescaling(graph, wide)
    if rescaling is not None:
        node, scale = rescaling
        wide = node.output[0]
        graph.node.remove(node)
    # The floats keep their name, for whoever reads them; the bytes get another.
    source.name = f"{source.name}.bytes"
    source.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    graph.node.insert(0, widening(graph, source.name, wide, scale))


def widening(graph: onnx.GraphProto, narrow: str, wide: str, scale: float = 1.0) -> onnx.NodeProto:
    """Return a node that turns the uint8 tensor `narrow` into float32 `wide`, times `scale`.

    Its constants are added to the graph; the node itself is not inserted yet.

    Args:
        graph: gets the constants.
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
    """Find the Mul by a positive number that alone reads the input.

    Returns:
        The node and the number, or None if there is no such node.
    """
    users = [node for node in graph.node if source in node.input]
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    has_bodies = any(attribute.HasField("g") or attribute.graphs for attribute in attributes)
    if [node.op_type for node in users] != ["Mul"] or has_bodies:  # those may read it unseen
        return None
    (mul,) = users
    for tensor in graph.initializer:
        if tensor.name in mul.input and not tensor.dims:
            factor = float(onnx.numpy_helper.to_array(tensor))
            return (mul, factor) if factor > 0 else None
    return None

"""The activation at the end of a graph, from its operators."""

from __future__ import annotations

from typing import Any, Final

_HEADS: Final = {
    "Softmax": "softmax",
    "Sigmoid": "sigmoid",
    "LogSoftmax": "log_softmax",
    "Relu": "relu",
    "Tanh": "tanh",
    **dict.fromkeys(("MatMul", "BatchMatMulV2", "Conv2D", "Conv3D", "Einsum"), "linear"),
    **dict.fromkeys(("DepthwiseConv2dNative", "BiasAdd"), "linear"),
}
_MOVING: Final = frozenset(
    ("Identity", "IdentityN", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "EnsureShape")
)
_CALLS: Final = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_MOST_STEPS: Final = 200


def activation(graph: Any, tensor: str) -> str:
    """Return the name of the activation that a tensor comes from, such as "softmax".

    This looks into functions, and skips operators that only move values.

    Args:
        graph: a GraphDef.
        tensor: the tensor's name in it.

    Returns:
        "linear" if there is none, "" if it is not known.
    """
    library = {each.signature.name: each for each in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    # Each call with the nodes around it, and the function that they belong to.
    callers: list[tuple[Any, dict[str, Any], Any]] = []
    inside = None  # the function that `nodes` belong to
    for _ in range(_MOST_STEPS):
        name, _, place = tensor.lstrip("^").partition(":")
        node = nodes.get(name)
        if node is None:  # an argument of the function
            if inside is None or not callers:
                return ""
            arguments = [each.name for each in inside.signature.input_arg]
            if name not in arguments:
                return ""
            call, nodes, inside = callers.pop()
            tensor = call.input[arguments.index(name)]
        elif node.op in _CALLS:
            function = library.get(node.attr["f"].func.name)
            outputs = [] if function is None else function.signature.output_arg
            number = int(last) if (last := place.rpartition(":")[2]).isdigit() else 0
            if function is None or number >= len(outputs):
                return ""
            callers.append((node, nodes, inside))
            tensor = function.ret[outputs[number].name]
            nodes, inside = {each.name: each for each in function.node_def}, function
        elif node.op in _MOVING and node.input:
            last = place.rpartition(":")[2]
            number = int(last) if node.op == "IdentityN" and last.isdigit() else 0
            tensor = node.input[min(number, len(node.input) - 1)]
        elif node.op in ("Add", "AddV2"):
            products = (nodes.get(each.partition(":")[0]) for each in node.input)
            return "linear" if any(p is not None and p.op in _HEADS for p in products) else ""
        else:
            return _HEADS.get(node.op, "")
    return ""

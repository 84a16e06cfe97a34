"""Model files made by hand: one that never ends, and one that asks for all memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import NodeProto, TensorProto, helper

from tests import bundles
from tests.fuzz import seeds
from tests.probe_models import INPUTS, OUTPUTS

_FOREVER = 2**62
_MANY = 10**12  # float32 values, 4 TB


def endless() -> bundles.Draft:
    """A loop that adds zero to its input, for a thousand years."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["goes_on"]),
            helper.make_node("Identity", ["state"], ["next"]),
        ],
        "body",
        [
            value("number", TensorProto.INT64, []),
            value("go_on", TensorProto.BOOL, []),
            value("state", TensorProto.FLOAT, None),
        ],
        [value("goes_on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
    )
    return _bundle(
        [
            helper.make_node("Slice", ["input", "from", "to", "axis"], ["part"]),
            helper.make_node("Loop", ["times", "yes", "part"], ["output"], body=body),
        ],
        [
            helper.make_tensor("times", TensorProto.INT64, [], [_FOREVER]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [OUTPUTS]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )


def boundless() -> bundles.Draft:
    """A sum of more values than fit into memory."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1])
    return _bundle(
        [
            helper.make_node("ConstantOfShape", ["many"], ["ones"], value=one),
            helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
            helper.make_node("Slice", ["input", "from", "to", "axis"], ["part"]),
            helper.make_node("Add", ["part", "sum"], ["output"]),
        ],
        [
            helper.make_tensor("many", TensorProto.INT64, [1], [_MANY]),
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [OUTPUTS]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )


def _bundle(nodes: Sequence[NodeProto], constants: Sequence[TensorProto]) -> bundles.Draft:
    """The doctor's bundle with another model of the same shapes, float32."""
    ends = (("input", INPUTS), ("output", OUTPUTS))
    source, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in ends
    )
    graph = helper.make_graph(nodes, "hostile", [source], [result], constants)
    opsets = [helper.make_opsetid("", 13)]
    file: Any = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    draft = seeds.probe("onnx")
    draft.put(draft.variant, file.SerializeToString())
    return draft

"""Files that hold only a claim: an operator's version, an opset or an IR version.

They have no operators to run. An engine checks the claim before it looks at operators, so it
prepares and calls none, and nothing can crash.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

Probes = Mapping[str, Mapping[int, bytes]]  # claim -> its version -> the file

_OPERATOR_VERSIONS = range(1, 25)
_OPSETS = range(7, 41)  # ONNX Runtime supports none below 7
_IR_VERSIONS = range(3, 25)  # the first with opsets


def probes(engine: str) -> Probes:
    """Make the files to try on an engine's releases.

    Args:
        engine: "onnx" gets .onnx files; any other engine gets .tflite files.
    """
    if engine == "onnx":
        return {
            "ir_version": {ir: onnx_file(ir, min(_OPSETS)) for ir in _IR_VERSIONS},
            "opset": {opset: onnx_file(min(_IR_VERSIONS), opset) for opset in _OPSETS},
        }
    return {
        name: {version: tflite_file(name, version) for version in _OPERATOR_VERSIONS}
        for name in sorted(vars(schema.BuiltinOperator))
        # Any interpreter opens a file with any custom operator, and fails when it runs.
        if name.isupper() and name != "CUSTOM"
    }


def tflite_file(operator: str, version: int) -> bytes:
    """Return a .tflite file that lists one operator, and does not use it.

    Engines look up every operator that a file lists, used or not.

    Args:
        operator: its name in the schema, such as "FULLY_CONNECTED".
        version: the version that the file claims to need.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode = min(
        code.builtinCode, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    code.version = version
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = "x", [1], schema.TensorType.FLOAT32
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
    model = schema.ModelT()
    model.version = 3  # of the schema, since 2017
    model.operatorCodes, model.subgraphs, model.buffers = [code], [graph], [schema.BufferT()]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def onnx_file(ir_version: int, opset: int) -> bytes:
    """Return an .onnx file without operators, whose output is its input."""
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "probe", [value], [value]),
        ir_version=ir_version,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
    )
    return bytes(model.SerializeToString(deterministic=True))

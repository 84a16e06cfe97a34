"""Small .tflite files of one quantized operator, and runs by the kernels of both roundings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from strop_export.formats.base import Converted, Names
from strop_export.formats.flatbuffer import TFLiteFile
from tests import environments

Array = NDArray[Any]

_TYPES = {
    np.dtype("float32"): schema.TensorType.FLOAT32,
    np.dtype("int8"): schema.TensorType.INT8,
    np.dtype("uint8"): schema.TensorType.UINT8,
    np.dtype("int32"): schema.TensorType.INT32,
}


_OPTIONS = {
    **{"FULLY_CONNECTED": "FullyConnected", "ADD": "Add", "SUB": "Sub", "MUL": "Mul"},
    **{"LEAKY_RELU": "LeakyRelu", "GELU": "Gelu", "SOFTMAX": "Softmax"},
    **{"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "MEAN": "Reducer"},
    **{"MAX_POOL_2D": "Pool2D", "AVERAGE_POOL_2D": "Pool2D", "CONCATENATION": "Concatenation"},
    **{"PAD": "Pad", "PADV2": "PadV2", "TRANSPOSE": "Transpose"},
    **{"TRANSPOSE_CONV": "TransposeConv", "REDUCE_MAX": "Reducer"},
}

_VERSIONS = {
    **{"FULLY_CONNECTED": 5, "GELU": 1, "RELU_N1_TO_1": 1, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3},
    **{"EXPAND_DIMS": 1, "SQUEEZE": 1, "TRANSPOSE_CONV": 3},
}


class Builder:
    """A .tflite file in the making; each method returns the number of a tensor."""

    def __init__(self) -> None:
        self._model, self._graph = schema.ModelT(), schema.SubGraphT()
        self._model.version, self._model.buffers = 3, [schema.BufferT()]
        self._model.operatorCodes, self._model.subgraphs = [], [self._graph]
        self._graph.tensors, self._graph.operators = [], []

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        scale: Any = None,
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), _TYPES[np.dtype(dtype)], 0
        tensor.name = f"t{len(self._graph.tensors)}"
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.quantizedDimension = axis
            tensor.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, values: Array, scale: Any = None, zero_point: int = 0, axis: int = 0) -> int:
        number = self.tensor(values.shape, values.dtype.name, scale, zero_point, axis)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        self._graph.tensors[number].buffer = len(self._model.buffers) - 1
        return number

    def step(self, kind: str, inputs: list[int], output: int, **options: Any) -> int:
        """Add an operator, such as "RELU", with fields of its options in the schema."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # where the codes of old files end
        code.version = _VERSIONS.get(kind, 2)
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, [output]
        if kind in _OPTIONS:
            name = f"{_OPTIONS[kind]}Options"
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(schema, f"{name}T")()
            vars(operator.builtinOptions).update(options)
        self._graph.operators.append(operator)
        return output

    def file(self, source: int, result: int) -> Converted:
        self._graph.inputs, self._graph.outputs = [source], [result]
        file = TFLiteFile(bytes(flatbuffer_utils.convert_object_to_bytearray(self._model)))
        data = file.to_bytes(Names(("x",), ("y",)))
        return Converted(data, file.inputs, file.outputs)


class Case(NamedTuple):
    """A file of one input, and samples for it."""

    file: bytes
    inputs: Array


Kernels = Callable[[Sequence[Case]], list[dict[str, Array]]]


def run_xnnpack(cases: Sequence[Case]) -> list[dict[str, Array]]:
    """Run files by LiteRT; return each one's tensors by name, each (N, ...)."""
    return run_litert(cases, "AUTO")


def run_litert(cases: Sequence[Case], kernels: str) -> list[dict[str, Array]]:
    """Run files by LiteRT, like `run_xnnpack`; `kernels` is the name of an OpResolverType."""
    found = []
    for case in cases:
        interpreter = Interpreter(
            model_content=case.file,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType[kernels],
            experimental_preserve_all_tensors=True,
        )
        (source,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(source["index"], case.inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], case.inputs)
        interpreter.invoke()
        details = [each for each in interpreter.get_tensor_details() if each["name"]]
        found.append({each["name"]: interpreter.get_tensor(each["index"]) for each in details})
    return found


def run_tflite_runtime(
    cases: Sequence[Case], kernels: str, python: Path, folder: Path
) -> list[dict[str, Array]]:
    """Run files by tflite-runtime, like `run_litert`.

    Args:
        cases: the files.
        kernels: the name of an OpResolverType.
        python: an interpreter that has tflite-runtime.
        folder: where files may be written.
    """
    given: dict[str, Any] = {}
    for i, (file, inputs) in enumerate(cases):
        given |= {f"{i}.file": np.frombuffer(file, np.uint8), f"{i}.inputs": inputs}
        given[f"{i}.kernels"] = kernels
    np.savez(folder / "given.npz", **given)
    worker = Path(__file__).with_name("tflite_worker.py")
    environments.run(python, worker, folder / "given.npz", folder / "found.npz")
    found: list[dict[str, Array]] = [{} for _ in cases]
    with np.load(folder / "found.npz") as content:
        for key in content.files:
            case, _, name = key.partition(":")
            found[int(case)][name] = content[key]
    return found

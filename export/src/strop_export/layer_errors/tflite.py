"""A .tflite file, run by LiteRT's own kernels, which keep the values of all tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from strop_export.formats.flatbuffer_tables import TYPES, operator_name
from strop_export.layer_errors.opened import Grid, Node, Probe, Values, probe_name

_NUMBERS = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64")


class TFLite:
    """The main graph of a .tflite file.

    Args:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
        self._graph = self._model.subgraphs[0]
        self._names = [tensor.name.decode() for tensor in self._graph.tensors]
        self._interpreter: Any = None
        self.grids = {
            name: grid
            for name, tensor in zip(self._names, self._graph.tensors, strict=True)
            if (grid := _grid(tensor))
        }
        self.constants = {
            name: self._real(name, values)
            for name, tensor in zip(self._names, self._graph.tensors, strict=True)
            if (values := self._stored(tensor)) is not None
        }
        self.nodes = [
            Node(self._operator(o), self._named(o.inputs), self._named(o.outputs))
            for o in self._graph.operators
        ]
        for node in self.nodes:  # how float16 weights are widened
            if node.operator == "dequantize" and node.inputs[0] in self.constants:
                self.constants[node.outputs[0]] = self.constants[node.inputs[0]]
        signature = self._model.signatureDefs[0]
        self.inputs, self.outputs = (
            [self._names[entry.tensorIndex] for entry in side]
            for side in (signature.inputs, signature.outputs)
        )

    def axis(self, tensor: str) -> int:
        """Return the axis of a tensor's channels: the last."""
        return -1

    def run(self, sample: Sequence[NDArray[Any]], probes: Sequence[Probe] = ()) -> Values:
        """Run the file on one sample; see `Opened.run`."""
        if self._interpreter is None:
            self._start(probes)
        interpreter = self._interpreter
        places = {entry["name"]: entry for entry in interpreter.get_input_details()}
        for name, values in zip(self.inputs, sample, strict=True):
            place = places[name]
            interpreter.set_tensor(place["index"], values[np.newaxis].astype(place["dtype"]))
        interpreter.invoke()
        computed = {name for node in self.nodes for name in node.outputs}
        wanted = {*computed, *self.inputs, *(probe_name(probe.node) for probe in probes)}
        found = {}
        for index, name in enumerate(self._names):
            if name in wanted and TYPES[self._graph.tensors[index].type] in _NUMBERS:
                with contextlib.suppress(ValueError):  # what a loop computes has no fixed place
                    found[name] = self._real(name, interpreter.get_tensor(index))
        return found

    def _start(self, probes: Sequence[Probe]) -> None:
        for probe in probes:
            self._add(probe)
        self._interpreter = Interpreter(
            model_content=bytes(flatbuffer_utils.convert_object_to_bytearray(self._model)),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._interpreter.allocate_tensors()

    def _add(self, probe: Probe) -> None:
        """Add a copy of an operator after it, with other constants."""
        number = self.nodes.index(probe.node)
        old, new = self._graph.operators[number], schema.OperatorT()
        vars(new).update(vars(old))
        new.inputs = list(old.inputs)
        for k, values in probe.constants.items():
            name = f"{probe_name(probe.node)}.{k}"
            new.inputs[k] = self._tensor_like(old.inputs[k], name, values)
        first, *others = old.outputs
        new.outputs = [
            self._tensor_like(first, probe_name(probe.node)),
            *(self._tensor_like(index, f"{self._names[index]}~unused") for index in others),
        ]
        self._graph.operators.append(new)  # after all others: its inputs are known there

    def _tensor_like(self, index: int, name: str, values: NDArray[Any] | None = None) -> int:
        old, tensor = self._graph.tensors[index], schema.TensorT()
        tensor.shape, tensor.shapeSignature = old.shape, old.shapeSignature
        tensor.type, tensor.name, tensor.buffer = old.type, name, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        self._names.append(name)
        return len(self._graph.tensors) - 1

    def _operator(self, operator: Any) -> str:
        return operator_name(self._model, operator).lower()

    def _named(self, indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._names[index] if index >= 0 else "" for index in indices)

    def _stored(self, tensor: Any) -> NDArray[Any] | None:
        data = self._model.buffers[tensor.buffer].data
        if data is None or TYPES[tensor.type] not in _NUMBERS:
            return None
        values = np.frombuffer(bytes(data), TYPES[tensor.type])
        return values.reshape(tensor.shape if tensor.shape is not None else ())

    def _real(self, name: str, stored: NDArray[Any]) -> NDArray[Any]:
        grid = self.grids.get(name)
        return grid.real(stored) if grid else stored


def _grid(tensor: Any) -> Grid | None:
    kind = TYPES[tensor.type]
    if kind == "float16":
        return Grid(np.dtype(kind), np.ones(1), np.zeros(1))
    held = tensor.quantization
    if held is None or held.scale is None or not len(held.scale) or kind not in _NUMBERS:
        return None
    scale = np.asarray(held.scale, np.float64)
    zero = np.asarray(held.zeroPoint, np.float64) if held.zeroPoint is not None else np.zeros(1)
    return Grid(np.dtype(kind), scale, zero, held.quantizedDimension)

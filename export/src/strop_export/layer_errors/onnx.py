"""An .onnx file, run by ONNX Runtime without fusions, with every value as an output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from strop_export.layer_errors.opened import Grid, Node, Probe, Values, probe_name

_ROUND: Final = ("QuantizeLinear", "DequantizeLinear")
_CHANNELS_FIRST: Final = (
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
    *("BatchNormalization", "InstanceNormalization", "DepthToSpace", "SpaceToDepth"),
)
_MIX_AXES: Final = ("Gemm", "MatMul", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather")


class ONNX:
    """The main graph of an .onnx file.

    Args:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        self._model = onnx.load_from_string(data)
        graph = self._model.graph
        self._session: Any = None
        self.inputs = [value.name for value in graph.input]
        self.outputs = [value.name for value in graph.output]
        self.nodes = [Node(n.op_type.lower(), tuple(n.input), tuple(n.output)) for n in graph.node]
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.grids: dict[str, Grid] = {}
        for node in graph.node:
            if node.op_type in _ROUND and set(node.input[1:]) <= self.constants.keys():
                self._read_grid(node)
        self._axes = self._channel_axes()

    def axis(self, tensor: str) -> int:
        """Return the axis of a tensor's channels: convolutions have them first, others last."""
        return self._axes.get(tensor, -1)

    def run(self, sample: Sequence[NDArray[Any]], probes: Sequence[Probe] = ()) -> Values:
        """Run the file on one sample; see `Opened.run`."""
        if self._session is None:
            self._start(probes)
        feeds = {
            value.name: array[np.newaxis].astype(_dtype(value))
            for value, array in zip(self._model.graph.input, sample, strict=True)
        }
        names = [value.name for value in self._model.graph.output]
        found = {**feeds, **dict(zip(names, self._session.run(names, feeds), strict=True))}
        return {
            name: self.grids[name].real(values) if name in self.grids else values
            for name, values in found.items()
            if isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
        }

    def _start(self, probes: Sequence[Probe]) -> None:
        graph = self._model.graph
        for probe in probes:
            self._add(probe)
        known = {value.name for value in graph.output}
        for node in graph.node:
            for name in node.output:
                if name and name not in known:
                    graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            self._model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _add(self, probe: Probe) -> None:
        """Add a copy of an operator, with other constants."""
        graph = self._model.graph
        new = onnx.NodeProto()
        new.CopyFrom(graph.node[self.nodes.index(probe.node)])
        new.name = probe_name(probe.node)
        for k, values in probe.constants.items():
            new.input[k] = f"{probe_name(probe.node)}.{k}"
            graph.initializer.append(
                numpy_helper.from_array(values.astype(np.float32), new.input[k])
            )
        _, *others = new.output
        new.output[:] = [probe_name(probe.node), *(f"{name}~unused" for name in others)]
        graph.node.append(new)

    def _read_grid(self, node: onnx.NodeProto) -> None:
        """Note what a quantized tensor can hold; a constant becomes its real values."""
        scale, *zero = (self.constants[name] for name in node.input[1:])
        stored = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        dtype = zero[0].dtype if zero else np.dtype(np.uint8)
        offset = zero[0] if zero else np.zeros(1)
        grid = Grid(dtype, scale.astype(np.float64), offset.astype(np.float64), axis)
        self.grids[stored] = grid
        if node.op_type == "DequantizeLinear" and stored in self.constants:
            self.constants[node.output[0]] = grid.real(self.constants[stored])

    def _channel_axes(self) -> dict[str, int]:
        """Follow the axis of the channels from the convolutions on."""
        axes: dict[str, int] = {}
        for node in self._model.graph.node:
            axis = next((axes[name] for name in node.input if name in axes), None)
            if node.op_type in _CHANNELS_FIRST:
                axis = 1
            elif node.op_type == "Transpose" and axis is not None:
                permutation = next(a.ints for a in node.attribute if a.name == "perm")
                axis = list(permutation).index(axis)
            elif node.op_type in _MIX_AXES:
                axis = None
            if axis is not None:
                axes.update(dict.fromkeys(node.output, axis))
        return axes


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))

"""Static int8 for .onnx; docs/decisions/0003-int8-onnx.md has the measurements.

Float operators stand between DequantizeLinear and QuantizeLinear (QDQ). That is standard ONNX,
which onnxruntime fuses into integer kernels when it loads the file.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import quant_utils
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    create_calibrator,
    load_tensors_data,
    save_tensors_data,
)

from strop_export.formats.onnx_bytes import widening
from strop_export.formats.ranges import Histograms

_HEADS: Final = ("Softmax", "Sigmoid")
_LAYERS: Final = ("Gemm", "MatMul")
_ONLY_MOVE: Final = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity")
_METHODS: Final = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_CHUNK: Final = 100  # calibration samples in one run
# The closing dense layers stay float if they hold at most this share of the weights: quantized,
# each would cost an operator's overhead and the rounding of its input, and save almost nothing.
_FLOAT_SHARE: Final = 1 / 12


def calibrate(file: onnx.ModelProto, calibration: Mapping[str, np.ndarray], ranges: str) -> bytes:
    """Return the ranges of a model's activations, as onnxruntime's JSON.

    Args:
        file: the float32 model.
        calibration: (N, *input), by input name.
        ranges: one of `RANGES`.
    """
    dtypes = _dtypes(file.graph)
    samples = {name: array.astype(dtypes[name]) for name, array in calibration.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder, "float.onnx")
        onnx.save(quant_utils.save_and_reload_model_with_shape_infer(file), path)
        calibrator = create_calibrator(
            path,
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=_METHODS[ranges],
        )
        if ranges != "minmax":
            calibrator.collector = Histograms(ranges)
        for chunk in _chunks(samples):  # it keeps the outputs of all that it is given at once
            calibrator.collect_data(_Samples(chunk))
        save_tensors_data(calibrator.compute_data(), Path(folder, "ranges.json"))
        return Path(folder, "ranges.json").read_bytes()


def quantize(
    file: onnx.ModelProto,
    calibration: Mapping[str, np.ndarray],
    ranges: bytes,
    *,
    per_channel: bool,
    stay_float: Iterable[str] = (),
) -> onnx.ModelProto:
    """Quantize a model to uint8 activations and weights; its head and last small layers stay float.

    If the calibration samples of a float input are uint8, the file's input is uint8 too and the
    samples are its quantized values (scale 1, zero point 0), so there is no work for each pixel.

    Args:
        file: the float32 model.
        calibration: (N, *input), by input name; only the dtypes count.
        ranges: from `calibrate`.
        per_channel: one scale for each output channel of a layer's weights, not one for all.
        stay_float: names of further operators that stay float.
    """
    tails = [_float_tail(file.graph, result.name) for result in file.graph.output]
    dtypes = _dtypes(file.graph)
    bytes_in = [
        name
        for name, samples in calibration.items()
        if samples.dtype == np.uint8 and dtypes[name] == np.float32
    ]
    byte = {"scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)}
    raw = {name for source in bytes_in for name in _unchanged(file.graph, source)}
    overrides: dict[str, Any] = (
        {"TensorQuantOverrides": {name: [byte] for name in raw}} if raw else {}
    )
    with TemporaryDirectory() as folder:
        path, known = Path(folder, "int8.onnx"), Path(folder, "ranges.json")
        known.write_bytes(ranges)
        quantization.quantize_static(
            file,
            path,
            None,
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=per_channel,
            # Unsigned weights: with signed ones, a CPU without VNNI adds pairs of products in
            # 16 bits and saturates, silently.
            weight_type=quantization.QuantType.QUInt8,
            activation_type=quantization.QuantType.QUInt8,
            nodes_to_exclude=list(dict.fromkeys([*chain.from_iterable(tails), *stay_float])),
            calibrate_method=load_tensors_data(known).calibration_method,
            calibration_cache_path=known,
            extra_options=overrides,
        )
        file = onnx.load(path)
    for tail, result in zip(tails, [value.name for value in file.graph.output], strict=True):
        _leave_float(file.graph, tail, result)
    for source in file.graph.input:
        if source.name in bytes_in:
            _take_bytes(file.graph, source)
    return file


def _dtypes(graph: onnx.GraphProto) -> dict[str, np.dtype[Any]]:
    return {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in graph.input
    }


def _float_tail(graph: onnx.GraphProto, result: str) -> list[str]:
    """Return the names of the closing nodes that stay float, in order: small dense layers, head."""
    weights = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
    left = sum(weights.values()) * _FLOAT_SHARE
    head = _producer(graph, result)
    tail = [head] if head and head.op_type in _HEADS else []
    while node := _producer(graph, tail[0].input[0] if tail else result):
        activation = node if node.op_type == "Relu" else None
        layer = _producer(graph, node.input[0]) if activation else node
        if not layer or layer.op_type not in _LAYERS:
            break
        if activation:  # also after an integer layer, which returns its sums as floats
            tail.insert(0, activation)
        left -= sum(weights.get(name, 0) for name in layer.input)
        if left < 0:
            break
        tail.insert(0, layer)
    return [node.name for node in tail]


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: dict[str, np.ndarray]) -> None:
        self._left = [samples]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


def _chunks(samples: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    count = len(next(iter(samples.values())))
    for start in range(0, count, _CHUNK):
        yield {name: array[start : start + _CHUNK] for name, array in samples.items()}


def _leave_float(graph: onnx.GraphProto, tail: list[str], result: str) -> None:
    """Cut the QuantizeLinear and DequantizeLinear before the tail, or before the output if none.

    The sums of the last integer layer are exact. Rounded to 256 steps, classes would tie.
    """
    nodes = {node.name: node for node in graph.node}
    first = nodes[tail[0]] if tail else None
    dequantize = _producer(graph, first.input[0] if first else result)
    if not dequantize or dequantize.op_type != "DequantizeLinear":
        return
    rounded = _producer(graph, dequantize.input[0])
    exact = rounded and _producer(graph, rounded.input[0])
    if not rounded or not exact or rounded.op_type != "QuantizeLinear":
        return
    if sum(name in node.input for node in graph.node for name in rounded.output) > 1:
        return  # others take the rounded values
    for node in (rounded, dequantize):
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)  # their scale and zero point, unless others share them
    for i, name in enumerate(exact.output):
        if name == rounded.input[0]:
            exact.output[i] = dequantize.output[0]
    if first and first.op_type == "Relu":
        # ONNX Runtime would fuse Gemm and Relu into one float operator, and widen the weights in
        # every call: 68 us instead of 7. It does not fuse Gemm and Max.
        zero = onnx.numpy_helper.from_array(np.zeros((), np.float32), f"{first.name}.zero")
        graph.initializer.append(zero)
        first.op_type = "Max"
        first.input.append(zero.name)


def _take_bytes(graph: onnx.GraphProto, source: onnx.ValueInfoProto) -> None:
    """Make an input uint8, and remove its QuantizeLinear: bytes are already quantized values.

    An operator that was not quantized gets the bytes widened to float32.
    """
    source.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    raw = _unchanged(graph, source.name)
    for node in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        if node.input[0] in raw:
            graph.node.remove(node)
            _reroute(graph.node, node.output[0], node.input[0])
    takes_bytes = (*_ONLY_MOVE, "DequantizeLinear")
    for name in sorted(raw):
        floats = [n for n in graph.node if name in n.input and n.op_type not in takes_bytes]
        if floats:
            _reroute(floats, name, f"{name}.float")
            first = min(list(graph.node).index(node) for node in floats)
            graph.node.insert(first, widening(graph, name, f"{name}.float"))


def _unchanged(graph: onnx.GraphProto, source: str) -> set[str]:
    """Return the names of the tensors that hold the values of `source`, in any shape."""
    names = {source}
    for node in graph.node:  # each comes after its inputs
        if node.op_type in _ONLY_MOVE and node.input[0] in names:
            names.update(node.output)
    return names


def _reroute(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _producer(graph: onnx.GraphProto, value: str) -> onnx.NodeProto | None:
    """Return the node that computes a value; None for an input or a constant."""
    return next((node for node in graph.node if value in node.output), None)

"""Keras to .onnx through tf2onnx, at any batch: float32, float16, and quantized (onnx_int8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import keras
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import (
    DEFAULT_OP_BLOCK_LIST,
    convert_float_to_float16,
)

from strop.bundle.manifest import FileTensor
from strop_export.errors import ConversionError
from strop_export.formats.base import CALIBRATED, Converted, Names, VariantSpec
from strop_export.formats.equalize import Equalizer
from strop_export.formats.graph import simplify
from strop_export.formats.layers import last_layers, numbered
from strop_export.formats.onnx_bytes import take_bytes
from strop_export.formats.onnx_int8 import calibrate, quantize
from strop_export.formats.onnx_keras import from_keras
from strop_export.formats.onnx_steps import in_quantized, steps_of
from strop_export.formats.samples import spread
from strop_export.formats.steps import (
    Step,
    Work,
    check_known,
    in_float,
    integer_share,
    owners,
    works,
)

_IR_VERSION: Final = 7  # of the opset in onnx_keras

_STAY_FLOAT32: Final = (*DEFAULT_OP_BLOCK_LIST, "DequantizeLinear")  # opset 13 requires it


class Onnx:
    """Conversions of one model to .onnx; see `strop_export.formats.convert`.

    Inputs and outputs have the model's dtypes. In an int8 or mixed file, and in one for GPUs, a
    float input is uint8 if its calibration samples are.

    Args:
        model: a model that takes and returns lists.
        calibration: (N, *input) for each input; quantized files use their values, GPU files their
            dtypes.
        names: the names of the files' inputs and outputs.
        equalizer: makes the model whose scales are balanced.
    """

    def __init__(
        self,
        model: keras.Model,
        calibration: Sequence[np.ndarray],
        names: Names,
        equalizer: Equalizer,
    ) -> None:
        self._model, self._calibration, self._names = model, calibration, names
        self._equalizer = equalizer
        self._graphs: dict[bool, _Graph] = {}  # by whether the model is equalized
        self._ranges: dict[tuple[bool, int, str], bytes] = {}

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model.

        Raises:
            ConversionError: nothing in the file would have its precision.
        """
        steps: dict[str, Step] = {}
        float_layers: tuple[str, ...] = ()
        if spec.precision in CALIBRATED:
            graph = self._graph(equalized=spec.quantization.equalized)
            file = self._quantize(graph, spec)
            steps = in_quantized(file.graph, graph.steps)
            float_layers = in_float(list(steps.values()), [graph.layers[name] for name in steps])
        else:
            file = self._in_floats(spec)
        if not _is_of(file.graph, spec.precision):
            raise ConversionError(
                f"every operator of the {spec.precision} file stays in float32; the model has "
                "nothing that this precision makes smaller"
            )
        shapes = [tensor.shape[1:] for tensor in (*self._model.inputs, *self._model.outputs)]
        file = _finish(file, self._names, shapes)
        opsets = {entry.domain or "opset": entry.version for entry in file.opset_import}
        return Converted(
            file.SerializeToString(deterministic=True),
            tuple(map(_info, file.graph.input)),
            tuple(map(_info, file.graph.output)),
            {**opsets, "ir_version": file.ir_version},
            float_layers,
            integer_share(list(steps.values())),
            self._equalizer.pairs if spec.quantization.equalized else (),
        )

    def works(self, spec: VariantSpec) -> dict[str, Work]:
        """Return the size of each layer of a quantized file, in the order they run."""
        graph = self._graph(equalized=spec.quantization.equalized)
        return works(list(graph.steps.values()), [graph.layers[name] for name in graph.steps])

    def _graph(self, *, equalized: bool) -> _Graph:
        if equalized not in self._graphs:
            model = self._equalizer.model if equalized else self._model
            file, layers = _float_graph(model, fold_rescaling=True)
            self._graphs[equalized] = _Graph(file, steps_of(file), layers)
        return self._graphs[equalized]

    def _in_floats(self, spec: VariantSpec) -> onnx.ModelProto:
        # float16 keeps the Rescaling: weights / 255 would be subnormal numbers, which a GPU may
        # flush to zero.
        file, _ = _float_graph(self._model, fold_rescaling=spec.precision != "float16")
        if spec.gpu:  # a quarter of the transfer to the GPU, which widens them
            for value, samples in zip(list(file.graph.input), self._calibration, strict=True):
                if samples.dtype == np.uint8 and _is_float(value):
                    take_bytes(file.graph, value)
        if spec.precision == "float16":
            halved = ONNXModel(
                convert_float_to_float16(file, keep_io_types=True, op_block_list=_STAY_FLOAT32)
            )
            halved.topological_sort()  # the converter puts its first Cast last: ONNX forbids it
            file = halved.model
        return file

    def _quantize(self, graph: _Graph, spec: VariantSpec) -> onnx.ModelProto:
        wanted = spec.quantization
        check_known(wanted.float_layers, list(graph.layers.values()))
        samples = spread(self._calibration, wanted.samples)
        places = [value.name for value in graph.file.graph.input]
        given = dict(zip(places, samples, strict=True))
        key = (wanted.equalized, len(samples[0]), wanted.ranges)
        if key not in self._ranges:
            self._ranges[key] = calibrate(graph.file, given, wanted.ranges)
        return quantize(
            graph.file,
            given,
            self._ranges[key],
            per_channel=spec.per_channel,
            stay_float=[n for n, layer in graph.layers.items() if layer in wanted.float_layers],
        )


class _Graph(NamedTuple):
    """A float model, its operators by their names, and the Keras layer of each."""

    file: onnx.ModelProto
    steps: dict[str, Step]
    layers: dict[str, str]


def _float_graph(
    model: keras.Model, *, fold_rescaling: bool
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return the float model, and the Keras layer of each operator by its name."""
    ends = last_layers(model)
    with numbered(model) as names:
        file = _tidy(from_keras(simplify(model, fold_rescaling=fold_rescaling)))
    last = {value.name: layer for value, layer in zip(file.graph.output, ends, strict=True)}
    found = owners([(node.input, node.output) for node in file.graph.node], names, last)
    # After this, names no longer depend on TensorFlow's counters.
    _rename(file.graph, {"": ""}, prefix="")  # the quantizer orders weights by name
    return file, {node.name: layer for node, layer in zip(file.graph.node, found, strict=True)}


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def _is_of(graph: onnx.GraphProto, precision: str) -> bool:
    """Tell whether anything in a file has its precision."""
    if precision == "float32":
        return True
    wanted = {
        "float16": {onnx.TensorProto.FLOAT16},
        "int8": {onnx.TensorProto.UINT8, onnx.TensorProto.INT8},
        "mixed": {onnx.TensorProto.UINT8, onnx.TensorProto.INT8},
    }[precision]
    return any(tensor.data_type in wanted and tensor.dims for tensor in graph.initializer)


def _tidy(file: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and fuse each MatMul and Add into a Gemm, by onnxruntime's basic rewrites.

    The result is standard ONNX, and the quantizer has better operators for Gemm.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "tidy.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            file.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(path)


def _finish(
    file: onnx.ModelProto, names: Names, shapes: Sequence[tuple[int, ...]]
) -> onnx.ModelProto:
    """Name the inputs and outputs, and remove all traces of the tools and of this process."""
    graph = file.graph
    borders = [*graph.input, *graph.output]
    titles = (*names.inputs, *names.outputs)
    known = {value.name: title for value, title in zip(borders, titles, strict=True)}
    _rename(graph, {"": "", **known}, prefix="")
    for value, sample in zip(borders, shapes, strict=True):
        shape = value.type.tensor_type.shape  # tf2onnx leaves some sizes out
        shape.ClearField("dim")
        shape.dim.add().dim_param = "batch"
        for size in sample:
            shape.dim.add().dim_value = size
    domains = {node.domain for node in graph.node}
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.node, "strop", list(graph.input), list(graph.output), graph.initializer
        ),
        opset_imports=[entry for entry in file.opset_import if entry.domain in domains],
        ir_version=_IR_VERSION,
        producer_name="strop",
    )


def _rename(graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
    """Rename everything not in `names` after its operator, in place, also in bodies of loops.

    TensorFlow's names count the layers made since the process began, so no two exports would have
    the same bytes.
    """
    for value in graph.input:
        names.setdefault(value.name, f"{prefix}in.{len(names)}")
    for i, node in enumerate(graph.node):
        node.name = f"{prefix}{i}.{node.op_type}"
        for values, side in ((node.input, "in"), (node.output, "out")):
            for k, value in enumerate(values):
                values[k] = names.setdefault(value, f"{node.name}.{side}{k}")
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                _rename(body, names, f"{node.name}.")
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.setdefault(value.name, f"{prefix}unused.{len(names)}")
    # They were sorted by their old names: dense_10 before dense_9.
    graph.initializer.sort(key=lambda value: value.name)


def _info(value: onnx.ValueInfoProto) -> FileTensor:
    tensor = value.type.tensor_type
    shape = (None, *(dim.dim_value for dim in tensor.shape.dim[1:]))
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    # A byte stands for itself, without a scale; see onnx_int8 and onnx_bytes.
    scale, zero_point = (1.0, 0) if dtype == "uint8" else (None, None)
    return FileTensor(value.name, shape, dtype, scale, zero_point)

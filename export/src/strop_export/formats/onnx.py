"""Keras to .onnx through tf2onnx: float32, float16 and (in onnx_int8) int8, at any batch size."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import (
    DEFAULT_OP_BLOCK_LIST,
    convert_float_to_float16,
)

from strop.bundle.manifest import FileTensor
from strop_export.formats.base import Converted, VariantSpec
from strop_export.formats.graph import simplify
from strop_export.formats.onnx_bytes import take_bytes
from strop_export.formats.onnx_int8 import quantize

# The oldest with one scale per channel in DequantizeLinear, and so in every int8 file:
# onnxruntime 1.6 of 2020 and all since run it. Its IR version is 7.
_OPSET: Final = 13
_IR_VERSION: Final = 7

_STAY_FLOAT32: Final = (*DEFAULT_OP_BLOCK_LIST, "DequantizeLinear")  # so opset 13 wants it


def convert_onnx(
    model: keras.Model,
    spec: VariantSpec,
    calibration: np.ndarray,
    *,
    input_name: str,
    output_name: str,
) -> Converted:
    """Convert `model` to an .onnx file; see `strop_export.formats.convert`.

    The input is float32 (batch, ...) and the output float32 (batch, ...). In an int8 file, and in
    one for GPUs, the input is uint8 where the calibration samples are uint8.

    Args:
        model: takes one float32 tensor and gives one.
        spec: the precision, and whether the file is for GPUs too.
        calibration: uint8 or float32 (N, *input); int8 files use its values, GPU files its dtype.
        input_name: the name that the file gives its input.
        output_name: the name that the file gives its output.
    """
    # float16 keeps the Rescaling: weights / 255 would sink into its subnormal numbers, which
    # a GPU may take for zero.
    graph = simplify(model, fold_rescaling=spec.precision != "float16")
    file = _tidy(_from_keras(graph, input_name))
    if spec.gpu and calibration.dtype == np.uint8:
        take_bytes(file.graph)  # a quarter of what would cross the bus; the GPU widens them
    if spec.precision == "float16":
        halved = ONNXModel(
            convert_float_to_float16(file, keep_io_types=True, op_block_list=_STAY_FLOAT32)
        )
        halved.topological_sort()  # it puts its first Cast last, which ONNX forbids
        file = halved.model
    elif spec.precision == "int8":
        file = quantize(file, calibration, per_channel=spec.per_channel)
    file = _finish(file, input_name, output_name)
    opsets = {entry.domain or "opset": entry.version for entry in file.opset_import}
    return Converted(
        file.SerializeToString(deterministic=True),
        (_info(file.graph.input[0]),),
        (_info(file.graph.output[0]),),
        {**opsets, "ir_version": file.ir_version},
    )


def _from_keras(model: keras.Model, input_name: str) -> onnx.ModelProto:
    # tf2onnx.convert.from_keras does not know Keras 3's tensors (KeyError: 'keras_tensor_...').
    shape = (None, *model.input_shape[1:])
    function = tf.function(
        lambda inputs: model(inputs, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32, name=input_name)],
    )
    captures = function.get_concrete_function().graph.captures
    file: onnx.ModelProto
    file, _ = tf2onnx.convert.from_function(
        function, input_signature=function.input_signature, opset=_OPSET
    )
    constants = {
        inside.name: outside.numpy()
        for outside, inside in captures
        if outside.dtype != tf.resource  # variables are frozen already
    }
    _keep_inside(file.graph, constants)
    _without_erfc(file.graph)
    return file


def _keep_inside(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray]) -> None:
    """Make initializers of what tf2onnx took for inputs: constants that a layer holds as tensors.

    A Normalization holds its mean and variance so.

    Args:
        graph: is changed in place.
        constants: name of the input -> its value.
    """
    for value in [value for value in graph.input if value.name in constants]:
        array = constants[value.name]
        graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        graph.input.remove(value)


def _without_erfc(graph: onnx.GraphProto) -> None:
    """Write each Erfc, which ONNX has not, as 1 - Erf; a GELU comes with one."""
    for node in [node for node in graph.node if node.op_type == "Erfc"]:
        (source,), (result,) = node.input, node.output
        one = onnx.numpy_helper.from_array(np.ones((), np.float32), f"{result}.one")
        graph.initializer.append(one)
        place = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(place, onnx.helper.make_node("Erf", [source], [f"{result}.erf"]))
        graph.node.insert(
            place + 1, onnx.helper.make_node("Sub", [one.name, f"{result}.erf"], [result])
        )


def _tidy(file: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, and make one Gemm of each MatMul and Add, by onnxruntime's basic rewrites.

    They stay within standard ONNX, and the quantizer has better operators for Gemm. After this,
    names no longer depend on TensorFlow's counters.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "tidy.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            file.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        file = onnx.load(path)
    _rename(file.graph, {"": ""}, prefix="")  # or the quantizer takes weights in another order
    return file


def _finish(file: onnx.ModelProto, input_name: str, output_name: str) -> onnx.ModelProto:
    """Name the input and output, and remove every trace of the tools and of this process."""
    graph = file.graph
    (source,), (result,) = graph.input, graph.output
    _rename(graph, {"": "", source.name: input_name, result.name: output_name}, prefix="")
    for value in (source, result):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    domains = {node.domain for node in graph.node}
    return onnx.helper.make_model(
        onnx.helper.make_graph(graph.node, "strop", [source], [result], graph.initializer),
        opset_imports=[entry for entry in file.opset_import if entry.domain in domains],
        ir_version=_IR_VERSION,
        producer_name="strop",
    )


def _rename(graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
    """Rename everything not in `names` after its operator, in place, bodies of loops included.

    TensorFlow's names count the layers made since the process began: with them no two exports
    would be the same bytes.
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
    # They came sorted by the old names: dense_10 before dense_9.
    graph.initializer.sort(key=lambda value: value.name)


def _info(value: onnx.ValueInfoProto) -> FileTensor:
    tensor = value.type.tensor_type
    shape = (None, *(dim.dim_value for dim in tensor.shape.dim[1:]))
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    # A byte goes in as the number it is; see onnx_int8 and onnx_bytes.
    scale, zero_point = (1.0, 0) if dtype == "uint8" else (None, None)
    return FileTensor(value.name, shape, dtype, scale, zero_point)

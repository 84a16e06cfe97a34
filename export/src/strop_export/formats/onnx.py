"""Keras to .onnx through tf2onnx: float32, float16 and (in onnx_int8) int8, at any batch size."""

from collections.abc import Mapping, Sequence
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
from strop_export.errors import ConversionError
from strop_export.formats.base import Converted, Names, Origin, VariantSpec
from strop_export.formats.graph import simplify
from strop_export.formats.layers import numbered, origin_of
from strop_export.formats.onnx_bytes import take_bytes
from strop_export.formats.onnx_int8 import quantize

# The oldest opset with per-channel scales in DequantizeLinear, which every int8 file needs.
# onnxruntime 1.6 of 2020 and all later releases run it. Its IR version is 7.
_OPSET: Final = 13
_IR_VERSION: Final = 7

_STAY_FLOAT32: Final = (*DEFAULT_OP_BLOCK_LIST, "DequantizeLinear")  # opset 13 requires it


def convert_onnx(
    model: keras.Model,
    spec: VariantSpec,
    calibration: Sequence[np.ndarray],
    names: Names,
    *,
    as_float: bool = False,
) -> Converted:
    """Convert `model` to an .onnx file; see `strop_export.formats.convert`.

    Inputs and outputs have the model's dtypes. In an int8 file, and in one for GPUs, a float input
    is uint8 if its calibration samples are.

    Args:
        model: a model that takes and returns lists.
        spec: the precision, and whether the file is for GPUs too.
        calibration: (N, *input) for each input; int8 files use their values, GPU files their
            dtypes.
        names: the names of the file's inputs and outputs.
        as_float: write the graph of `spec` in float32: the float twin of its file.

    Raises:
        ConversionError: nothing in the file would have its precision.
    """
    # float16 keeps the Rescaling: weights / 255 would be subnormal numbers, which a GPU may flush
    # to zero.
    with numbered(model) as layers:
        graph = simplify(model, fold_rescaling=spec.precision != "float16")
        file, given = _tidy(_from_keras(graph))
    places = [value.name for value in file.graph.input]
    samples = dict(zip(places, calibration, strict=True))
    if spec.gpu:  # a quarter of the transfer to the GPU, which widens them
        for value in file.graph.input:
            if samples[value.name].dtype == np.uint8 and _is_float(value):
                take_bytes(file.graph, value)
    precision = "float32" if as_float else spec.precision
    if precision == "float16":
        halved = ONNXModel(
            convert_float_to_float16(file, keep_io_types=True, op_block_list=_STAY_FLOAT32)
        )
        halved.topological_sort()  # the converter puts its first Cast last, which ONNX forbids
        file = halved.model
    elif precision == "int8":
        file = quantize(file, samples, per_channel=spec.per_channel)
    if not _is_of(file.graph, precision):
        raise ConversionError(
            f"every operator of the {spec.precision} file stays in float32; the model has nothing "
            "that this precision makes smaller"
        )
    shapes = [tensor.shape[1:] for tensor in (*model.inputs, *model.outputs)]
    file, tidy = _finish(file, names, shapes)
    opsets = {entry.domain or "opset": entry.version for entry in file.opset_import}
    return Converted(
        file.SerializeToString(deterministic=True),
        tuple(map(_info, file.graph.input)),
        tuple(map(_info, file.graph.output)),
        {**opsets, "ir_version": file.ir_version},
        {own: _origin(old, given, layers) for own, old in tidy.items()},
    )


def _origin(name: str, given: Mapping[str, str], layers: Sequence[str]) -> Origin:
    """Return the origin of a tensor that the quantizer may have named after another."""
    first = name.removesuffix("_DequantizeLinear_Output")
    return Origin(first, origin_of(given.get(first, ""), layers).layer)


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def _is_of(graph: onnx.GraphProto, precision: str) -> bool:
    """Tell whether anything in a file has its precision."""
    if precision == "float32":
        return True
    wanted = {
        "float16": {onnx.TensorProto.FLOAT16},
        "int8": {onnx.TensorProto.UINT8, onnx.TensorProto.INT8},
    }[precision]
    return any(tensor.data_type in wanted and tensor.dims for tensor in graph.initializer)


def _from_keras(model: keras.Model) -> onnx.ModelProto:
    # tf2onnx.convert.from_keras does not know Keras 3's tensors (KeyError: 'keras_tensor_...').
    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"strop_{i:03}")
        for i, tensor in enumerate(model.inputs)
    ]
    function = tf.function(
        lambda *inputs: keras.tree.flatten(model(list(inputs), training=False)),
        input_signature=signature,
    )
    concrete = function.get_concrete_function()
    captures = concrete.graph.captures
    file: onnx.ModelProto
    file, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=_OPSET)
    constants = {
        inside.name: outside.numpy()
        for outside, inside in captures
        if outside.dtype != tf.resource  # variables are frozen already
    }
    _keep_inside(file.graph, constants)
    _without_erfc(file.graph)
    _in_order(file.graph, len(signature))
    return file


def _in_order(graph: onnx.GraphProto, count: int) -> None:
    """Sort the inputs into the model's order; tf2onnx drops unused ones."""
    values = sorted(graph.input, key=lambda value: value.name)
    if len(values) != count:
        raise ConversionError("the model does not use one of its inputs; remove that input")
    del graph.input[:]
    graph.input.extend(values)


def _keep_inside(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray]) -> None:
    """Turn the constant tensors of layers, which tf2onnx made inputs, into initializers.

    The mean and variance of a Normalization are such constants.

    Args:
        graph: the graph, changed in place.
        constants: name of the input -> its value.
    """
    for value in [value for value in graph.input if value.name in constants]:
        array = constants[value.name]
        graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        graph.input.remove(value)


def _without_erfc(graph: onnx.GraphProto) -> None:
    """Replace each Erfc, which a GELU has and ONNX lacks, with 1 - Erf."""
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


def _tidy(file: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Fold constants and fuse each MatMul and Add into a Gemm, by onnxruntime's basic rewrites.

    The result is standard ONNX, and the quantizer has better operators for Gemm. After this, names
    no longer depend on TensorFlow's counters.

    Returns:
        The file, and TensorFlow's name of each tensor by its new name.
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
    names = {"": ""}
    _rename(file.graph, names, prefix="")  # the quantizer orders weights by name
    return file, {new: old for old, new in names.items()}


def _finish(
    file: onnx.ModelProto, names: Names, shapes: Sequence[tuple[int, ...]]
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Name the inputs and outputs, and remove all traces of the tools and of this process.

    Returns:
        The file, and the former name of each tensor by its new name.
    """
    graph = file.graph
    borders = [*graph.input, *graph.output]
    titles = (*names.inputs, *names.outputs)
    known = {value.name: title for value, title in zip(borders, titles, strict=True)}
    renamed = {"": "", **known}
    _rename(graph, renamed, prefix="")
    for value, sample in zip(borders, shapes, strict=True):
        shape = value.type.tensor_type.shape  # tf2onnx leaves some sizes out
        shape.ClearField("dim")
        shape.dim.add().dim_param = "batch"
        for size in sample:
            shape.dim.add().dim_value = size
    domains = {node.domain for node in graph.node}
    finished = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.node, "strop", list(graph.input), list(graph.output), graph.initializer
        ),
        opset_imports=[entry for entry in file.opset_import if entry.domain in domains],
        ir_version=_IR_VERSION,
        producer_name="strop",
    )
    return finished, {new: old for old, new in renamed.items()}


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

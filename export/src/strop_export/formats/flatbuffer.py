"""Changes to a .tflite file that TensorFlow wrote.

The file is a FlatBuffer of the schema in tensorflow/lite/schema/schema.fbs; `ModelT` and its
parts are the object form that ai-edge-litert generates from it.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from strop.bundle.manifest import FileTensor
from strop_export.errors import ConversionError
from strop_export.formats.base import Names, stays_float
from strop_export.formats.flatbuffer_steps import steps_of
from strop_export.formats.flatbuffer_tables import TYPES, operator_name
from strop_export.formats.steps import Step

_HEADS: Final = ("SOFTMAX", "LOGISTIC")
# Operators that process each sample of a batch as a row by itself.
_BY_ROWS: Final = frozenset(
    (
        *("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"),
        *("RELU", "RELU6", "LEAKY_RELU", "ELU", "GELU", "TANH", "HARD_SWISH"),
        *("SOFTMAX", "LOGISTIC", "CAST", "QUANTIZE", "DEQUANTIZE"),
    )
)
_PAIRWISE: Final = ("ADD", "SUB", "MUL", "DIV", "PRELU")
_ALIGNMENT: Final = 16  # force_align of Buffer.data in the schema


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose bytes are aligned as the schema requires.

    The generated Python ignores `force_align: 16` and writes them at any address. Kernels that read
    aligned vectors, and 32-bit ARM, may then be slow or crash.
    """

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (the generated name)
        if self.data is None:
            return super().Pack(builder)
        payload = bytes(self.data)
        builder.StartVector(1, len(payload), _ALIGNMENT)
        builder.head -= len(payload)
        builder.Bytes[builder.head : builder.head + len(payload)] = payload
        builder.vectorNumElems = len(payload)
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def with_input_range(calibrated: bytes, number: int, low: float, high: float) -> bytes:
    """Set the recorded range of values of an input in a calibrated file.

    Args:
        calibrated: a .tflite file that is calibrated and not quantized yet.
        number: the input's number, in the model's order.
        low: the lowest value.
        high: the highest value.

    Returns:
        The changed file.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(calibrated))
    seen = model.subgraphs[0].tensors[_in_order(model, "inputs")[number]].quantization
    seen.min, seen.max = [low], [high]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class TFLiteFile:
    """A parsed .tflite file, for small changes; `to_bytes` writes it.

    Args:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
        self._main = self._model.subgraphs[0]  # others are bodies of loops and branches
        self._main.inputs = _in_order(self._model, "inputs")
        self._main.outputs = _in_order(self._model, "outputs")
        self.origins: dict[str, str] = {}  # new name of a tensor -> TensorFlow's; see to_bytes

    @property
    def operators(self) -> list[str]:
        """Names of the main graph's operators, such as "FULLY_CONNECTED", in the order they run."""
        return [self._name(operator) for operator in self._main.operators]

    @property
    def inputs(self) -> tuple[FileTensor, ...]:
        """The file's inputs, in the model's order; scale and zero point if one is quantized."""
        return self._border_infos(self._main.inputs)

    @property
    def outputs(self) -> tuple[FileTensor, ...]:
        """The file's outputs, in the model's order."""
        return self._border_infos(self._main.outputs)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs' tensors, in the model's order."""
        names = [self._main.tensors[index].name for index in self._main.outputs]
        return [name if isinstance(name, str) else name.decode() for name in names]

    def steps(self) -> list[Step]:
        """Return the main graph's operators, in the order they run, with their sizes."""
        return steps_of(self._model)

    def is_of(self, precision: str) -> bool:
        """Tell whether anything in the file has its precision.

        TensorFlow leaves what it cannot quantize in float32, without a message.

        Args:
            precision: "float16", "dynamic", "int8", "int16x8" or "mixed".
        """
        types = {
            TYPES[tensor.type]
            for graph in self._model.subgraphs
            for tensor in graph.tensors
            if self._model.buffers[tensor.buffer].data is not None
        }
        if precision == "float16":
            return "float16" in types
        if precision == "dynamic":
            return bool(types & {"int8", "int4"})
        borders = {*self._main.inputs, *self._main.outputs}
        computed = {
            TYPES[self._main.tensors[index].type]
            for operator in self._main.operators
            if self._name(operator) not in ("QUANTIZE", "DEQUANTIZE", "RESHAPE")
            for index in operator.outputs
            if index not in borders
        }
        if precision == "int16x8":
            return "int16" in computed
        return bool(computed & {"int8", "uint8"}) or "int8" in types

    @property
    def takes_any_batch(self) -> bool:
        """True if the file runs at any batch size that an interpreter resizes its input to.

        It is False if any operator is not known to take samples row by row. A wrong True would give
        wrong answers; a wrong False only means that samples run one at a time.
        """
        constants: set[int] = set()
        for operator in self._main.operators:
            if all(index < 0 or self._is_constant(index, constants) for index in operator.inputs):
                constants.update(operator.outputs)  # this is how float16 weights are widened
            elif not self._goes_by_rows(operator, constants):
                return False
        return True

    def op_versions(self) -> dict[str, int]:
        """Return the highest version of each operator, which a runtime must know to open it."""
        versions: dict[str, int] = {}
        for graph in self._model.subgraphs:
            for operator in graph.operators:
                name = self._name(operator)
                code = self._model.operatorCodes[operator.opcodeIndex]
                versions[name] = max(code.version, versions.get(name, 0))
        return dict(sorted(versions.items()))

    def end_in_float(self) -> None:
        """Change the closing softmax or sigmoid, and a small last layer, to float.

        An int8 file ends with `layer, head, DEQUANTIZE`. The DEQUANTIZE moves before the head,
        because outputs near 1, rounded to 256 steps, tie for the top class. It moves before the
        layer if that is small (see `stays_float`), because logits tie too, though less often.
        """
        names = self.operators
        if names[-1:] != ["DEQUANTIZE"] or len(self._main.outputs) > 1:
            return
        first = len(names) - 1 - (names[-2] in _HEADS)
        layer = self._main.operators[first - 1]
        if names[first - 1] == "FULLY_CONNECTED" and self._is_small(layer):
            first -= 1
            self._make_float(self._main.operators[first])
        *moved, dequantize = self._main.operators[first:]
        if not moved:
            return
        # a -> [moved] -> z -> DEQUANTIZE -> out  becomes  a -> DEQUANTIZE -> z -> [moved] -> out
        source, between, result = moved[0].inputs[0], dequantize.inputs[0], dequantize.outputs[0]
        for operator in moved:
            for index in operator.outputs:
                self._to_float(index)
        for part in ("shape", "name"):
            setattr(self._main.tensors[between], part, getattr(self._main.tensors[source], part))
        moved[-1].outputs = [result]
        dequantize.inputs, dequantize.outputs = [source], [between]
        moved[0].inputs = [between, *moved[0].inputs[1:]]
        self._main.operators[first:] = [dequantize, *moved]
        self._drop_round_trip(dequantize, moved[0])

    def drop_flattening(self) -> None:
        """Drop each RESHAPE that only flattens for a FULLY_CONNECTED, which flattens by itself.

        The constant shape of such a RESHAPE would fix the batch at 1; without it an interpreter can
        resize the input. The file is faster too.
        """
        for operator in list(self._main.operators):
            if self._name(operator) != "RESHAPE":
                continue
            (flat,) = operator.outputs
            users = [user for user in self._main.operators if flat in user.inputs]
            if users and all(self._flattens(user, flat) for user in users):
                for user in users:
                    user.inputs = [operator.inputs[0], *user.inputs[1:]]
                self._main.operators.remove(operator)

    def free_batch(self) -> None:
        """Let each RESHAPE from one sample to one sample take any batch size.

        TensorFlow writes the batch that it knew into the shape, such as [1, 7, 7, 16]; an
        interpreter then fails at any other batch. This replaces that 1 with -1. It leaves a RESHAPE
        whose first axis, before or after, holds more than the batch: there a larger batch is not
        just more rows.
        """
        for operator in self._main.operators:
            if self._name(operator) != "RESHAPE" or len(operator.inputs) < 2:
                continue
            source, constant = operator.inputs[:2]
            data, before = self._data(constant), self._main.tensors[source].shape
            if data is None or before is None or list(before[:1]) != [1]:
                continue
            shape = np.frombuffer(bytes(data), np.int32).copy()
            if list(shape[:1]) == [1] and -1 not in shape:
                shape[0] = -1
                operator.inputs = [source, self._constant_like(constant, shape)]
                options = operator.builtinOptions
                if options is not None and options.newShape is not None:
                    options.newShape = shape

    def take_bytes(self, number: int) -> None:
        """Make an input uint8, and add a CAST to float32.

        Args:
            number: the input's number, in the model's order.
        """
        wide = self._main.inputs[number]
        tensor = schema.TensorT()
        tensor.shape = self._main.tensors[wide].shape
        tensor.type, tensor.buffer, tensor.name = schema.TensorType.UINT8, 0, f"bytes.{number}"
        self._main.tensors.append(tensor)
        narrow = len(self._main.tensors) - 1
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
        code.version = 1
        self._model.operatorCodes.append(code)
        cast = schema.OperatorT()
        cast.opcodeIndex = len(self._model.operatorCodes) - 1
        cast.inputs, cast.outputs = [narrow], [wide]
        cast.builtinOptionsType = schema.BuiltinOptions.CastOptions
        cast.builtinOptions = schema.CastOptionsT()
        cast.builtinOptions.inDataType = schema.TensorType.UINT8
        cast.builtinOptions.outDataType = schema.TensorType.FLOAT32
        self._main.operators.insert(0, cast)
        self._main.inputs[number] = narrow

    def to_bytes(self, names: Names) -> bytes:
        """Write the file, with our names and without unused parts.

        TensorFlow's names count the layers made since the process began, so no two exports would
        have the same bytes. Each tensor from input to output is named after its operator instead;
        `origins` then has TensorFlow's names.

        Args:
            names: the names of inputs and outputs, as tensors and in the signature
                `serving_default`.

        Returns:
            The bytes of the file.
        """
        for graph in self._model.subgraphs:
            _prune_tensors(graph)
        given = [_text(tensor.name) for tensor in self._main.tensors]
        for graph in self._model.subgraphs:
            self._name_tensors(graph)
        self._prune_codes()
        self._prune_buffers()
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs, signature.outputs = (
            [self._border(index, name) for index, name in zip(indices, own, strict=True)]
            for indices, own in (
                (self._main.inputs, names.inputs),
                (self._main.outputs, names.outputs),
            )
        )
        self._model.signatureDefs = [signature]
        self._model.metadata = None  # TensorFlow's version, and options of the conversion
        own = [tensor.name for tensor in self._main.tensors]
        self.origins = dict(zip(own, given, strict=True))
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _name(self, operator: Any) -> str:
        return operator_name(self._model, operator)

    def _is_constant(self, index: int, computed: set[int]) -> bool:
        return index in computed or self._data(index) is not None

    def _goes_by_rows(self, operator: Any, constants: set[int]) -> bool:
        """Tell whether an operator takes samples row by row, judging by how it takes one."""
        name, (output,) = self._name(operator), operator.outputs[:1]
        data = [index for index in operator.inputs if index >= 0]
        samples = [index for index in data if not self._is_constant(index, constants)]
        shapes = [self._shape(index) for index in (*samples, output)]
        if any(shape[:1] != [1] for shape in shapes):
            return False
        if name == "RESHAPE":  # to one sample, with a free first axis (see free_batch)
            shape = self._data(data[1]) if len(data) > 1 else None
            first, *rest = (
                np.frombuffer(bytes(shape), np.int32).tolist() if shape is not None else [0]
            )
            return bool(first == -1 and math.prod(rest) == math.prod(shapes[0]))
        if name in _PAIRWISE:  # rows match rows only with as many axes
            return len({len(shape) for shape in shapes}) == 1 and all(
                len(own := self._shape(index)) < len(shapes[-1]) or own[0] == 1 for index in data
            )
        if name == "CONCATENATION":  # along any axis but the batch
            axis = operator.builtinOptions.axis
            return samples == data and axis % len(shapes[-1]) != 0
        return name in _BY_ROWS and len(samples) == 1  # weights must be constant

    def _border_infos(self, indices: Iterable[int]) -> tuple[FileTensor, ...]:
        free = self.takes_any_batch
        infos = [self._info(index) for index in indices]
        return tuple(
            info._replace(shape=(None, *info.shape[1:])) if free else info for info in infos
        )

    def _info(self, index: int) -> FileTensor:
        tensor = self._main.tensors[index]
        name = _text(tensor.name)
        shape, dtype = tuple(int(size) for size in tensor.shape), TYPES[tensor.type]
        quantization = tensor.quantization
        if quantization is None or quantization.scale is None or not len(quantization.scale):
            return FileTensor(name, shape, dtype)
        scale, zero_point = float(quantization.scale[0]), int(quantization.zeroPoint[0])
        return FileTensor(name, shape, dtype, scale, zero_point)

    def _flattens(self, user: Any, flat: int) -> bool:
        return (
            self._name(user) == "FULLY_CONNECTED"
            and user.inputs[0] == flat
            and not user.builtinOptions.keepNumDims
            and self._main.tensors[user.inputs[1]].shape[1] == self._main.tensors[flat].shape[-1]
        )

    def _drop_round_trip(self, dequantize: Any, user: Any) -> None:
        """Let an operator read the floats that were rounded for the layers before it, if any."""
        (rounded,) = dequantize.inputs
        before = [step for step in self._main.operators if rounded in step.outputs]
        if not before or self._name(before[0]) != "QUANTIZE":
            return
        (exact,) = before[0].inputs
        if self._main.tensors[exact].type != schema.TensorType.FLOAT32:
            return  # it only changes a scale
        user.inputs = [exact, *user.inputs[1:]]
        self._main.operators.remove(dequantize)
        if not any(rounded in step.inputs for step in self._main.operators):
            self._main.operators.remove(before[0])

    def _is_small(self, layer: Any) -> bool:
        kernels = {  # those of a mixed file's float layers too
            tensor.buffer: math.prod(tensor.shape)
            for tensor in self._main.tensors
            if TYPES[tensor.type] == "int8"
            or (TYPES[tensor.type] == "float32" and len(tensor.shape) > 1)
            if self._model.buffers[tensor.buffer].data is not None
        }
        weights = self._main.tensors[layer.inputs[1]]
        return stays_float(math.prod(weights.shape), sum(kernels.values()))

    def _make_float(self, layer: Any) -> None:
        for index in layer.inputs[1:]:
            if index >= 0:  # bias is optional
                self._to_float(index)

    def _to_float(self, index: int) -> None:
        """Change a tensor to float32; the integers of a constant are dequantized."""
        tensor = self._main.tensors[index]
        data = self._data(index)
        if data is not None:
            stored = np.frombuffer(bytes(data), TYPES[tensor.type]).reshape(tensor.shape)
            scale = np.asarray(tensor.quantization.scale, np.float32)  # one, or one a row
            scale = scale.reshape(-1, *[1] * (stored.ndim - 1))
            values = (stored * scale).astype(np.float32)  # symmetric: the zero point is 0
            self._model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None

    def _shape(self, index: int) -> list[int]:
        shape = self._main.tensors[index].shape
        return [] if shape is None else list(shape)  # a scalar

    def _data(self, index: int) -> Any:
        return self._model.buffers[self._main.tensors[index].buffer].data

    def _constant_like(self, index: int, values: np.ndarray) -> int:
        """Add a constant with the shape and type of an existing one, which may have other users.

        Args:
            index: the tensor with that shape and type.
            values: its values, of that type; int32 (axes,) for the shape of a RESHAPE.

        Returns:
            The index of the new tensor.
        """
        old, tensor, buffer = self._main.tensors[index], schema.TensorT(), schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        tensor.shape, tensor.type, tensor.name = old.shape, old.type, ""
        tensor.buffer = len(self._model.buffers) - 1
        self._main.tensors.append(tensor)
        return len(self._main.tensors) - 1

    def _name_tensors(self, graph: Any) -> None:
        for tensor in graph.tensors:
            tensor.name = ""
        for i, operator in enumerate(graph.operators):
            own = f"{i}.{self._name(operator).lower()}"
            for k, index in enumerate(operator.inputs):
                if index >= 0 and not graph.tensors[index].name:
                    graph.tensors[index].name = f"{own}.{k}"
            for k, index in enumerate(operator.outputs):
                graph.tensors[index].name = f"{own}:{k}" if k else own

    def _border(self, index: int, name: str) -> Any:
        self._main.tensors[index].name = name
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        return entry

    def _prune_codes(self) -> None:
        operators = [operator for graph in self._model.subgraphs for operator in graph.operators]
        new = _renumbering(operator.opcodeIndex for operator in operators)
        for operator in operators:
            operator.opcodeIndex = new[operator.opcodeIndex]
        self._model.operatorCodes = [self._model.operatorCodes[old] for old in new]

    def _prune_buffers(self) -> None:
        tensors = [tensor for graph in self._model.subgraphs for tensor in graph.tensors]
        new = _renumbering([0, *(tensor.buffer for tensor in tensors)])  # 0 is the empty one
        for tensor in tensors:
            tensor.buffer = new[tensor.buffer]
        self._model.buffers = [_aligned(self._model.buffers[old]) for old in new]


def _in_order(model: Any, side: str) -> list[int]:
    """Return the main graph's inputs or outputs in the model's order.

    TensorFlow orders them by its own names. The signature has the order: we name inputs by number,
    and TensorFlow numbers outputs.

    Args:
        model: the parsed file.
        side: "inputs" or "outputs".
    """
    own = list(getattr(model.subgraphs[0], side))
    if len(own) == 1:
        return own
    if not model.signatureDefs:
        raise ConversionError(f"TensorFlow wrote {len(own)} {side}, and no signature to sort them")
    numbered = {}
    for entry in getattr(model.signatureDefs[0], side):
        numbered[int(_text(entry.name).rpartition("_")[2])] = entry.tensorIndex
    return [numbered[number] for number in sorted(numbered)]


def _text(name: str | bytes) -> str:
    """Return a name, which is bytes where it was read from a file."""
    return name if isinstance(name, str) else name.decode()


def _renumbering(used: Iterable[int]) -> dict[int, int]:
    """Map the old index to the new one, for the indices in use, in their old order."""
    return {old: new for new, old in enumerate(sorted(set(used)))}


def _prune_tensors(graph: Any) -> None:
    fields = [(graph, "inputs"), (graph, "outputs")]
    for operator in graph.operators:
        fields += [(operator, "inputs"), (operator, "outputs"), (operator, "intermediates")]
    lists = [list(getattr(owner, field) or ()) for owner, field in fields]
    new = _renumbering(index for indices in lists for index in indices if index >= 0)
    for (owner, field), indices in zip(fields, lists, strict=True):
        setattr(owner, field, [new.get(index, index) for index in indices])  # -1: none given
    graph.tensors = [graph.tensors[old] for old in new]


def _aligned(buffer: Any) -> _Buffer:
    aligned = _Buffer()
    aligned.data = buffer.data
    return aligned

"""A plan of a .tflite file: the same weights, scales, zero points and operators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from strop.bundle.manifest import FileTensor
from strop_export.errors import UnsupportedLayer
from strop_export.formats.base import Converted
from strop_export.formats.flatbuffer_tables import TYPES, operator_name
from strop_export.formats.plan import DTYPES, MAX_RANK, MAX_VALUES, Plan, Step, Tensor
from strop_export.formats.plan_limits import fault_of_layer

_MIN_SCALE: Final = np.finfo(np.float32).tiny
_FLOATS: Final = ("float32", "float32")
_INTEGERS: Final = ("int8", "int8")
# The types of the first input and of the output that each operator takes.
_TAKES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "quantize": (("float32", "int8"), ("uint8", "int8"), _INTEGERS),
    "dequantize": (("int8", "float32"), ("uint8", "float32")),
    "fully_connected": (_INTEGERS, _FLOATS),
    "relu": (_INTEGERS, _FLOATS),
    "relu6": (_INTEGERS, _FLOATS),
    "sigmoid": (_FLOATS,),
    "tanh": (_FLOATS,),
    "softmax": (_FLOATS,),
    "reshape": tuple((dtype, dtype) for dtype in DTYPES),
    "mul": (_FLOATS,),
    "add": (_FLOATS,),
}
_OPERATORS: Final = {name.upper(): name for name in _TAKES} | {"LOGISTIC": "sigmoid", "SUB": "add"}
_ROUNDED: Final = (("fully_connected", "int8"), ("quantize", "float32"))
_ACTIVATIONS: Final = {0: "none", 1: "relu", 3: "relu6"}  # ActivationFunctionType of the schema


def convert_plan(file: Converted, last: Sequence[str], rounding: str) -> Converted:
    """Write a .tflite file of a batch of 1 as a plan of any batch.

    Args:
        file: the .tflite file.
        last: the Keras layer that computes each output.
        rounding: how sums and floats become int8 values, one of `strop.bundle.manifest.ROUNDINGS`.

    Raises:
        UnsupportedLayer: the file has an operator that no plan has; the message names its layer.
    """
    ends = zip((tensor.name for tensor in file.outputs), last, strict=True)
    layers = {name: origin.layer for name, origin in file.origins.items()} | dict(ends)
    plan = _Translation(file.data, layers).plan(rounding)
    return replace(
        file,
        data=plan.to_bytes(),
        inputs=tuple(_border(plan.tensors[number]) for number in plan.inputs),
        outputs=tuple(_border(plan.tensors[number]) for number in plan.outputs),
        requires={},
        rounding=plan.rounding,
        origins={},
    )


def _border(tensor: Tensor) -> FileTensor:
    shape = (None, *tensor.dims)
    if not tensor.scale:
        return FileTensor(tensor.name, shape, tensor.dtype)
    return FileTensor(tensor.name, shape, tensor.dtype, tensor.scale, tensor.zero_point)


class _Translation:
    """The translation of one file.

    The file computes one sample, so a plan that computes the same for each sample is the same
    model at any batch, whatever the operators do with their first axis of 1.
    """

    def __init__(self, data: bytes, layers: Mapping[str, str]) -> None:
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
        self._graph = self._model.subgraphs[0]
        self._layers = layers
        self._tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}  # of the file's tensors, in the plan
        self._operator: Any = None  # the one being translated, for refusals

    def plan(self, rounding: str) -> Plan:
        inputs = [self._number(index) for index in self._graph.inputs]
        steps = [self._step(operator) for operator in self._graph.operators]
        outputs = [self._numbers[index] for index in self._graph.outputs]
        if len({*inputs, *outputs}) < len(inputs) + len(outputs):
            raise UnsupportedLayer(
                "an output that is an input or another output cannot be written as a plan",
                "use tflite or onnx for this model",
            )
        rounds = any(
            (step.operator, self._tensors[step.inputs[0]].dtype) in _ROUNDED for step in steps
        )
        return Plan(self._tensors, steps, inputs, outputs, rounding if rounds else None)

    def _step(self, operator: Any) -> Step:
        self._operator = operator
        kind = operator_name(self._model, operator)
        name = _OPERATORS.get(kind)
        if name is None:
            self._refuse("a plan has no such operator")
        first, output = self._inputs()[0], operator.outputs[0]
        types = tuple(TYPES[self._graph.tensors[index].type] for index in (first, output))
        if types not in _TAKES[name]:
            self._refuse(f"a plan's {name} does not turn {types[0]} into {types[1]}")
        match name:
            case "quantize":
                return self._quantize()
            case "fully_connected":
                return self._fully_connected()
            case "mul" | "add":
                return self._pairwise(name, negated=kind == "SUB")
            case "softmax":
                return self._softmax()
        return self._plain(name)

    def _plain(self, name: str, beta: float = 0.0) -> Step:
        """Translate an operator whose only input besides constants is the first."""
        source = self._number(self._inputs()[0])
        step = Step(name, (source,), self._output(), beta=beta)
        if name in ("relu", "relu6", "reshape") and not self._same_scale(step, zero_points=True):
            self._refuse("it changes the scale")
        return step

    def _softmax(self) -> Step:
        step = self._plain("softmax", float(self._operator.builtinOptions.beta))
        if not self._tensors[step.inputs[0]].dims:
            self._refuse("its input has no axis besides the batch")
        return step

    def _quantize(self) -> Step:
        step = self._plain("quantize")
        integers = self._tensors[step.inputs[0]].dtype != "float32"
        if integers and not self._same_scale(step, zero_points=False):
            self._refuse("it changes the scale")
        return step

    def _same_scale(self, step: Step, *, zero_points: bool) -> bool:
        source, result = self._tensors[step.inputs[0]], self._tensors[step.output]
        same = source.scale == result.scale
        return same and (not zero_points or source.zero_point == result.zero_point)

    def _fully_connected(self) -> Step:
        first, kernel, *bias = self._inputs()
        source, result = self._number(first), self._output()
        values, weights = self._tensors[source], self._constant(kernel)
        if weights.dtype != values.dtype or len(weights.dims) != 2:
            self._refuse(f"its weights are {weights.dtype} of shape {weights.dims}")
        if math.prod(values.dims) % weights.dims[1]:
            self._refuse(f"its input of shape {values.dims} has no rows of {weights.dims[1]}")
        biases = [self._constant(index) for index in bias]
        wanted = "int32" if weights.dtype == "int8" else "float32"
        for each in biases:
            if (each.dtype, each.dims) != (wanted, weights.dims[:1]):
                self._refuse(f"its bias is {each.dtype} of shape {each.dims}")
        if weights.dtype == "int8":
            fault = fault_of_layer(values, weights, biases, self._tensors[result])
            if fault is not None:
                self._refuse(fault)
        for index, tensor in zip((kernel, *bias), (weights, *biases), strict=True):
            if index not in self._numbers:  # a layer that runs twice has one
                self._numbers[index] = self._add(tensor)
        numbers = (self._numbers[index] for index in (kernel, *bias))
        return Step("fully_connected", (source, *numbers), result, self._activation())

    def _pairwise(self, name: str, *, negated: bool) -> Step:
        first, second = self._inputs()
        if self._is_constant(first) and not negated:
            first, second = second, first
        source, result = self._number(first), self._output()
        sizes = [math.prod(self._tensors[number].dims) for number in (source, result)]
        if name == "mul" and self._is_constant(second) and sizes[0] < sizes[1]:
            other = self._column(second, sizes)
            return Step("fully_connected", (source, other), result, self._activation())
        if self._is_constant(second):
            other = self._repeated(second, self._tensors[source].dims, negated=negated)
        else:
            if negated:
                self._refuse("a plan subtracts constants alone")
            other = self._number(second)
            if not sizes[0] == sizes[1] == math.prod(self._tensors[other].dims):
                self._refuse("its inputs have different sizes")
        return Step(name, (source, other), result, self._activation())

    def _column(self, index: int, sizes: list[int]) -> int:
        """Add the weights of a layer of one input, which TensorFlow writes as a product."""
        values = self._values(index)
        if values.dtype != np.float32 or values.shape[-1:] != (values.size,):
            self._refuse(f"its {values.dtype} constant of shape {values.shape} is no layer's")
        if sizes[1] != sizes[0] * values.size:
            self._refuse("its inputs have different sizes")
        column = values.reshape(-1, 1)
        return self._add(Tensor("float32", column.shape, values=column))

    def _repeated(self, index: int, dims: tuple[int, ...], *, negated: bool) -> int:
        """Add a constant that meets all values of a tensor in turn, again and again."""
        constant, values = self._constant(index), self._values(index)
        while values.shape[:1] == (1,):
            values = values[0]
        if constant.dtype != "float32" or values.shape != dims[len(dims) - values.ndim :]:
            self._refuse(f"its {constant.dtype} constant of shape {constant.dims} is not repeated")
        return self._add(Tensor("float32", values.shape, values=-values if negated else values))

    def _activation(self) -> str:
        number = self._operator.builtinOptions.fusedActivationFunction
        if number not in _ACTIVATIONS:
            self._refuse("a plan fuses relu and relu6 alone")
        return _ACTIVATIONS[number]

    def _inputs(self) -> list[int]:
        return [int(index) for index in self._operator.inputs if index >= 0]

    def _output(self) -> int:
        return self._number(int(self._operator.outputs[0]))

    def _number(self, index: int) -> int:
        """Return the plan's number of a tensor that is given or computed."""
        if self._is_constant(index):
            self._refuse("its first input is a constant")
        if index not in self._numbers:
            self._numbers[index] = self._add(self._tensor(index))
        return self._numbers[index]

    def _constant(self, index: int) -> Tensor:
        if not self._is_constant(index):
            self._refuse("its weights are computed")
        return replace(self._tensor(index), values=self._values(index), name="")

    def _tensor(self, index: int) -> Tensor:
        """Describe a tensor of the file; one that is given or computed as it is for a sample."""
        tensor = self._graph.tensors[index]
        dtype, dims = TYPES[tensor.type], self._shape(index)
        if not self._is_constant(index) and dims[:1] == (1,):
            dims = dims[1:]
        if dtype not in DTYPES:
            self._refuse(f"a plan has no {dtype}")
        if len(dims) > MAX_RANK or math.prod(dims) > MAX_VALUES:
            self._refuse(f"a plan has no tensor of shape {dims}")
        is_border = index in (*self._graph.inputs, *self._graph.outputs)
        name = tensor.name.decode() if is_border else ""
        if dtype not in ("int8", "uint8"):
            return Tensor(dtype, dims, name=name)
        quantization = tensor.quantization
        scales = np.asarray([] if quantization is None else quantization.scale, np.float32)
        if not len(scales) or not (np.isfinite(scales) & (scales >= _MIN_SCALE)).all():
            self._refuse(f"its {dtype} values have no scale, or one that is not a normal number")
        zero_points = np.asarray(quantization.zeroPoint)
        if self._is_constant(index):
            if zero_points.any() or (len(scales) > 1 and quantization.quantizedDimension != 0):
                self._refuse("its weights have zero points, or scales along another axis")
            if len(scales) > 1:
                return Tensor(dtype, dims, scales=scales)
        elif len(scales) > 1:
            self._refuse("its values have several scales")
        return Tensor(dtype, dims, float(scales[0]), int(zero_points[0]), name=name)

    def _shape(self, index: int) -> tuple[int, ...]:
        shape = self._graph.tensors[index].shape
        return () if shape is None else tuple(map(int, shape))

    def _is_constant(self, index: int) -> bool:
        return self._model.buffers[self._graph.tensors[index].buffer].data is not None

    def _values(self, index: int) -> NDArray[Any]:
        tensor = self._graph.tensors[index]
        data = bytes(self._model.buffers[tensor.buffer].data)
        return np.frombuffer(data, TYPES[tensor.type]).reshape(self._shape(index))

    def _add(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _refuse(self, reason: str) -> NoReturn:
        advice = "use tflite or onnx for this model"
        if self._operator is None:
            raise UnsupportedLayer(f"an input cannot be written in a plan: {reason}", advice)
        kind = operator_name(self._model, self._operator)
        used = (*self._operator.outputs, *self._operator.inputs)
        names = [self._graph.tensors[index].name.decode() for index in used if index >= 0]
        layer = next(filter(None, (self._layers.get(name) for name in names)), "")
        raise UnsupportedLayer(
            f"layer {layer!r} ({kind}) cannot be written in a plan: {reason}", advice
        )

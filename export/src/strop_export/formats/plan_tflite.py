"""A plan of a .tflite file: the same weights, scales, zero points and operators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from strop.bundle.manifest import FileTensor
from strop_export.errors import UnsupportedLayer
from strop_export.formats.base import Converted
from strop_export.formats.plan import DTYPES, Plan, Step, Tensor
from strop_export.formats.plan_bytes import take_bytes
from strop_export.formats.plan_limits import fault_of_layer, fault_of_pair
from strop_export.formats.plan_source import Refusal, Source
from strop_export.formats.plan_tables import TABLES, table

_ADVICE: Final = "use tflite or onnx for this model"
_FLOATS: Final = ("float32", "float32")
_INTEGERS: Final = ("int8", "int8")
# The types of the first input and of the output that each operator takes.
_TAKES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "quantize": (("float32", "int8"), ("uint8", "int8"), _INTEGERS),
    "dequantize": (("int8", "float32"), ("uint8", "float32")),
    "fully_connected": (_INTEGERS, _FLOATS),
    "relu": (_FLOATS,),
    "relu6": (_FLOATS,),
    "sigmoid": (_FLOATS,),
    "tanh": (_FLOATS,),
    "softmax": (_FLOATS,),
    "reshape": tuple((dtype, dtype) for dtype in DTYPES),
    "mul": (_INTEGERS, _FLOATS),
    "add": (_INTEGERS, _FLOATS),
    "sub": (_INTEGERS, _FLOATS),
}
_OPERATORS: Final = {name.upper(): name for name in _TAKES} | {
    "LOGISTIC": "sigmoid",
    "CAST": "dequantize",
}
_PAIRWISE: Final = ("mul", "add", "sub")
_ROUNDED: Final = (
    ("quantize", "float32"),
    *((name, "int8") for name in ("fully_connected", *_PAIRWISE)),
)
_ACTIVATIONS: Final = {0: "none", 1: "relu", 3: "relu6"}  # ActivationFunctionType of the schema


def convert_plan(
    file: Converted, last: Sequence[str], rounding: str, takes_bytes: Sequence[bool] = ()
) -> Converted:
    """Write a .tflite file of a batch of 1 as a plan of any batch.

    Args:
        file: the .tflite file.
        last: the Keras layer that computes each output.
        rounding: how sums and floats become int8 values, one of `strop.bundle.manifest.ROUNDINGS`.
        takes_bytes: for each input, whether the sensor gives bytes: a float32 input becomes uint8.
            By default no sensor does.

    Raises:
        UnsupportedLayer: the file has an operator that no plan has; the message names its layer.
    """
    ends = zip((tensor.name for tensor in file.outputs), last, strict=True)
    layers = {name: origin.layer for name, origin in file.origins.items()} | dict(ends)
    plan = take_bytes(_Translation(file.data, layers, rounding).plan(), takes_bytes)
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

    def __init__(self, data: bytes, layers: Mapping[str, str], rounding: str) -> None:
        self._source = Source(data)
        self._layers = layers
        self._rounding = rounding
        self._tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}  # of the file's tensors, in the plan

    def plan(self) -> Plan:
        try:
            inputs = [self._number(index) for index in self._source.inputs]
        except Refusal as reason:
            raise UnsupportedLayer(
                f"an input cannot be written in a plan: {reason}", _ADVICE
            ) from reason
        steps = [self._translated(operator) for operator in self._source.operators]
        outputs = [self._numbers[index] for index in self._source.outputs]
        if len({*inputs, *outputs}) < len(inputs) + len(outputs):
            raise UnsupportedLayer(
                "an output that is an input or another output cannot be written as a plan", _ADVICE
            )
        rounds = any(
            (step.operator, self._tensors[step.inputs[0]].dtype) in _ROUNDED for step in steps
        )
        return Plan(self._tensors, steps, inputs, outputs, self._rounding if rounds else None)

    def _translated(self, operator: Any) -> Step:
        try:
            return self._step(operator)
        except Refusal as reason:
            used = (*operator.outputs, *operator.inputs)
            names = [self._source.name(index) for index in used if index >= 0]
            layer = next(filter(None, (self._layers.get(name) for name in names)), "")
            kind = self._source.kind(operator)
            raise UnsupportedLayer(
                f"layer {layer!r} ({kind}) cannot be written in a plan: {reason}", _ADVICE
            ) from reason

    def _step(self, operator: Any) -> Step:
        kind = self._source.kind(operator)
        name = _OPERATORS.get(kind)
        first, *others = (int(index) for index in operator.inputs if index >= 0)
        output = int(operator.outputs[0])
        types = tuple(map(self._source.dtype, (first, output)))
        if kind in TABLES and types == _INTEGERS and not self._only_shifts(kind, first, output):
            return self._lookup(kind, first, output, operator.builtinOptions)
        if name is None:
            raise Refusal("a plan has no such operator")
        if name == "softmax" and types == _INTEGERS:
            raise Refusal("kernels do not agree on softmax of int8")
        if types not in _TAKES[name]:
            raise Refusal(f"a plan's {name} does not turn {types[0]} into {types[1]}")
        if name == "fully_connected":
            return self._fully_connected(first, others, output, _activation(operator))
        if name in _PAIRWISE:
            return self._pairwise(name, first, others[0], output, _activation(operator))
        beta = float(operator.builtinOptions.beta) if name == "softmax" else 0.0
        step = Step(name, (self._number(first),), self._number(output), beta=beta)
        x, y = self._tensors[step.inputs[0]], self._tensors[step.output]
        if name == "softmax" and not x.dims:
            raise Refusal("its input has no axis besides the batch")
        if kind == "CAST" and (x.scale, x.zero_point) != (1.0, 0):
            raise Refusal("it takes the integers of quantized values")
        changed = x.scale != y.scale or (name == "reshape" and x.zero_point != y.zero_point)
        if x.dtype != "float32" != y.dtype and changed:
            raise Refusal("it changes the scale")
        return step

    def _only_shifts(self, kind: str, first: int, output: int) -> bool:
        """Tell whether a step of int8 changes the zero point alone."""
        x, y = self._source.variable(first), self._source.variable(output)
        return kind == "QUANTIZE" and x.scale == y.scale

    def _lookup(self, kind: str, first: int, output: int, options: Any) -> Step:
        source, result = self._number(first), self._number(output)
        x, y = self._tensors[source], self._tensors[result]
        values = table(kind, x, y, options, self._rounding)
        if isinstance(values, str):
            raise Refusal(values)
        number = self._add(Tensor("int8", values.shape, values=values))
        return Step("lookup", (source, number), result)

    def _fully_connected(
        self, first: int, others: Sequence[int], output: int, activation: str
    ) -> Step:
        source, result = self._number(first), self._number(output)
        values = self._tensors[source]
        weights, *biases = (self._source.constant(index) for index in others)
        if weights.dtype != values.dtype or len(weights.dims) != 2:
            raise Refusal(f"its weights are {weights.dtype} of shape {weights.dims}")
        if math.prod(values.dims) % weights.dims[1]:
            raise Refusal(f"its input of shape {values.dims} has no rows of {weights.dims[1]}")
        wanted = "int32" if weights.dtype == "int8" else "float32"
        for each in biases:
            if (each.dtype, each.dims) != (wanted, weights.dims[:1]):
                raise Refusal(f"its bias is {each.dtype} of shape {each.dims}")
        if weights.dtype == "int8":
            fault = fault_of_layer(values, weights, biases, self._tensors[result])
            if fault is not None:
                raise Refusal(fault)
        for index, tensor in zip(others, (weights, *biases), strict=True):
            if index not in self._numbers:  # a layer that runs twice has one
                self._numbers[index] = self._add(tensor)
        numbers = (self._numbers[index] for index in others)
        return Step("fully_connected", (source, *numbers), result, activation)

    def _pairwise(self, name: str, first: int, second: int, output: int, activation: str) -> Step:
        if self._source.is_constant(first) and name != "sub":
            first, second = second, first
        source, result = self._number(first), self._number(output)
        x, y = self._tensors[source], self._tensors[result]
        if not self._source.is_constant(second):
            other = self._number(second)
            if not math.prod(x.dims) == math.prod(y.dims) == math.prod(self._tensors[other].dims):
                raise Refusal("its inputs have different sizes")
        elif math.prod(x.dims) < math.prod(y.dims):
            if name != "mul":
                raise Refusal("its inputs have different sizes")
            other = self._add(_column(self._source.constant(second), x, y))
            return Step("fully_connected", (source, other), result, activation)
        else:
            other = self._add(_repeated(self._source.constant(second), x))
        if x.dtype == "int8":
            fault = fault_of_pair(name, x, self._tensors[other], y)
            if fault is not None:
                raise Refusal(fault)
        return Step(name, (source, other), result, activation)

    def _number(self, index: int) -> int:
        """Return the plan's number of a tensor that is given or computed."""
        if index not in self._numbers:
            self._numbers[index] = self._add(self._source.variable(index))
        return self._numbers[index]

    def _add(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _column(constant: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the weights of a layer of one input, which TensorFlow writes as a product."""
    count = math.prod(constant.dims)
    if constant.dtype != "float32" or constant.dims[-1:] != (count,):
        raise Refusal(
            f"its {constant.dtype} constant of shape {constant.dims} is not the weights of a layer"
        )
    if math.prod(y.dims) != math.prod(x.dims) * count:
        raise Refusal("its inputs have different sizes")
    return replace(constant, dims=(count, 1), values=np.asarray(constant.values).reshape(-1, 1))


def _repeated(constant: Tensor, x: Tensor) -> Tensor:
    """Return a constant that meets all values of a tensor in turn, again and again."""
    values = np.asarray(constant.values)
    while values.shape[:1] == (1,):
        values = values[0]
    if constant.dtype != x.dtype or values.shape != x.dims[len(x.dims) - values.ndim :]:
        raise Refusal(
            f"its {constant.dtype} constant {constant.dims} does not repeat along its input"
        )
    return replace(constant, dims=values.shape, values=values)


def _activation(operator: Any) -> str:
    number = operator.builtinOptions.fusedActivationFunction
    if number not in _ACTIVATIONS:
        raise Refusal("a plan fuses only relu and relu6")
    return _ACTIVATIONS[number]

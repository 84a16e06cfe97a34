"""A plan of a .tflite file: the same weights, scales, zero points and operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from strop.bundle.manifest import FileTensor
from strop_export.errors import UnsupportedLayer
from strop_export.formats import plan_composed, plan_dense, plan_moves, plan_windows
from strop_export.formats.base import Converted
from strop_export.formats.plan import DTYPES, Plan, Step, Tensor
from strop_export.formats.plan_bytes import take_bytes
from strop_export.formats.plan_draft import Draft
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
    "conv_2d": (_INTEGERS, _FLOATS),
    "depthwise_conv_2d": (_INTEGERS, _FLOATS),
    "max_pool_2d": (_INTEGERS, _FLOATS),
    "average_pool_2d": (_INTEGERS, _FLOATS),
    "mean": (_INTEGERS, _FLOATS),
    "concatenate": (_INTEGERS, _FLOATS),
    "pad": (_INTEGERS, _FLOATS),
    "transpose": (_INTEGERS, _FLOATS),
}
_OPERATORS: Final = {name.upper(): name for name in _TAKES} | {
    **{"LOGISTIC": "sigmoid", "CAST": "dequantize", "CONCATENATION": "concatenate"},
    **{"EXPAND_DIMS": "reshape", "SQUEEZE": "reshape", "PADV2": "pad"},
    **{"TRANSPOSE_CONV": "conv_2d", "REDUCE_MAX": "max_pool_2d"},
}
_SUMS: Final = ("fully_connected", "conv_2d", "depthwise_conv_2d", "mean", "mul", "add", "sub")
_ROUNDED: Final = (("quantize", "float32"), *((name, "int8") for name in _SUMS))


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
    translation = _Translation(file.data, layers, rounding)
    plan = take_bytes(translation.plan(), takes_bytes)
    before = len(plan.steps) - len(translation.step_layers)  # steps that widen bytes
    return replace(
        file,
        data=plan.to_bytes(),
        inputs=tuple(_border(plan.tensors[number]) for number in plan.inputs),
        outputs=tuple(_border(plan.tensors[number]) for number in plan.outputs),
        requires={},
        rounding=plan.rounding,
        origins={},
        step_layers=("",) * before + tuple(translation.step_layers),
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
        self.step_layers = list[str]()
        self._source = Source(data)
        self._draft = Draft(self._source)
        self._layers = layers
        self._rounding = rounding

    def plan(self) -> Plan:
        draft, source = self._draft, self._source
        try:
            inputs = [draft.number(index) for index in source.inputs]
        except Refusal as reason:
            raise UnsupportedLayer(
                f"an input cannot be written in a plan: {reason}", _ADVICE
            ) from reason
        steps = [step for operator in source.operators for step in self._translated(operator)]
        outputs = [draft.number(index) for index in source.outputs]
        if len({*inputs, *outputs}) < len(inputs) + len(outputs):
            raise UnsupportedLayer(
                "an output that is an input or another output cannot be written as a plan", _ADVICE
            )
        rounding = self._rounding if any(map(self._rounds, steps)) else None
        return Plan(draft.tensors, steps, inputs, outputs, rounding)

    def _rounds(self, step: Step) -> bool:
        """Tell whether the results of a step depend on the rounding."""
        dtype = self._draft.tensors[step.inputs[0]].dtype
        if step.operator == "max_pool_2d":
            return dtype == "int8" and step.activation == "relu6"
        return (step.operator, dtype) in _ROUNDED

    def _translated(self, operator: Any) -> list[Step]:
        try:
            steps = self._steps(operator)
        except Refusal as reason:
            kind, layer = self._source.kind(operator), self._layer(operator)
            what = f"layer {layer!r} ({kind})" if layer else f"an operator ({kind})"
            raise UnsupportedLayer(
                f"{what} cannot be written in a plan: {reason}", _ADVICE
            ) from reason
        steps = steps if isinstance(steps, list) else [steps]
        self.step_layers += [self._layer(operator)] * len(steps)
        return steps

    def _layer(self, operator: Any) -> str:
        """Return the Keras layer of an operator, or of what it reads; "" if none is known."""
        used = (*operator.outputs, *operator.inputs)
        names = [self._source.name(index) for index in used if index >= 0]
        return next(filter(None, (self._layers.get(name) for name in names)), "")

    def _steps(self, operator: Any) -> Step | list[Step]:
        kind, draft = self._source.kind(operator), self._draft
        name = _OPERATORS.get(kind)
        inputs = [int(index) for index in operator.inputs if index >= 0]
        first, output = inputs[2 if kind == "TRANSPOSE_CONV" else 0], int(operator.outputs[0])
        types = tuple(map(self._source.dtype, (first, output)))
        if kind in TABLES and types == _INTEGERS and not self._only_shifts(kind, first, output):
            return self._lookup(kind, first, output, operator.builtinOptions)
        if name is None:
            raise Refusal("a plan has no such operator")
        if name == "softmax" and types == _INTEGERS:
            raise Refusal("kernels do not agree on softmax of int8")
        if types not in _TAKES[name]:
            raise Refusal(f"a plan's {name} does not turn {types[0]} into {types[1]}")
        if kind == "TRANSPOSE_CONV":
            return plan_composed.transposed(draft, operator, inputs, output)
        if kind == "REDUCE_MAX":
            return plan_composed.largest(draft, inputs, output)
        match name:
            case "fully_connected":
                return plan_dense.fully_connected(draft, operator, inputs, output)
            case "mul" | "add" | "sub":
                return plan_dense.pairwise(draft, name, operator, inputs, output)
            case "conv_2d":
                return plan_windows.convolution(draft, operator, inputs, output)
            case "depthwise_conv_2d":
                return plan_windows.depthwise(draft, operator, inputs, output)
            case "max_pool_2d" | "average_pool_2d":
                return plan_windows.pool(draft, name, operator, inputs, output)
            case "mean":
                return plan_moves.mean(draft, inputs, output)
            case "concatenate":
                return plan_moves.concatenate(draft, operator, inputs, output)
            case "pad":
                return plan_moves.pad(draft, inputs, output)
            case "transpose":
                return plan_moves.transpose(draft, inputs, output)
        beta = float(operator.builtinOptions.beta) if name == "softmax" else 0.0
        step = Step(name, (draft.number(first),), draft.number(output), beta=beta)
        x, y = draft.tensors[step.inputs[0]], draft.tensors[step.output]
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
        draft = self._draft
        x, y = draft.variable(first), draft.variable(output)
        values = table(kind, x, y, options, self._rounding)
        if isinstance(values, str):
            raise Refusal(values)
        number = draft.add(Tensor("int8", values.shape, values=values))
        return Step("lookup", (draft.number(first), number), draft.number(output))

"""Steps of a plan as C: their constants, and the calls of kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import ConversionError
from strop_export.firmware import factors, windows
from strop_export.firmware.arena import WIDTHS, Arena
from strop_export.firmware.arrays import array, call, number
from strop_export.firmware.factors import Factors
from strop_export.firmware.names import shape
from strop_export.formats.plan import Plan, Step, Tensor

C_TYPES: Final = {"float32": "float", "int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t"}
_LIMITS: Final = {
    "none": ("-STROP_INFINITY", "STROP_INFINITY"),
    "relu": ("0.0f", "STROP_INFINITY"),
    "relu6": ("0.0f", "6.0f"),
}
_MAX_POSITION: Final = 2**31 - 1


class Operators:
    """The steps of one plan as C.

    Attributes:
        constants: definitions, in the order of the steps.
        calls: statements of the run.
    """

    def __init__(self, plan: Plan, arena: Arena) -> None:
        self.constants: list[str] = []
        self.calls: list[str] = []
        self._plan = plan
        self._arena = arena
        self._names: dict[int, str] = {}  # of constants that are written as they are
        self._step = 0

    def add(self, step: Step, step_number: int) -> None:
        """Write a step that is no alias.

        Args:
            step: the step.
            step_number: what its constants are numbered by.

        Raises:
            ConversionError: no kernel computes it.
        """
        self._step = step_number
        writers: dict[str, Callable[[Step], None]] = {
            "quantize": self._quantize,
            "dequantize": self._dequantize,
            "lookup": self._lookup,
            "fully_connected": self._fully_connected,
            "conv_2d": self._convolution,
            "depthwise_conv_2d": self._convolution,
            "max_pool_2d": self._pool,
            "average_pool_2d": self._pool,
            "mean": self._mean,
            "concatenate": self._concatenate,
            "pad": self._pad,
            "transpose": self._transpose,
            "mul": self._pairwise,
            "add": self._pairwise,
            "sub": self._pairwise,
            "softmax": self._softmax,
        }
        writers.get(step.operator, self._activation)(step)

    def _quantize(self, step: Step) -> None:
        x, y = self._ends(step)
        count = math.prod(x.dims)
        if x.dtype == "float32":
            self._call("strop_quantize", number(y.scale), y.zero_point, count, *self._at(step))
        else:
            offset = y.zero_point - x.zero_point
            self._call(f"strop_shift_{x.dtype}", offset, count, *self._at(step))

    def _dequantize(self, step: Step) -> None:
        x, _ = self._ends(step)
        how = (number(x.scale), x.zero_point, math.prod(x.dims))
        self._call(f"strop_dequantize_{x.dtype}", *how, *self._at(step))

    def _lookup(self, step: Step) -> None:
        x, _ = self._ends(step)
        values = np.asarray(self._plan.tensors[step.inputs[1]].values)
        by_byte = np.arange(256) ^ (0x80 if x.dtype == "int8" else 0)
        table = self._constant("table", values[by_byte], "by the bytes of x")
        source, result = step.inputs[0], step.output
        self._call(
            "strop_lookup",
            table,
            math.prod(x.dims),
            self._cast("uint8_t", source),
            self._at_of(result),
        )

    def _fully_connected(self, step: Step) -> None:
        x, _ = self._ends(step)
        outputs, inputs = self._plan.tensors[step.inputs[1]].dims
        self._dense(step, math.prod(x.dims) // inputs, inputs, outputs)

    def _dense(self, step: Step, rows: int, inputs: int, outputs: int) -> None:
        layer, kind = self._layer(step)
        name = f"strop_fully_connected_{kind}"
        self._call(name, layer, rows, inputs, outputs, *self._at(step))

    def _convolution(self, step: Step) -> None:
        x, y = self._ends(step)
        weights = self._plan.tensors[step.inputs[1]]
        is_plain = step.operator == "conv_2d"
        if is_plain and windows.is_dense(step, x, weights, y):
            self._dense(step, math.prod(x.dims[:2]), x.dims[2], y.dims[2])
            return
        if x.dtype == "float32" and not np.isfinite(np.asarray(weights.values)).all():
            raise ConversionError(
                f"step {self._step}, a {step.operator}, has weights that are not finite",
                "train the model again: its file is damaged",
            )
        window = self._window(step, weights.dims[1:3])
        layer, kind = self._layer(step)
        self._call(f"strop_{step.operator}_{kind}", layer, window, *self._at(step))

    def _pool(self, step: Step) -> None:
        _, y = self._ends(step)
        assert step.window is not None  # noqa: S101  every pool has one
        window = self._window(step, step.window.size)
        if y.dtype == "int8":
            limits = factors.activation_range(y, step.activation)
            self._call(f"strop_{step.operator}_int8", window, *limits, *self._at(step))
        else:
            self._call(f"strop_{step.operator}_float", window, *self._at(step))
            self._clamp(step)

    def _mean(self, step: Step) -> None:
        x, y = self._ends(step)
        outer, count, inner = windows.averaged(x, step)
        if x.dtype == "float32":
            self._call("strop_mean_float", outer, count, inner, *self._at(step))
            return
        how = self._requantization(factors.mean_factor(x, y, count), y, "none")
        mean = self._structure("strop_requantization", "mean", how)
        self._call(
            "strop_mean_int8", mean, count * x.zero_point, outer, count, inner, *self._at(step)
        )

    def _concatenate(self, step: Step) -> None:
        _, y = self._ends(step)
        item, axis, start = WIDTHS[y.dtype], step.axes[0], 0
        for i, source in enumerate(step.inputs):
            x = self._plan.tensors[source]
            to = self._at_of(step.output, start)
            copy = windows.placed(x, y, item)
            self._copy(copy, f"axes_{i + 1}", self._at_of(source), to)
            start += x.dims[axis] * windows.steps_of(y.dims, item)[axis]

    def _pad(self, step: Step) -> None:
        x, y = self._ends(step)
        item = WIDTHS[y.dtype]
        source, result = self._at(step)
        value = y.zero_point % 256 if y.dtype == "int8" else 0
        self._call("strop_fill", value, math.prod(y.dims) * item, result)
        start = windows.padded_start(y, step.axes[: len(x.dims)], item)
        self._copy(windows.placed(x, y, item), "axes", source, self._at_of(step.output, start))

    def _transpose(self, step: Step) -> None:
        x, y = self._ends(step)
        copy = windows.transposition(x, y, step.axes[: len(x.dims)], WIDTHS[y.dtype])
        self._copy(copy, "axes", *self._at(step))

    def _pairwise(self, step: Step) -> None:
        x, y = self._ends(step)
        second = self._plan.tensors[step.inputs[1]]
        width = math.prod(second.dims)
        rows = math.prod(x.dims) // width
        if second.values is None:
            other = self._at_of(step.inputs[1])
        else:
            other = self._shared("values", step.inputs[1])
        source, result = self._at(step)
        if x.dtype == "float32":
            self._call(f"strop_{step.operator}_float", rows, width, source, other, result)
            self._clamp(step)
            return
        fields = [f".x_zero_point = {x.zero_point}", f".w_zero_point = {second.zero_point}"]
        if step.operator == "mul":
            total = factors.product_factor(x, second, y)
        else:
            *each, total = factors.sum_factors(x, second, y)
            for name, factor in zip("xw", each, strict=True):
                fields.append(f".{name} = {{{factor.multipliers[0]}, {factor.shifts[0]}}}")
        fields.append(f".requantize = {self._requantization(total, y, step.activation)}")
        pair = self._structure("strop_pair", "pair", _braces(fields))
        self._call(f"strop_{step.operator}_int8", pair, rows, width, source, other, result)

    def _softmax(self, step: Step) -> None:
        x, _ = self._ends(step)
        width = x.dims[-1]
        rows = math.prod(x.dims) // width
        self._call("strop_softmax", number(step.beta), rows, width, *self._at(step))

    def _activation(self, step: Step) -> None:
        x, _ = self._ends(step)
        count = math.prod(x.dims)
        if step.operator in ("relu", "relu6"):
            self._call("strop_clamp", *_LIMITS[step.operator], count, *self._at(step))
        elif step.operator in ("sigmoid", "tanh"):
            self._call(f"strop_{step.operator}", count, *self._at(step))
        else:
            raise ConversionError(
                f"step {self._step} is a {step.operator}, for which there is no kernel in C",
                "use a plan of this release of strop-export",
            )

    def _clamp(self, step: Step) -> None:
        """Write the fused activation of a step of floats, in place."""
        if step.activation != "none":
            at = self._at_of(step.output)
            count = math.prod(self._plan.tensors[step.output].dims)
            self._call("strop_clamp", *_LIMITS[step.activation], count, at, at)

    def _layer(self, step: Step) -> tuple[str, str]:
        """Write a layer, and return the argument for it and its kind, int8 or float."""
        x, y = self._ends(step)
        weights = self._plan.tensors[step.inputs[1]]
        bias = self._plan.tensors[step.inputs[2]] if len(step.inputs) > 2 else None
        fields = [f".weights = {self._shared('weights', step.inputs[1])}"]
        if x.dtype == "float32":
            values = np.zeros(weights.dims[0], np.float32) if bias is None else bias.values
            fields.append(f".bias = {self._constant('bias', np.asarray(values))}")
            low, high = _LIMITS[step.activation]
            fields += [f".low = {low}", f".high = {high}"]
            return self._structure("strop_float_layer", "layer", _braces(fields)), "float"
        if step.operator == "depthwise_conv_2d":
            own = np.zeros(weights.dims[0]) if bias is None else bias.values
            sums, note = np.asarray(own), ""
        else:
            sums, note = factors.folded_bias(x, weights, bias), "bias - x_zero_point * the weights"
        fields.append(f".bias = {self._constant('bias', sums.astype(np.int32), note)}")
        fields.append(f".x_zero_point = {x.zero_point}")
        how = self._requantization(factors.layer_factors(x, weights, y), y, step.activation)
        fields.append(f".requantize = {how}")
        return self._structure("strop_int8_layer", "layer", _braces(fields)), "int8"

    def _requantization(self, how: Factors, y: Tensor, activation: str) -> str:
        """Write the factors of sums, and return the initializer of a strop_requantization."""
        multipliers = self._constant("multipliers", how.multipliers.astype(np.int32))
        shifts = self._constant("shifts", how.shifts.astype(np.int8))
        per_output = int(how.multipliers.size > 1)
        low, high = factors.activation_range(y, activation)
        return f"{{{multipliers}, {shifts}, {per_output}, {y.zero_point}, {low}, {high}}}"

    def _window(self, step: Step, size: Sequence[int]) -> str:
        """Write the window of a convolution or pool, and return the argument for it."""
        x, y = self._ends(step)
        window = step.window
        assert window is not None  # noqa: S101  every convolution and pool has one
        if windows.farthest(step, y, size) > _MAX_POSITION:
            raise ConversionError(
                f"step {self._step}, a {step.operator}, has windows beyond 2^31 positions",
                "use smaller strides, or fewer outputs",
            )
        dilations = (max(dilation, 1) for dilation in window.dilations)
        pairs = zip(
            ("stride_height", "stride_width", "dilation_height", "dilation_width"),
            (*window.strides, *dilations),
            strict=True,
        )
        sizes = zip(
            ("height", "width", "channels", "out_height", "out_width", "out_channels"),
            (*x.dims, *y.dims),
            strict=True,
        )
        kernel = zip(("kernel_height", "kernel_width"), size, strict=True)
        padding = zip(("padding_top", "padding_left"), window.padding, strict=True)
        fields = [f".{name} = {value}" for name, value in (*sizes, *kernel, *pairs, *padding)]
        return self._structure("strop_window", "window", _braces(fields))

    def _copy(self, copy: windows.Copy, name: str, source: str, result: str) -> None:
        """Write a copy whose axes are a constant of a name."""
        where, count = "0", len(copy.axes)
        if count:
            rows = "".join(f"    {{{', '.join(map(str, axis))}}},\n" for axis in copy.axes)
            where = f"{name}_{self._step}"
            self.constants.append(f"static const strop_axis {where}[{count}] = {{\n{rows}}};")
        self._call("strop_copy", where, count, copy.item, source, result)

    def _shared(self, name: str, tensor_number: int) -> str:
        """Write a constant of the plan, once, and return its name."""
        if tensor_number not in self._names:
            tensor = self._plan.tensors[tensor_number]
            values = np.asarray(tensor.values)
            self._names[tensor_number] = self._constant(name, values, shape(tensor.dims))
        return self._names[tensor_number]

    def _constant(self, name: str, values: NDArray[Any], note: str = "") -> str:
        made = f"{name}_{self._step}"
        self.constants.append(array(made, values, note))
        return made

    def _structure(self, kind: str, name: str, initializer: str) -> str:
        made = f"{name}_{self._step}"
        self.constants.append(f"static const {kind} {made} = {initializer};")
        return f"&{made}"

    def _call(self, function: str, *arguments: object) -> None:
        self.calls.append(call(function, *arguments))

    def _ends(self, step: Step) -> tuple[Tensor, Tensor]:
        return self._plan.tensors[step.inputs[0]], self._plan.tensors[step.output]

    def _at(self, step: Step) -> tuple[str, str]:
        return self._at_of(step.inputs[0]), self._at_of(step.output)

    def _at_of(self, tensor_number: int, start: int = 0) -> str:
        return self._cast(C_TYPES[self._plan.tensors[tensor_number].dtype], tensor_number, start)

    def _cast(self, kind: str, tensor_number: int, start: int = 0) -> str:
        return f"AT({kind}, {self._arena.offsets[tensor_number] + start})"


def _braces(fields: Sequence[str]) -> str:
    return "{\n" + "".join(f"    {field},\n" for field in fields) + "}"

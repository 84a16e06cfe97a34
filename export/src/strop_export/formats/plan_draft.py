"""A plan in the making, from a .tflite file."""

from __future__ import annotations

from typing import Any, Final

from strop_export.formats.plan import Tensor
from strop_export.formats.plan_source import Refusal, Source

_ACTIVATIONS: Final = {0: "none", 1: "relu", 3: "relu6"}  # ActivationFunctionType of the schema


class Draft:
    """The tensors of a plan, by number, and the file that they come from.

    Attributes:
        source: the file.
        tensors: those that the plan has so far.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}  # of the file's tensors, in the plan
        self._constants: dict[tuple[int, tuple[int, ...]], int] = {}

    def number(self, index: int) -> int:
        """Return the plan's number of a tensor that is given or computed in the file."""
        if index not in self._numbers:
            self._numbers[index] = self.add(self.source.variable(index))
        return self._numbers[index]

    def variable(self, index: int) -> Tensor:
        """Return a tensor that is given or computed, as the plan has it."""
        return self.tensors[self.number(index)]

    def constant(self, index: int, tensor: Tensor) -> int:
        """Return the number of a constant, added once: a layer that runs twice has one.

        TensorFlow writes equal constants once. Operators that take one in different shapes, such as
        a convolution and a depthwise one, have one each.
        """
        key = (index, tensor.dims)
        if key not in self._constants:
            self._constants[key] = self.add(tensor)
        return self._constants[key]

    def add(self, tensor: Tensor) -> int:
        """Add a tensor, and return its number."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def batch_axes(self, index: int) -> int:
        """Return how many axes of a tensor of the file are not in the plan: 1 or 0."""
        return len(self.source.shape(index)) - len(self.variable(index).dims)


def activation(operator: Any) -> str:
    """Return the fused activation of an operator of the file.

    Raises:
        Refusal: a plan does not fuse it.
    """
    number = operator.builtinOptions.fusedActivationFunction
    if number not in _ACTIVATIONS:
        raise Refusal("a plan fuses only relu and relu6")
    return _ACTIVATIONS[number]


def same_quantization(*tensors: Tensor) -> None:
    """Make sure that tensors have one scale and zero point.

    Raises:
        Refusal: they have several.
    """
    if len({(tensor.scale, tensor.zero_point) for tensor in tensors}) > 1:
        raise Refusal("it changes the scale")

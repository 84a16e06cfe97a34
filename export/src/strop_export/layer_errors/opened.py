"""A model file as `measure` sees it: its operators, its constants, and the values of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[Any]]


class Node(NamedTuple):
    """An operator of the main graph; "" is an input that is not given."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Grid(NamedTuple):
    """The values that a tensor of a quantized file can hold.

    Attributes:
        dtype: the stored dtype: an integer, or float16.
        scale: real value = scale x (stored - zero_point); one for each value of `axis`, or one.
        zero_point: like `scale`.
        axis: the axis of several scales.
    """

    dtype: np.dtype[Any]
    scale: NDArray[np.float64]
    zero_point: NDArray[np.float64]
    axis: int = 0

    def real(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the real values of stored ones."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32)
        scale, zero = (self._along(part, stored.ndim) for part in (self.scale, self.zero_point))
        return np.asarray((stored.astype(np.float64) - zero) * scale, np.float32)

    def rounded(self, real: NDArray[Any]) -> NDArray[Any]:
        """Return real values, each rounded to the nearest that the tensor can hold."""
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return real.astype(self.dtype).astype(np.float32)
        scale, zero = (self._along(part, real.ndim) for part in (self.scale, self.zero_point))
        limits = np.iinfo(self.dtype)
        stored = np.clip(np.rint(np.nan_to_num(real) / scale) + zero, limits.min, limits.max)
        return self.real(stored)

    def clipped(self, real: NDArray[Any]) -> NDArray[Any]:
        """Return real values; only those outside of the tensor's range are rounded."""
        if self.dtype.kind == "f":
            is_inside = np.abs(real) <= np.finfo(self.dtype).max
        else:
            limits = np.iinfo(self.dtype)
            least, most = (
                self.real(np.full(real.shape, limit)) for limit in (limits.min, limits.max)
            )
            is_inside = (real >= least) & (real <= most)
        return np.where(is_inside, real, self.rounded(real))

    def _along(self, part: NDArray[np.float64], axes: int) -> NDArray[np.float64]:
        if part.size == 1:
            return part.reshape(())
        shape = [1] * axes
        shape[self.axis] = part.size
        return part.reshape(shape)


class Probe(NamedTuple):
    """A copy of an operator that runs beside it, on the same inputs, with other constants.

    Attributes:
        node: the operator that is copied.
        constants: input number -> the other value.
    """

    node: Node
    constants: Mapping[int, NDArray[Any]]


class Opened(Protocol):
    """A file of some format, parsed."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The operators, in the order they run."""

    @property
    def constants(self) -> Values:
        """The real values of the constants."""

    @property
    def grids(self) -> Mapping[str, Grid]:
        """The tensors that are stored in another dtype than float32."""

    @property
    def inputs(self) -> Sequence[str]:
        """The names of the inputs, in the model's order."""

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the outputs, in the model's order."""

    def axis(self, tensor: str) -> int:
        """Return the axis of a tensor's channels."""

    def run(self, sample: Sequence[NDArray[Any]], probes: Sequence[Probe] = ()) -> Values:
        """Run the file on one sample.

        Args:
            sample: an array for each input, without the batch.
            probes: the same in every call.

        Returns:
            The real values of each tensor, and of the first output of each probe under
            `probe_name`.
        """


def probe_name(node: Node) -> str:
    """Return the name of the first output of a probe."""
    return f"{node.outputs[0]}~probe"

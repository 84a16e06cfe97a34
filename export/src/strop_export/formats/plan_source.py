"""The parts of a .tflite file of a batch of 1, as a plan has them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from strop_export.formats.flatbuffer_tables import TYPES, operator_name
from strop_export.formats.plan import DTYPES, MAX_RANK, MAX_VALUES, Tensor

BYTES: Final = ("int8", "uint8")
_MIN_SCALE: Final = np.finfo(np.float32).tiny


class Refusal(Exception):
    """The reason why an operator or an input cannot be in a plan."""


class Source:
    """A .tflite file."""

    def __init__(self, data: bytes) -> None:
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
        self._graph = self._model.subgraphs[0]
        self.inputs = [int(index) for index in self._graph.inputs]
        self.outputs = [int(index) for index in self._graph.outputs]
        self.operators: list[Any] = self._graph.operators

    def kind(self, operator: Any) -> str:
        """Return the schema's name of an operator."""
        return operator_name(self._model, operator)

    def name(self, index: int) -> str:
        """Return the name of a tensor."""
        name: str = self._graph.tensors[index].name.decode()
        return name

    def dtype(self, index: int) -> str:
        """Return the dtype of a tensor, such as "int8"."""
        return TYPES[self._graph.tensors[index].type]

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of a tensor.

        Raises:
            Refusal: no plan has such a tensor.
        """
        shape, dtype = self._graph.tensors[index].shape, self.dtype(index)
        dims = () if shape is None else tuple(map(int, shape))
        if dtype not in DTYPES:
            raise Refusal(f"a plan has no {dtype}")
        if len(dims) > MAX_RANK or math.prod(dims) > MAX_VALUES:
            raise Refusal(f"a plan has no tensor of shape {dims}")
        return dims

    def is_constant(self, index: int) -> bool:
        """Tell whether the file has the values of a tensor."""
        return self._model.buffers[self._graph.tensors[index].buffer].data is not None

    def constant(self, index: int, axis: int = 0) -> Tensor:
        """Describe a constant.

        Args:
            index: its number in the file.
            axis: the one that its scales may belong to.

        Raises:
            Refusal: the tensor is computed, or no plan has such a one.
        """
        if not self.is_constant(index):
            raise Refusal("its weights are computed")
        shape, dtype = self.shape(index), self.dtype(index)
        data = bytes(self._model.buffers[self._graph.tensors[index].buffer].data)
        scales, zero_points = self._quantization(index)
        several = len(scales) > 1
        if several and (self._graph.tensors[index].quantization.quantizedDimension != axis):
            raise Refusal("its weights have scales along another axis")
        if several and zero_points.any():
            raise Refusal("its weights have several scales and zero points")
        return Tensor(
            dtype,
            shape,
            float(scales[0]) if len(scales) == 1 else 0.0,
            int(zero_points[0]) if len(scales) == 1 else 0,
            np.frombuffer(data, dtype).reshape(shape),
            scales if several else None,
        )

    def variable(self, index: int) -> Tensor:
        """Describe a tensor that is given or computed, as it is for one sample.

        Bytes that are not quantized, such as a uint8 input of the Keras model, mean their integers.

        Raises:
            Refusal: the tensor is a constant, or no plan has such a one.
        """
        if self.is_constant(index):
            raise Refusal("its first input is a constant")
        dims = self.shape(index)
        scales, zero_points = self._quantization(index)
        if len(scales) > 1:
            raise Refusal("its values have several scales")
        dtype = self.dtype(index)
        return Tensor(
            dtype,
            dims[1:] if dims[:1] == (1,) else dims,
            float(scales[0]) if len(scales) else float(dtype in BYTES),
            int(zero_points[0]) if len(scales) else 0,
            name=self.name(index) if index in (*self.inputs, *self.outputs) else "",
        )

    def _quantization(self, index: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return the scales and zero points of 8-bit values; those of others mean nothing."""
        quantization, dtype = self._graph.tensors[index].quantization, self.dtype(index)
        if dtype not in BYTES or quantization is None or quantization.scale is None:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        scales = np.asarray(quantization.scale, np.float32)
        if not (np.isfinite(scales) & (scales >= _MIN_SCALE)).all():
            raise Refusal(f"its {dtype} values have a scale that is not a normal number")
        return scales, np.asarray(quantization.zeroPoint)

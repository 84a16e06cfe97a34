"""The C core by ctypes: plans run by each set of kernels of this CPU."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DTYPES = ("f4", "i1", "u1", "i4")
_ALIGNMENT = 64


class _Needs(ctypes.Structure):
    _fields_ = (
        ("model_bytes", ctypes.c_size_t),
        ("run_bytes", ctypes.c_size_t),
        ("row_bytes", ctypes.c_size_t),
        ("inputs", ctypes.c_uint32),
        ("outputs", ctypes.c_uint32),
        ("work", ctypes.c_uint64),
    )


class _Border(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("dtype", ctypes.c_uint32),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.c_uint32 * 6),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
        ("row_bytes", ctypes.c_size_t),
    )


class Engine:
    """The library.

    Attributes:
        kernels: the sets of kernels that this CPU runs, by name, fastest first.
    """

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        size, number, pointer = ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p
        for name, result, arguments in (
            ("strop_check", ctypes.c_char_p, [ctypes.c_char_p, size, pointer]),
            (
                "strop_prepare",
                ctypes.c_char_p,
                [ctypes.c_char_p, size, pointer, pointer, size, pointer],
            ),
            (
                "strop_run",
                ctypes.c_char_p,
                [pointer, size, pointer, pointer, pointer, size],
            ),
            ("strop_output", ctypes.POINTER(_Border), [pointer, number]),
            ("strop_kernels_at", pointer, [number]),
            ("strop_kernels_name", ctypes.c_char_p, [pointer]),
        ):
            function = getattr(self._c, name)
            function.restype, function.argtypes = result, arguments
        self.kernels: dict[str, int] = {}
        while kernels := self._c.strop_kernels_at(len(self.kernels)):
            self.kernels[self._c.strop_kernels_name(kernels).decode()] = kernels

    def check(self, plan: bytes) -> str | None:
        """Return why the core refuses a plan; None: it accepts it."""
        reason = self._c.strop_check(plan, len(plan), ctypes.byref(_Needs()))
        return None if reason is None else str(reason.decode())

    def run(self, plan: bytes, kernels: str, *inputs: Array, tile_rows: int = 64) -> list[Array]:
        """Return the outputs of a plan, each (N, ...).

        Args:
            plan: the file.
            kernels: a name of `kernels`.
            *inputs: as the plan has them, each (N, ...).
            tile_rows: how many rows there is scratch for.
        """
        needs, model = _Needs(), ctypes.c_void_p()
        _expect(self._c.strop_check(plan, len(plan), ctypes.byref(needs)))
        memory = _aligned(needs.model_bytes)
        _expect(
            self._c.strop_prepare(
                plan,
                len(plan),
                self.kernels[kernels],
                memory.ctypes.data,
                memory.nbytes,
                ctypes.byref(model),
            )
        )
        given = [np.ascontiguousarray(array) for array in inputs]
        outputs = []
        for i in range(needs.outputs):
            border = self._c.strop_output(model, i).contents
            dims = tuple(border.dims[: border.rank])
            outputs.append(np.empty((len(given[0]), *dims), _DTYPES[border.dtype]))
        scratch = _aligned(needs.run_bytes + needs.row_bytes * tile_rows)
        _expect(
            self._c.strop_run(
                model,
                len(given[0]),
                _pointers(given),
                _pointers(outputs),
                scratch.ctypes.data,
                scratch.nbytes,
            )
        )
        return outputs


def _expect(reason: bytes | None) -> None:
    assert reason is None, reason


def _aligned(size: int) -> NDArray[np.uint8]:
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size]


def _pointers(arrays: list[Array]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))

"""The C core gives the bits of the referee, which is written from docs/plan-format.md."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from native.build import compile_library
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import operator_files, plan_referee, plan_sample
from tests.native.test_core import pytestmark  # noqa: F401 (it skips without gcc)

Array = NDArray[Any]
Run = Callable[[bytes, Sequence[Array]], list[Array]]
TILE = 64  # rows


class Needs(ctypes.Structure):
    """The memory of a model: strop_needs of strop.h."""

    _fields_ = [
        *(("model_bytes", ctypes.c_size_t), ("row_bytes", ctypes.c_size_t)),
        *(("inputs", ctypes.c_uint32), ("outputs", ctypes.c_uint32)),
    ]


def aligned(size: int) -> Array:
    memory = np.zeros(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :][:size]


def pointers(arrays: Sequence[Array]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    library = ctypes.CDLL(str(compile_library(tmp_path_factory.mktemp("library"))))
    for name in ("strop_check", "strop_prepare", "strop_run"):
        getattr(library, name).restype = ctypes.c_char_p
    library.strop_best_kernels.restype = ctypes.c_void_p

    def run(file: bytes, inputs: Sequence[Array]) -> list[Array]:
        needs, model = Needs(), ctypes.c_void_p()
        size = ctypes.c_size_t
        assert library.strop_check(file, size(len(file)), ctypes.byref(needs)) is None
        memory, scratch = aligned(needs.model_bytes), aligned(needs.row_bytes * TILE)
        kernels = ctypes.c_void_p(library.strop_best_kernels())
        place = ctypes.c_void_p(memory.ctypes.data), size(len(memory))
        reason = library.strop_prepare(file, size(len(file)), kernels, *place, ctypes.byref(model))
        assert reason is None
        plan, rows = plan_referee.read(file), len(inputs[0])
        results = [plan.tensors[number] for number in plan.outputs]
        outputs = [np.empty((rows, *tensor.dims), tensor.dtype) for tensor in results]
        given = [np.ascontiguousarray(array) for array in inputs]
        room = ctypes.c_void_p(scratch.ctypes.data), size(len(scratch))
        reason = library.strop_run(model, size(rows), pointers(given), pointers(outputs), *room)
        assert reason is None
        return outputs

    return run


def compare(run: Run, file: bytes, *inputs: Array) -> None:
    for ours, theirs in zip(run(file, inputs), plan_referee.outputs(file, *inputs), strict=True):
        np.testing.assert_array_equal(ours.view(np.uint8), theirs.view(np.uint8))


def test_every_operator(run: Run) -> None:
    compare(run, plan_sample.whole().to_bytes(), *plan_sample.inputs(500))


@pytest.mark.parametrize("rounding", ["float", "reference"])
@pytest.mark.parametrize("kind", ["MUL", "ADD", "SUB"])
def test_pairs_of_int8(kind: str, rounding: str, run: Run) -> None:
    """Each file gives the results of all pairs of bytes."""
    samples = np.repeat(operator_files.BYTES, 256, axis=1)
    for file in operator_files.pairs(kind):
        compare(run, convert_plan(file, ["layer"], rounding).data, samples)

"""A plan is read as it was written."""

from __future__ import annotations

import numpy as np
import pytest

from strop_export.formats.plan import Plan, Step, Tensor, Window
from strop_export.formats.plan_reader import read_plan
from tests.contract import plan_sample


def test_the_plan_that_has_everything_is_written_again_byte_for_byte() -> None:
    written = plan_sample.whole()
    read = read_plan(written.to_bytes())
    assert read.to_bytes() == written.to_bytes()
    assert [tensor.name for tensor in read.tensors] == [tensor.name for tensor in written.tensors]
    assert (read.steps, read.rounding) == (list(written.steps), written.rounding)


@pytest.mark.parametrize(
    "step",
    [
        Step("max_pool_2d", (0,), 1, "relu", window=Window((2, 1), size=(2, 2))),
        Step("average_pool_2d", (0,), 1, window=Window((2, 2), padding=(1, 0), size=(3, 2))),
        Step("mean", (0,), 1, axes=(0, 2)),
        Step("transpose", (0,), 1, axes=(2, 0, 1)),
        Step("pad", (0,), 1, axes=(1, 0, 0)),
        Step("relu", (0,), 1),
    ],
)
def test_parameters_are_read(step: Step) -> None:
    values = Tensor("float32", (4, 4, 3), name="x"), Tensor("float32", (2, 4, 3), name="y")
    (read,) = read_plan(Plan(values, [step], [0], [1]).to_bytes()).steps
    assert read == step


def test_a_convolution_and_its_constants_are_read() -> None:
    window = Window((2, 1), (1, 3), (1, 0))
    weights = np.arange(8 * 9 * 3, dtype=np.int8).reshape(8, 3, 3, 3)
    scales = np.linspace(0.1, 0.2, 8, dtype=np.float32)
    tensors = [
        Tensor("int8", (4, 4, 3), 0.5, -1, name="x"),
        Tensor("int8", (8, 3, 3, 3), values=weights, scales=scales),
        Tensor("int8", (2, 4, 8), 0.5, 3, name="y"),
    ]
    step = Step("conv_2d", (0, 1), 2, "relu6", window=window)
    read = read_plan(Plan(tensors, [step], [0], [2], "reference").to_bytes())
    assert (read.steps, read.rounding) == ([step], "reference")
    assert np.array_equal(np.asarray(read.tensors[1].values), weights)
    assert np.array_equal(np.asarray(read.tensors[1].scales), scales)

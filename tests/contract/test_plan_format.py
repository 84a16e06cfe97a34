"""Plans to the byte, and their float arithmetic to the bit, as docs/plan-format.md says."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats import plan
from strop_export.formats.plan import Plan, Step, Tensor
from tests.contract import plan_referee, plan_sample, referee_floats
from tests.contract.layout import fields

PAGE = (Path(__file__).parents[2] / "docs" / "plan-format.md").read_text(encoding="utf-8")

SMALLEST = (
    # the header
    "5354524f504c414e" "01000000" "00000000" "02000000" "01000000" "01000000" "01000000"
    "40000000" "b0000000" "d0000000" "00010000" "43000000" "000000000000000000000000"
    # float32 (3,), the data at 0: its name, "x"; then "y" at 64
    "00000000" "01000000" "03000000" "00000000" "00000000" "00000000" "00000000" "00000000"
    "00000000" "00000000" "ffffffff" "ffffffff" "00000000" "00000000"
    "00000000" "01000000" "03000000" "00000000" "00000000" "00000000" "00000000" "00000000"
    "00000000" "00000000" "ffffffff" "ffffffff" "40000000" "00000000"
    # relu of tensor 0 to tensor 1, and the borders
    "04000000" "00000000" "ffffffff" "ffffffff" "01000000" "00000000" "00000000" "00000000"
    "00000000" "01000000"
)  # fmt: skip


def test_the_smallest_plan_is_pinned() -> None:
    tensors = [Tensor("float32", (3,), name="x"), Tensor("float32", (3,), name="y")]
    file = Plan(tensors, [Step("relu", (0,), 1)], [0], [1]).to_bytes()
    start = bytes.fromhex(SMALLEST).ljust(256, b"\0")
    assert file == start + b"\1\0x".ljust(64, b"\0") + b"\1\0y"


def test_a_whole_plan_is_pinned() -> None:
    file = plan_sample.whole().to_bytes()
    assert hashlib.sha256(file).hexdigest() == plan_sample.FILE


def test_the_page_has_the_fields_of_each_record() -> None:
    for heading, theirs in (
        ("Header", plan.HEADER),
        ("Tensor record", plan.TENSOR),
        ("Step record", plan.STEP),
    ):
        rows = fields(PAGE, heading)
        ends = [offset + length for offset, length, _ in rows]
        assert [offset for offset, *_ in rows] == [0, *ends[:-1]]
        assert ends[-1] == theirs.size
        assert f", {theirs.size} bytes" in PAGE


def test_the_page_has_the_numbers_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {name: int(number) for number, name in rows} == plan.OPERATORS
    for name, numbers in (("dtype", plan.DTYPES), ("fused activation", plan.ACTIVATIONS)):
        assert f"{name}: " + ", ".join(f"{n} {word}" for word, n in numbers.items()) in PAGE
    assert "rounding: " + ", ".join(f"{i} `{name}`" for i, name in enumerate(ROUNDINGS)) in PAGE
    assert f"at most {plan.MAX_BYTES:,} bytes" in PAGE
    assert f"their product is at most {plan.MAX_VALUES:,}" in PAGE
    assert f"rank: 0 to {plan.MAX_RANK}" in PAGE
    assert f"all steps is at most {plan.MAX_WORK:,}." in PAGE


def test_a_plan_is_read_by_the_page_alone() -> None:
    ours = plan_sample.whole()
    read = plan_referee.read(ours.to_bytes())
    assert (read.inputs, read.outputs) == (tuple(ours.inputs), tuple(ours.outputs))
    assert read.rounding == 1
    for a, b in zip(ours.tensors, read.tensors, strict=True):
        assert (a.dims, a.zero_point, a.name) == (b.dims, b.zero_point, b.name or "")
        assert np.dtype(a.dtype) == b.dtype
        assert np.float32(a.scale) == b.scale
        for mine, theirs in ((a.values, b.values), (a.scales, b.scales)):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                np.testing.assert_array_equal(mine, theirs)
    for step, other in zip(ours.steps, read.steps, strict=True):
        assert (step.operator, step.inputs) == (other.operator, other.inputs)
        assert step.output == other.output
        assert step.parameters().ljust(8, b"\0") == other.parameters
        assert plan.ACTIVATIONS[step.activation] == other.activation


def test_each_section_is_where_the_page_says() -> None:
    file = plan_sample.whole().to_bytes()
    read: dict[str, int] = {}
    for offset, size, content in fields(PAGE, "Header"):
        if constant := re.match(r"`([0-9a-f ]+)`", content):
            assert file[offset : offset + size] == bytes.fromhex(constant[1])
        else:
            name = re.split(r"[:,]", content)[0]
            read[name] = int.from_bytes(file[offset : offset + size], "little")
    assert read["offset of the tensor records"] == 64
    assert read["offset of the step records"] == 64 + 56 * read["number of tensors"]
    steps_end = read["offset of the step records"] + 32 * read["number of steps"]
    assert read["offset of the borders"] == steps_end
    borders_end = steps_end + 4 * (read["number of inputs"] + read["number of outputs"])
    assert read["offset of the data"] == -(-borders_end // 64) * 64
    assert not any(file[borders_end : read["offset of the data"]])
    assert len(file) == read["offset of the data"] + read["bytes of data"]


def test_the_same_samples_give_the_same_bits() -> None:
    """The digest holds on every CPU: the arithmetic leaves nothing open."""
    file, samples = plan_sample.whole().to_bytes(), plan_sample.inputs(500)
    found = plan_referee.outputs(file, *samples)
    digest = hashlib.sha256(b"".join(array.tobytes() for array in found)).hexdigest()
    assert digest == plan_sample.BITS
    (first, *_), (alone, *_) = found, plan_referee.outputs(file, *(a[:1] for a in samples))
    np.testing.assert_array_equal(first[:1], alone)


class TestFloats:
    """exp and what is made of it are close to the truth, and their special values are right."""

    X = np.linspace(-88.5, 88.5, 400_001, dtype=np.float32)

    def units(self, ours: NDArray[Any], truth: NDArray[Any]) -> float:
        """The largest distance in units in the last place."""
        return float((np.abs(ours.astype(float) - truth) / np.spacing(truth.astype("f4"))).max())

    def run(self, operator: str, x: NDArray[Any]) -> NDArray[Any]:
        tensors = [Tensor("float32", (1,), name="x"), Tensor("float32", (1,), name="y")]
        beta = 1.0 if operator == "softmax" else 0.0
        file = Plan(tensors, [Step(operator, (0,), 1, beta=beta)], [0], [1]).to_bytes()
        (result,) = plan_referee.outputs(file, x.astype(np.float32)[:, np.newaxis])
        return np.asarray(result[:, 0])

    def test_exp(self) -> None:
        x = self.X[(self.X >= -87) & (self.X <= 88)]
        assert self.units(referee_floats.exp(x), np.exp(x.astype(float))) < 2
        with np.errstate(all="ignore"):
            ends = referee_floats.exp(np.array([88.1, np.inf, -87.1, -np.inf, 0.0, -0.0], "f4"))
            assert np.isnan(referee_floats.exp(np.array([np.nan], "f4"))).all()
        assert ends.tolist() == [np.inf, np.inf, 0, 0, 1, 1]

    def test_sigmoid(self) -> None:
        x = self.X[self.X > -87]
        assert self.units(self.run("sigmoid", x), 1 / (1 + np.exp(-x.astype(float)))) < 4
        assert self.run("sigmoid", np.array([-np.inf, -89, 0, 89, np.inf])).tolist() == [
            0,
            0,
            0.5,
            1,
            1,
        ]

    def test_tanh(self) -> None:
        x = np.concatenate([self.X, self.X / 100, np.array([1e-30, -1e-45], "f4")])
        x = x[x != 0]
        assert self.units(self.run("tanh", x), np.tanh(x.astype(float))) < 4
        signs = self.run("tanh", np.array([0.0, -0.0]))
        assert np.signbit(signs).tolist() == [False, True]

    def test_relu_keeps_nan_and_the_sign_of_zero(self) -> None:
        x = np.array([-1.0, -0.0, 0.0, 7.0, np.inf, -np.inf, np.nan])
        for operator, most in (("relu", np.inf), ("relu6", 6.0)):
            y = self.run(operator, x)
            np.testing.assert_array_equal(y, [0, 0, 0, min(7, most), most, 0, np.nan])
            assert np.signbit(y[1])

    def test_softmax_of_one_value_is_one(self) -> None:
        assert self.run("softmax", np.array([-5.0, 0, 90])).tolist() == [1, 1, 1]

"""The arena: no step writes over what is still to be read, whatever the plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from strop_export.firmware.arena import place, tensor_bytes
from strop_export.formats.plan import Plan, Step, Tensor
from strop_export.formats.plan_reader import read_plan
from tests.native import networks, spatial

# The value at i of the result needs that at i of the operands alone; softmax is run in passes.
ELEMENTWISE = {"quantize", "dequantize", "lookup", "relu", "relu6", "sigmoid", "tanh", "softmax"}
ELEMENTWISE |= {"mul", "add", "sub"}


def is_name(step: Step, same: bool) -> bool:
    """Tell whether a step in the same place gives its input another name."""
    return step.operator == "reshape" and same


def faults(plan: Plan, offsets: Mapping[int, int], size: int) -> list[str]:
    """Run a plan on the names of bytes: each byte knows which tensors' values it holds."""
    holds: list[set[int]] = [set() for _ in range(size)]
    found = []

    def span(number: int) -> range:
        start = offsets[number]
        return range(start, start + tensor_bytes(plan, number))

    def written(number: int, also: set[int]) -> None:
        for at in span(number):
            holds[at] = {number, *also}

    def require(number: int, why: str) -> None:
        if not all(number in holds[at] for at in span(number)):
            found.append(f"{why}: tensor {number} is lost")

    for number in plan.inputs:
        written(number, set())
    for i, step in enumerate(plan.steps):
        given = [number for number in step.inputs if plan.tensors[number].values is None]
        for number in given:
            require(number, f"step {i}")
            same = offsets[number] == offsets[step.output]
            may = same and step.operator in ELEMENTWISE
            if set(span(number)) & set(span(step.output)) and not may and not is_name(step, same):
                found.append(f"step {i}, {step.operator}: writes where it reads")
            if step.operator == "reshape" and not same:
                found.append(f"step {i}: a reshape has another place, and nothing copies it")
        # A step that runs nothing leaves the bytes, by another name too.
        same = offsets[given[0]] == offsets[step.output]
        before = holds[offsets[given[0]]] if is_name(step, same) else set()
        written(step.output, set(before))
    for number in plan.outputs:
        require(number, "end")
    return found


def random_plans(count: int) -> list[Plan]:
    random = np.random.default_rng(31)
    kinds = ("int8", "float32", "dense")
    return [
        read_plan(
            networks.float_plan(random) if kind == "dense" else spatial.spatial_plan(random, kind)
        )
        for _ in range(count)
        for kind in kinds
    ]


def test_no_value_is_lost() -> None:
    for plan in random_plans(120):
        arena = place(plan)

        assert faults(plan, arena.offsets, arena.size) == []
        for number, at in arena.offsets.items():
            width = 4 if plan.tensors[number].dtype in ("float32", "int32") else 1
            assert at % width == 0
            assert at + tensor_bytes(plan, number) <= arena.size


def test_a_tensor_over_another_is_a_fault() -> None:
    """The check above can fail: most tensors in another tensor's place are seen."""
    random, seen, tried = np.random.default_rng(5), 0, 0
    for plan in random_plans(20):
        arena = place(plan)
        moved = dict(arena.offsets)
        number, other = random.choice(list(moved), 2)
        if moved[number] == moved[other]:
            continue
        moved[int(number)] = moved[int(other)]
        size = max(at + tensor_bytes(plan, number) for number, at in moved.items())
        tried += 1
        seen += bool(faults(plan, moved, size))
    assert seen > tried / 2 > 5


def test_elementwise_steps_take_no_memory() -> None:
    tensors = [Tensor("float32", (100,), name="x")]
    tensors += [Tensor("float32", (100,)) for _ in range(3)]
    tensors.append(Tensor("float32", (10, 10), name="y"))
    steps = [Step("relu", (0,), 1), Step("tanh", (1,), 2), Step("mul", (2, 2), 3)]
    steps.append(Step("reshape", (3,), 4))

    assert place(Plan(tensors, steps, [0], [4])).size == 400


def test_a_picture_becomes_floats_in_its_own_place() -> None:
    weights = Tensor("float32", (2, 100), values=np.ones((2, 100), np.float32))
    tensors = [Tensor("uint8", (100,), 1.0, name="x"), Tensor("float32", (100,)), weights]
    tensors.append(Tensor("float32", (2,), name="y"))
    steps = [Step("dequantize", (0,), 1), Step("fully_connected", (1, 2), 3)]

    assert place(Plan(tensors, steps, [0], [3])).size == 408


def test_a_tensor_that_is_read_again_is_kept() -> None:
    tensors = [Tensor("float32", (8,), name="x"), Tensor("float32", (8,))]
    tensors += [Tensor("float32", (8,), name="y")]
    steps = [Step("tanh", (0,), 1), Step("add", (0, 1), 2)]
    arena = place(Plan(tensors, steps, [0], [2]))

    assert arena.offsets[0] != arena.offsets[1]
    assert arena.size == 64


@pytest.mark.parametrize("first", [40, 400])
def test_the_peak_is_the_step_with_the_most_live_memory(first: int) -> None:
    sizes = (first, 300, 20, 4)
    tensors = [Tensor("float32", (size,), name=f"t{size}") for size in sizes]
    for outputs, inputs in zip(sizes[1:], sizes[:-1], strict=True):
        shape = (outputs, inputs)
        tensors.append(Tensor("float32", shape, values=np.zeros(shape, np.float32)))
    steps = [Step("fully_connected", (i, 4 + i), i + 1) for i in range(3)]

    assert place(Plan(tensors, steps, [0], [3])).peak == 0
    kept = place(Plan(tensors, steps, [0], [2, 3]))
    assert kept.size == place(Plan(tensors, steps, [0], [3])).size

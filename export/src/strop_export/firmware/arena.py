"""The places of tensors in the arena: memory is shared by those that do not live together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from strop_export.formats.plan import Plan, Step

WIDTHS: Final[Mapping[str, int]] = {"float32": 4, "int8": 1, "uint8": 1, "int32": 4}
# Kernels of these may write where they read: the value at i of y needs that at i of x alone.
_IN_PLACE: Final = frozenset(
    {"quantize", "dequantize", "lookup", "relu", "relu6", "sigmoid", "tanh", "softmax"}
    | {"mul", "add", "sub"}
)


class Arena(NamedTuple):
    """The places of tensors.

    Attributes:
        offsets: in bytes, of each tensor that is given or computed, by number.
        size: in bytes.
        peak: the step, from 0, whose tensors and those kept for later steps need most.
    """

    offsets: Mapping[int, int]
    size: int
    peak: int


@dataclass
class _Block:
    """Tensors that share one place: each is written over the last, or is it by another name.

    Attributes:
        size: in bytes, of the largest.
        alignment: in bytes.
        begin: the first step in which it is needed; -1: from before the run.
        end: the last step in which it is needed.
    """

    size: int
    alignment: int
    begin: int
    end: int
    tensors: list[int] = field(default_factory=list)


def tensor_bytes(plan: Plan, number: int) -> int:
    """Return the size of a tensor."""
    tensor = plan.tensors[number]
    return math.prod(tensor.dims) * WIDTHS[tensor.dtype]


def is_alias(plan: Plan, step: Step) -> bool:
    """Tell whether a step's output is its input by another name: then there is nothing to run."""
    x, y = plan.tensors[step.inputs[0]], plan.tensors[step.output]
    same = x.dtype == y.dtype and x.zero_point == y.zero_point
    return step.operator == "reshape" or (step.operator == "quantize" and same)


def place(plan: Plan) -> Arena:
    """Place all tensors that are given or computed.

    Inputs live from the start and outputs until the end. Several orders of placement are tried,
    and the smallest arena is taken; TensorFlow Lite for Microcontrollers tries the first alone.
    """
    best: tuple[int, list[_Block], list[int]] | None = None
    for may_grow in (False, True):
        blocks = _blocks(plan, may_grow=may_grow)
        for order in _ORDERS:
            offsets = _placed(blocks, sorted(range(len(blocks)), key=lambda i: order(blocks[i])))
            size = max(at + block.size for at, block in zip(offsets, blocks, strict=True))
            if best is None or size < best[0]:
                best = size, blocks, offsets
    assert best is not None  # noqa: S101  there are orders
    size, blocks, offsets = best
    where = {
        number: at for at, block in zip(offsets, blocks, strict=True) for number in block.tensors
    }
    peak = max(range(len(plan.steps)), key=lambda step: _alive(blocks, step))
    return Arena(where, size, peak)


_ORDERS: Final[Sequence[Callable[[_Block], tuple[int, ...]]]] = (
    lambda block: (-block.size, block.begin),
    lambda block: (-block.size, -block.end),
    lambda block: (block.begin - block.end, -block.size),
    lambda block: (-block.size * (block.end - block.begin + 1), block.begin),
    lambda block: (block.begin, -block.size),
    lambda block: (-block.end, -block.size),
)


def _blocks(plan: Plan, *, may_grow: bool) -> list[_Block]:
    """Find the tensors that share a place.

    Args:
        plan: the plan.
        may_grow: whether a step may write larger values, or smaller ones, where it reads.
    """
    last = _last_uses(plan)
    blocks: list[_Block] = []
    of: dict[int, _Block] = {}

    def begin(number: int, step: int) -> None:
        width = WIDTHS[plan.tensors[number].dtype]
        of[number] = _Block(tensor_bytes(plan, number), width, step, last.get(number, step))
        of[number].tensors.append(number)
        blocks.append(of[number])

    for number in plan.inputs:
        begin(number, -1)
    for i, step in enumerate(plan.steps):
        block = of[step.inputs[0]] if is_alias(plan, step) else None
        if step.operator in _IN_PLACE and block is None:
            size = tensor_bytes(plan, step.output)
            operands = (number for number in step.inputs if number in of)
            block = next(
                (
                    of[number]
                    for number in operands
                    if of[number].end == i and (may_grow or tensor_bytes(plan, number) == size)
                ),
                None,
            )
        if block is None:
            begin(step.output, i)
            continue
        block.size = max(block.size, tensor_bytes(plan, step.output))
        block.alignment = max(block.alignment, WIDTHS[plan.tensors[step.output].dtype])
        block.end = max(block.end, last.get(step.output, i))
        block.tensors.append(step.output)
        of[step.output] = block
    return blocks


def _last_uses(plan: Plan) -> dict[int, int]:
    last = {number: i for i, step in enumerate(plan.steps) for number in step.inputs}
    return last | dict.fromkeys(plan.outputs, len(plan.steps))


def _placed(blocks: Sequence[_Block], order: Sequence[int]) -> list[int]:
    """Give each block, in an order, the lowest place that is free while it lives."""
    offsets = [-1] * len(blocks)
    placed: list[int] = []
    for i in order:
        block = blocks[i]
        others = (
            (offsets[j], offsets[j] + blocks[j].size)
            for j in placed
            if blocks[j].begin <= block.end and block.begin <= blocks[j].end
        )
        at = 0
        for start, end in sorted(others):
            if at + block.size <= start:
                break
            at = max(at, -(-end // block.alignment) * block.alignment)
        offsets[i] = at
        placed.append(i)
    return offsets


def _alive(blocks: Sequence[_Block], step: int) -> int:
    return sum(block.size for block in blocks if block.begin <= step <= block.end)

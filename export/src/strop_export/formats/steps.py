"""The operators of a converted file, by the Keras layer that each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from strop_export.errors import ConversionError
from strop_export.formats.layers import is_marked, layer_of


class Step(NamedTuple):
    """An operator.

    Attributes:
        inputs: names of the tensors that it reads.
        outputs: names of the tensors that it writes.
        weights: number of weights.
        operations: multiply-accumulates of one sample; None if a loop or a branch multiplies: how
            often is not known.
        numbers: "integers" or "floats", which it computes with; "" if it only moves or converts.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: int
    operations: int | None
    numbers: str


class Work(NamedTuple):
    """The size of a layer: its number of weights, and its multiply-accumulates of one sample."""

    weights: int
    operations: int


def owners(
    steps: Sequence[tuple[Sequence[str], Sequence[str]]],
    names: Sequence[str],
    ends: Mapping[str, str],
) -> list[str]:
    """Find the Keras layer of each operator.

    A converter adds operators, and renames those that compute the model's outputs. One without the
    mark of a layer belongs to the layer that uses its result, or else to that which feeds it.

    Args:
        steps: the names of the inputs and of the outputs of each operator, in the order they run.
        names: from `numbered`.
        ends: the layer of each tensor that is an output of the model.

    Returns:
        The layer of each operator; for one in no layer, its own name.
    """
    found = [_owner(outputs, names, ends) for _, outputs in steps]
    for order, known, asked in ((-1, 0, 1), (1, 1, 0)):  # from the users, then from the sources
        layers: dict[str, str] = {}
        for i in range(len(steps))[::order]:
            if found[i] is None:
                found[i] = next((layers[x] for x in steps[i][asked] if x in layers), None)
            if (layer := found[i]) is not None:
                layers |= dict.fromkeys(steps[i][known], layer)
    return [
        layer or (layer_of(step[1][0], names) if step[1] else "")
        for layer, step in zip(found, steps, strict=True)
    ]


def _owner(outputs: Sequence[str], names: Sequence[str], ends: Mapping[str, str]) -> str | None:
    marked = next((name for name in outputs if is_marked(name)), None)
    if marked is not None:
        return layer_of(marked, names)
    return next((ends[name] for name in outputs if name in ends), None)


def check_known(float_layers: Iterable[str], layers: Sequence[str]) -> None:
    """Check that a file has the layers that are to stay in float.

    Raises:
        ConversionError: it lacks one.
    """
    known = list(dict.fromkeys(layers))
    for name in float_layers:
        if name not in known:
            raise ConversionError(
                f"the file has no operator of the layer {name!r}, which is to stay in float",
                f"choose from its layers, {', '.join(known)}",
            )


def works(steps: Sequence[Step], layers: Sequence[str]) -> dict[str, Work]:
    """Add up the weights and the multiply-accumulates of each layer, in the order they run."""
    total: dict[str, Work] = {}
    for step, layer in zip(steps, layers, strict=True):
        weights, operations = total.get(layer, (0, 0))
        total[layer] = Work(weights + step.weights, operations + (step.operations or 0))
    return total


def integer_share(steps: Sequence[Step]) -> float | None:
    """Return the share of the multiply-accumulates that is done in integers, 0 to 1.

    It is None if some are in integers, and those of a step are not known.
    """
    working = [step for step in steps if step.operations != 0]
    integers = [step.operations for step in working if step.numbers == "integers"]
    if not integers:
        return 0.0
    known = [step.operations for step in working if step.operations is not None]
    if len(known) < len(working):
        return None
    return sum(n for n in integers if n is not None) / sum(known)


def in_float(steps: Sequence[Step], layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that compute with floats alone, in the order they run.

    In a layer with multiplications only these count.
    """
    sizes = works(steps, layers)
    numbers: dict[str, set[str]] = {layer: set() for layer in sizes}
    for step, layer in zip(steps, layers, strict=True):
        if step.numbers and (step.operations != 0 or not sizes[layer].operations):
            numbers[layer].add(step.numbers)
    return tuple(layer for layer, used in numbers.items() if used == {"floats"})

"""Several inputs and outputs, by their names or in the manifest's order.

A model with one input and one output array does not import this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from strop.engines.batches import count, pick
from strop.errors import InputError
from strop.model.inputs import admit, finite
from strop.model.mends import wanted
from strop.model.named import by_name, not_named

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec, OutputSpec
    from strop.engines.base import Arrays


def admit_all(inputs: Any, specs: tuple[InputSpec, ...], name: str) -> tuple[NDArray[Any], ...]:
    """Return all inputs as batches of the right shapes and dtypes, or refuse them.

    Args:
        inputs: an array for each input: a dict by name, or a list or tuple in the manifest's order;
            for a model with one input also the array alone.
        specs: the model's inputs.
        name: of the model, for messages.

    Returns:
        An array (N, ...) for each input, as `admit` gives it; N is the same for all.

    Raises:
        InputError: one is missing, unknown, or of another shape or dtype; or N differs.
    """
    if isinstance(inputs, Mapping):
        given = by_name(inputs, specs, name)
    elif len(specs) == 1:
        given = [inputs]
    elif isinstance(inputs, list | tuple):
        given = list(inputs)
        if len(given) != len(specs):
            raise not_named(specs, name, f"got {len(given)} values")
    else:
        raise not_named(specs, name, f"got one {type(inputs).__name__}")
    several = len(specs) > 1
    arrays = tuple(
        admit(value, spec, f"{name}: input {spec.name!r}" if several else name)
        for value, spec in zip(given, specs, strict=True)
    )
    if len({len(array) for array in arrays}) > 1:
        counts = ", ".join(
            f"{len(array)} of {spec.name}" for array, spec in zip(arrays, specs, strict=True)
        )
        raise InputError(
            f"{name} takes the same number of samples for each input; got {counts}",
            "give the same N for all",
        )
    return arrays


def require_finite(samples: Arrays, specs: tuple[InputSpec, ...], name: str, largest: int) -> None:
    """Require that all values of float inputs are finite.

    Args:
        samples: (N, ...) for each input.
        specs: the model's inputs.
        name: of the model, for messages.
        largest: samples to check at a time: a copy of the whole batch might not fit in memory.

    Raises:
        InputError: a value is NaN, infinite, or too large for float32.
    """
    arrays = samples if isinstance(samples, tuple) else (samples,)
    for array, spec in zip(arrays, specs, strict=True):
        if spec.dtype == "float32":
            who = f"{name}: input {spec.name!r}" if len(specs) > 1 else name
            for start in range(0, len(array), largest):
                finite(array[start : start + largest], spec, who)


def require_numbers(
    answers: Arrays,
    outputs: tuple[OutputSpec, ...],
    samples: Arrays,
    inputs: tuple[InputSpec, ...],
    name: str,
) -> None:
    """Refuse outputs that are NaN.

    Args:
        answers: (N, ...) of each output.
        outputs: the model's outputs.
        samples: (N, ...) for each input.
        inputs: the model's inputs.
        name: of the model, for messages.

    Raises:
        InputError: an answer is NaN.
    """
    arrays = answers if isinstance(answers, tuple) else (answers,)
    for array, spec in zip(arrays, outputs, strict=True):
        if array.dtype.kind == "f" and np.isnan(array).any():
            given = samples if isinstance(samples, tuple) else (samples,)
            largest = max(float(np.abs(one.astype(np.float64)).max()) for one in given)
            what = f"NaN for {spec.name}, with" if len(outputs) > 1 else "NaN for"
            takes = " and ".join(wanted(one) for one in inputs)
            raise InputError(
                f"{name} gives {what} values of up to {largest:.3g}: its arithmetic overflows, or "
                f"its file holds NaN; it takes {takes}",
                "give smaller values",
            )


def shaped(answers: Arrays, outputs: tuple[OutputSpec, ...], structure: str) -> Any:
    """Return answers in the structure that Keras returns: an array, a list, or a dict by name.

    Args:
        answers: one array of one output, or a tuple in the manifest's order.
        outputs: the model's outputs.
        structure: the manifest's: "one", "list" or "dict".
    """
    arrays = answers if isinstance(answers, tuple) else (answers,)
    if structure == "list":
        return list(arrays)
    if structure == "dict":
        return {spec.name: array for spec, array in zip(outputs, arrays, strict=True)}
    return answers


def in_order(
    answers: Any, outputs: tuple[OutputSpec, ...], structure: str
) -> tuple[NDArray[Any], ...]:
    """Return what `Model.predict` returned as a tuple in the manifest's order.

    Args:
        answers: what it returned.
        outputs: the model's outputs.
        structure: the manifest's: "one", "list" or "dict".
    """
    if structure == "list":
        return tuple(answers)
    if structure == "dict":
        return tuple(answers[spec.name] for spec in outputs)
    return (answers,)


def first(samples: Arrays) -> Any:
    """Return the first sample, as a batch of one."""
    return pick(samples, slice(0, 1))


def repeated(samples: Arrays, size: int) -> Any:
    """Return a batch of `size` samples, repeating those given."""
    return pick(samples, np.arange(size) % count(samples))

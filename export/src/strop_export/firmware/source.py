"""A plan as C: the header and the source of a model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

from strop_export.errors import ConversionError
from strop_export.firmware.arena import Arena, is_alias, place, tensor_bytes
from strop_export.firmware.arrays import number
from strop_export.firmware.names import (
    comment,
    model_identifier,
    shape,
    string,
    tensor_identifiers,
)
from strop_export.firmware.operators import C_TYPES, Operators
from strop_export.formats.plan import Plan, Step

_MAX_ARENA_BYTES = 2**31 - 1


class Border(NamedTuple):
    """An input or output.

    Attributes:
        number: of its tensor.
        identifier: of the function that finds it.
    """

    number: int
    identifier: str


class Model(NamedTuple):
    """A plan that is written as C.

    Attributes:
        plan: the plan.
        name: the model's.
        prefix: what its identifiers begin with.
        inputs: its inputs.
        outputs: its outputs.
        arena: the places of its tensors.
        digest: the SHA-256 of the plan's file.
    """

    plan: Plan
    name: str
    prefix: str
    inputs: Sequence[Border]
    outputs: Sequence[Border]
    arena: Arena
    digest: str


def model_of(plan: Plan, plan_bytes: bytes, name: str) -> Model:
    """Lay a plan out for a microcontroller.

    Args:
        plan: the plan.
        plan_bytes: its file.
        name: of the model, any text.

    Raises:
        ConversionError: its rounding needs floats for int8, or its arena is too large.
    """
    if plan.rounding == "float":
        raise ConversionError(
            "a plan with the rounding 'float' cannot be written as C for microcontrollers",
            "use the rounding 'reference', which needs no floats for int8",
        )
    arena = place(plan)
    if arena.size > _MAX_ARENA_BYTES:
        raise ConversionError(
            f"the model would need an arena of {arena.size:,} bytes",
            f"use a smaller model: an arena has at most {_MAX_ARENA_BYTES:,}",
        )
    prefix = model_identifier(name)
    numbers = (*plan.inputs, *plan.outputs)
    found = tensor_identifiers(prefix, (plan.tensors[number].name for number in numbers))
    borders = [f"{prefix}_{identifier}" for identifier in found]
    ends = [Border(*pair) for pair in zip(numbers, borders, strict=True)]
    inputs, outputs = ends[: len(plan.inputs)], ends[len(plan.inputs) :]
    digest = hashlib.sha256(plan_bytes).hexdigest()
    return Model(plan, name, prefix, inputs, outputs, arena, digest)


def header(model: Model, *, has_golden: bool) -> str:
    """Return the header of a model.

    Args:
        model: the model.
        has_golden: whether golden samples are in the folder.
    """
    prefix, macro = model.prefix, model.prefix.upper()
    golden = f"\n/* Samples with proven outputs. */\nextern const strop_golden {prefix}_golden;\n"
    return f"""/* {comment(model.name)}, made by strop-export. */
#ifndef {macro}_H
#define {macro}_H

#include "strop/strop_mcu.h"

#ifdef __cplusplus
extern "C" {{
#endif

/* The memory of a run, aligned to 8 bytes:
 *     static uint64_t arena[({macro}_ARENA_BYTES + 7) / 8];
 * Write the inputs, run, read the outputs. */
#define {macro}_ARENA_BYTES {model.arena.size}

{"".join(_finder(model, border, is_input=True) for border in model.inputs)}\
/* Compute the outputs. The inputs are destroyed. */
void {prefix}_run(void *arena);

{"".join(_finder(model, border, is_input=False) for border in model.outputs)}\
/* The same for code that takes any model. */
extern const strop_model {prefix};
{golden if has_golden else ""}
#ifdef __cplusplus
}}
#endif

#endif
"""


def source(model: Model, layers: Sequence[str] = ()) -> str:
    """Return the source of a model.

    Args:
        model: the model.
        layers: the Keras layer of each step, "" where none is known.

    Raises:
        ConversionError: a step cannot be written.
    """
    plan, prefix = model.plan, model.prefix
    constants, calls = [], []
    operators = Operators(plan, model.arena)
    for i, step in enumerate(plan.steps):
        layer = layers[i] if i < len(layers) else ""
        said = f"/* {i + 1}. {_summary(plan, step, layer)} */"
        if is_alias(plan, step):
            calls.append(f"    {said}")
            continue
        written, called = len(operators.constants), len(operators.calls)
        operators.add(step, i + 1)
        if len(operators.constants) > written:
            constants.append("\n".join((said, *operators.constants[written:])))
        calls.append("\n".join((f"    {said}", *operators.calls[called:])))
    if not operators.calls:
        calls.append("    (void)arena;")
    return f"""/* {comment(model.name)}, made by strop-export from the plan
 * {model.digest}. */
#include "{prefix}.h"

#include "strop/kernels.h"

#define AT(type, offset) ((type *)(void *)((uint8_t *)arena + (offset)))

{"".join(f"{constant}{chr(10) * 2}" for constant in constants)}\
void {prefix}_run(void *arena) {{
{chr(10).join(calls)}
}}

static const strop_array arrays[{len(model.inputs) + len(model.outputs)}] = {{
{"".join(_array(model, border) for border in (*model.inputs, *model.outputs))}}};

const strop_model {prefix} = {{
    {string(model.name)},
    "{model.digest}",
    {prefix.upper()}_ARENA_BYTES,
    {len(model.inputs)},
    {len(model.outputs)},
    arrays,
    {prefix}_run,
}};
"""


def _finder(model: Model, border: Border, *, is_input: bool) -> str:
    tensor = model.plan.tensors[border.number]
    kind, macro = C_TYPES[tensor.dtype], border.identifier.upper()
    const, role, rule = (
        ("", "Input", "write it, then run")
        if is_input
        else ("const ", "Output", "valid until the inputs are written again")
    )
    values, at = math.prod(tensor.dims), model.arena.offsets[border.number]
    meaning = scale = ""
    if tensor.scale:
        meaning = f"\n * A value means {macro}_SCALE * (value - {macro}_ZERO_POINT)."
        scale = (
            f"#define {macro}_SCALE {number(tensor.scale)}\n"
            f"#define {macro}_ZERO_POINT ({tensor.zero_point})\n"
        )
    what = f"{role} {comment(tensor.name)}, {tensor.dtype} {shape(tensor.dims)}"
    return f"""/* {what}: {rule}.{meaning} */
#define {macro}_VALUES {values}
{scale}\
static inline {const}{kind} *{border.identifier}({const}void *arena) {{
    return ({const}{kind} *)({const}void *)(({const}uint8_t *)arena + {at});
}}

"""


def _array(model: Model, border: Border) -> str:
    name = string(model.plan.tensors[border.number].name)
    at, size = model.arena.offsets[border.number], tensor_bytes(model.plan, border.number)
    return f"    {{{name}, {at}, {size}}},\n"


def _summary(plan: Plan, step: Step, layer: str) -> str:
    """Describe a step: 2. fully_connected: int8 (28, 28) -> int8 (50), relu; layer hidden."""
    computed = [number for number in step.inputs if plan.tensors[number].values is None]
    given = ", ".join(_kind(plan, number) for number in computed)
    fused = "" if step.activation == "none" else f", {step.activation}"
    known = f"; layer {comment(layer)}" if layer else ""
    return f"{step.operator}: {given} -> {_kind(plan, step.output)}{fused}{known}"


def _kind(plan: Plan, number: int) -> str:
    tensor = plan.tensors[number]
    return f"{tensor.dtype} {shape(tensor.dims)}"

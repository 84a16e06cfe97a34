"""Plans that take a sensor's bytes where the model takes float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strop_export.formats.plan import Plan, Step, Tensor


def take_bytes(plan: Plan, takes_bytes: Sequence[bool]) -> Plan:
    """Make float32 inputs uint8, each with a step that turns the bytes into floats.

    Args:
        plan: the plan.
        takes_bytes: for each input, whether to do so.
    """
    tensors, inputs, steps = list(plan.tensors), list(plan.inputs), list[Step]()
    for i, wanted in enumerate(takes_bytes):
        number = inputs[i]
        wide = tensors[number]
        if wanted and wide.dtype == "float32":
            tensors[number] = replace(wide, name="")
            inputs[i] = len(tensors)
            tensors.append(Tensor("uint8", wide.dims, scale=1.0, name=wide.name))
            steps.append(Step("dequantize", (inputs[i],), number))
    return replace(plan, tensors=tensors, inputs=inputs, steps=[*steps, *plan.steps])

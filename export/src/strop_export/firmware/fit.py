"""Whether firmware fits its flash and RAM, and what takes the room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strop_export.errors import DoesNotFit
from strop_export.firmware.arena import place, tensor_bytes
from strop_export.firmware.names import shape
from strop_export.firmware.options import Options
from strop_export.firmware.sizes import Sizes
from strop_export.formats.plan import Plan


def check(sizes: Mapping[str, Sizes], plan: Plan, layers: Sequence[str], options: Options) -> None:
    """Check what a model needs on each CPU against the limits.

    Args:
        sizes: by the CPU's name, as messages write it.
        plan: the model.
        layers: the Keras layer of each step, "" where none is known.
        options: the limits.

    Raises:
        DoesNotFit: it needs more on a CPU; the message says what takes the room.
    """
    flash = {cpu: need.flash_bytes for cpu, need in sizes.items()}
    ram = {cpu: need.ram_bytes for cpu, need in sizes.items()}
    faults = []
    if past := _past(flash, options.max_flash_bytes, "flash", "--max-flash"):
        faults.append(f"{past}: {_in_flash(plan, layers, max(flash.values()))}")
    if past := _past(ram, options.max_ram_bytes, "RAM", "--max-ram"):
        largest = max(sizes.values(), key=lambda need: need.ram_bytes)
        faults.append(
            f"{past}: {largest.arena_bytes:,} are the arena, {largest.stack_bytes:,} the stack; "
            f"{_most_live(plan, layers)}"
        )
    if faults:
        raise DoesNotFit("; ".join(faults), "use a smaller model, or allow more")


def _past(needs: Mapping[str, int], most: int | None, memory: str, option: str) -> str:
    """Say which CPUs a model does not fit, the one that needs most first; "" if it fits all."""
    if most is None:
        return ""
    past = sorted((cpu for cpu, need in needs.items() if need > most), key=lambda c: -needs[c])
    listed = ", ".join(f"{needs[cpu]:,} bytes of {memory} on {cpu}" for cpu in past)
    return f"the model needs {listed}, and {option} allows {most:,}" if past else ""


def _in_flash(plan: Plan, layers: Sequence[str], total: int) -> str:
    """Say what takes the flash: weights or code, and the step with the largest weights."""
    sizes = _constants(plan)
    weights = sum(sizes.values())
    said = f"{weights:,} are weights, {total - weights:,} code and tables"
    if not sizes:
        return said
    largest = max(sizes, key=lambda number: sizes[number])
    i = next(i for i, step in enumerate(plan.steps) if largest in step.inputs)
    what = f"{shape(plan.tensors[largest].dims)}, {sizes[largest]:,}"
    return f"{said}; {_named(plan, layers, i)} has the largest weights, {what}"


def _most_live(plan: Plan, layers: Sequence[str]) -> str:
    """Say which step needs the most values in the arena at once."""
    peak = place(plan).peak
    step = plan.steps[peak]
    x, y = (shape(plan.tensors[number].dims) for number in (step.inputs[0], step.output))
    return f"{_named(plan, layers, peak)} needs the most at once, {x} to {y}"


def _named(plan: Plan, layers: Sequence[str], step: int) -> str:
    """Return the name of a step's layer, or else its number, and its operator."""
    layer = layers[step] if step < len(layers) else ""
    return f"{f'layer {layer}' if layer else f'step {step + 1}'} ({plan.steps[step].operator})"


def _constants(plan: Plan) -> dict[int, int]:
    """Return the bytes of each constant, by its number."""
    return {
        number: tensor_bytes(plan, number)
        for number, tensor in enumerate(plan.tensors)
        if tensor.values is not None
    }

"""The ladder: the ways to write a file that stands in for an int8 one, the cheapest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from strop_export.formats import PRECISIONS, Quantization, VariantSpec
from strop_export.targets import Target

FIRST_SAMPLES: Final = 500  # more make calibration slow, and ranges hardly wider


@dataclass(frozen=True)
class Step:
    """One step: its name, and the file that it makes."""

    name: str
    precision: str
    quantization: Quantization = field(default_factory=Quantization)


# Equalized scales keep the size and the speed of int8, so they come before layers in float
# (docs/decisions/0030). `search` chooses the layers of the mixed step.
LADDER: Final = (
    Step("int8", "int8", Quantization(samples=FIRST_SAMPLES)),
    Step("int8, all samples", "int8"),
    Step("int8, percentile ranges", "int8", Quantization("percentile")),
    Step("int8, equalized", "int8", Quantization(equalized=True)),
    Step("int8, equalized, percentile ranges", "int8", Quantization("percentile", equalized=True)),
    Step("int8, entropy ranges", "int8", Quantization("entropy")),
    Step("mixed", "mixed"),
    Step("int16x8", "int16x8"),
    Step("dynamic", "dynamic"),
    Step("float16", "float16"),
    Step("float32", "float32"),
)


def steps_for(spec: VariantSpec) -> tuple[Step, ...]:
    """Return the steps whose precision the format of a file has."""
    return tuple(step for step in LADDER if step.precision in PRECISIONS[spec.format])


def spec_of(step: Step, target: Target, asked: VariantSpec, samples: int) -> VariantSpec:
    """Return the file of a step.

    Args:
        step: any step but "mixed".
        target: if it lists a file of this precision itself, the step makes that one.
        asked: the int8 file that the target asks for.
        samples: the number of calibration samples.
    """
    if step.precision == asked.precision:
        own = step.quantization
        if own.samples is not None and own.samples >= samples:
            own = Quantization(own.ranges, None, own.equalized)
        return VariantSpec(asked.format, asked.precision, asked.per_channel, own)
    listed = (v for v in target.variants if v.format == asked.format)
    own_files = {variant.precision: variant for variant in listed}
    return own_files.get(step.precision, VariantSpec(asked.format, step.precision))

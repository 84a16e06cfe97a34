"""The maker of the models with which `strop doctor` tries engines.

`python -m tests.probe_models` writes them again, into the runtime's package.

Weights and inputs are small integers, so the answer is exact in float32 (and even in float16),
for any order of summation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.diagnostics import probe_models
from strop_export.formats import Names, VariantSpec, convert, quiet
from tests.environments import ROOT

INPUTS, OUTPUTS = 16, 8

# No two columns of the kernel are alike, and it is not its own transpose.
_KERNEL = [[(3 * i + 5 * j + i * j) % 11 - 5 for j in range(OUTPUTS)] for i in range(INPUTS)]
_BIAS = [2 * j - 7 for j in range(OUTPUTS)]
_SAMPLE = [(4 * i) % 9 - 4 for i in range(INPUTS)]

KERNEL: NDArray[np.float32] = np.array(_KERNEL, np.float32)  # (16, 8)
BIAS: NDArray[np.float32] = np.array(_BIAS, np.float32)  # (8,)
SAMPLE: NDArray[np.float32] = np.array([_SAMPLE], np.float32)  # (1, 16)

# In Python's integers, without the arithmetic of any engine or of numpy.
ANSWER: list[int] = [
    bias + sum(x * weight for x, weight in zip(_SAMPLE, column, strict=True))
    for bias, column in zip(_BIAS, zip(*_KERNEL, strict=True), strict=True)
]


def build(format: str) -> bytes:
    """Write the model in a format, by the converter for users' models."""
    with quiet():
        import keras

        layer = keras.layers.Dense(OUTPUTS, name="dense")
        model = keras.Sequential([keras.Input((INPUTS,)), layer])
        layer.set_weights([KERNEL, BIAS])
    names = Names(("input",), ("output",))
    return convert(model, VariantSpec(format, "float32"), [SAMPLE], names).data


def main() -> None:
    """Write the files."""
    for format, name in probe_models.FILES.items():
        place = ROOT / "runtime" / "src" / "strop" / "diagnostics" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(build(format))


if __name__ == "__main__":
    main()

"""A one-layer model whose answer is known, in every format an engine here opens.

`strop doctor` runs it to see an engine work where no bundle is at hand. The files are data of this
package; tests/probe_models.py says what is in them, and a test makes them again.
"""

from __future__ import annotations

import pkgutil

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import FileTensor, Golden, Variant

FILES = {
    "plan": "probes/dense.plan",
    "tflite": "probes/dense.tflite",
    "onnx": "probes/dense.onnx",
    "weights": "probes/dense.npz",
}

SAMPLE: NDArray[np.float32] = np.array(
    [[-4, 0, 4, -1, 3, -2, 2, -3, 1, -4, 0, 4, -1, 3, -2, 2]], np.float32
)  # (1, 16)

ANSWER: NDArray[np.float32] = np.array([[-42, 2, 90, 46, -20, -9, -9, -20]], np.float32)  # (1, 8)


def model(format: str) -> tuple[bytes, Variant]:
    """Read the model as a file of a format.

    Args:
        format: "plan", "tflite", "onnx" or "weights".

    Returns:
        The file, and what it holds: float32 (N, 16) in, float32 (N, 8) out.
    """
    data = pkgutil.get_data("strop.diagnostics", FILES[format])
    assert data is not None  # noqa: S101  every loader of packages gives data
    unsigned = ("", "", 0)  # an engine looks at no digest
    variant = Variant(
        *unsigned,
        format=format,
        precision="float32",
        devices=("cpu", "gpu"),
        inputs=(FileTensor("input", (None, *SAMPLE.shape[1:]), "float32"),),
        outputs=(FileTensor("output", (None, *ANSWER.shape[1:]), "float32"),),
        requires={},
        rounding=None,
        golden=(Golden(*unsigned, tolerance=(0.0,)),),
        proofs=(),
    )
    return data, variant

"""The range of each activation, from the histogram of its values; onnxruntime has the methods."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import HistogramCollector

_PERCENTILE: Final = 99.99
# Of the two histograms. The search for the best entropy takes time with the square of its bins.
# onnxruntime's default of 128 bins has one candidate, the whole range.
_BINS: Final = {"percentile": 2048, "entropy": 512}
_STEPS: Final = 128  # of a quantized value on one side of zero

# The options of onnxruntime's calibrators, which hold the same collector.
OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "percentile": {"num_bins": _BINS["percentile"], "percentile": _PERCENTILE},
    "entropy": {"num_bins": _BINS["entropy"], "num_quantized_bins": _STEPS},
}


class Histograms:
    """Histograms of the values of tensors.

    Args:
        method: "percentile" or "entropy".
    """

    def __init__(self, method: str) -> None:
        self._collector = HistogramCollector(
            method, False, _BINS[method], _STEPS, _PERCENTILE, "same"
        )

    def add(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Add values of each tensor, of any shape."""
        self._collector.collect(values)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value that each tensor keeps."""
        found = self._collector.compute_collection_result()
        return {name: (float(low), float(high)) for name, (low, high, *_) in found.items()}

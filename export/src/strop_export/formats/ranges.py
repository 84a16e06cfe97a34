"""The range of each activation, from the histogram of its values, by onnxruntime's methods."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

_PERCENTILE: Final = 99.99
# The search for the best entropy takes 40 ms for each tensor at 512 bins, a second at 2048. At
# onnxruntime's default of 128 it has one candidate, the range of all values.
_BINS: Final = {"percentile": 2048, "entropy": 512}
_STEPS: Final = 128  # of a quantized value on one side of zero
_MOST: Final = 1e30  # the magnitude of a mask's value, which is no number of a distribution


class Histograms(HistogramCollector):  # type: ignore[misc]
    """Histograms of the values of tensors, for ranges by one method.

    A tensor with a mask's values, such as -2e38, keeps the range of all its values.

    Args:
        method: "percentile" or "entropy".
    """

    def __init__(self, method: str) -> None:
        super().__init__(method, False, _BINS[method], _STEPS, _PERCENTILE, "same")
        self._ends: dict[str, tuple[float, float]] = {}

    def collect(self, name_to_arr: Mapping[str, Any]) -> None:
        """Count the values of some tensors, by name."""
        counted = {}
        for name, values in name_to_arr.items():
            array = np.asarray(values)
            low, high = self._ends.get(name, (0.0, 0.0))
            low, high = float(array.min(initial=low)), float(array.max(initial=high))
            self._ends[name] = (low, high)
            if not self._is_masked(name):
                counted[name] = array
        super().collect(counted)

    def compute_collection_result(self) -> dict[str, tuple[Any, ...]]:
        """Return the ends of each tensor's range, with its histogram."""
        found = dict(super().compute_collection_result()) if self.histogram_dict else {}
        for name in filter(self._is_masked, self._ends):
            ends = np.array(self._ends[name], np.float32)
            found[name] = (*ends, np.zeros(1, np.int64), ends)
        return found

    def _is_masked(self, name: str) -> bool:
        return max(map(abs, self._ends[name])) >= _MOST

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value that each tensor keeps."""
        found = self.compute_collection_result()
        return {name: (float(low), float(high)) for name, (low, high, *_) in found.items()}

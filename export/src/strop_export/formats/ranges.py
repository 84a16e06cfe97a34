"""The range of each activation, from the histogram of its values, by onnxruntime's methods."""

from typing import Final

from onnxruntime.quantization.calibrate import HistogramCollector

_PERCENTILE: Final = 99.99
# The search for the best entropy takes 40 ms for each tensor at 512 bins, a second at 2048. At
# onnxruntime's default of 128 it has one candidate, the range of all values.
_BINS: Final = {"percentile": 2048, "entropy": 512}
_STEPS: Final = 128  # of a quantized value on one side of zero


class Histograms(HistogramCollector):  # type: ignore[misc]
    """Histograms of the values of tensors, for ranges by one method.

    Args:
        method: "percentile" or "entropy".
    """

    def __init__(self, method: str) -> None:
        super().__init__(method, False, _BINS[method], _STEPS, _PERCENTILE, "same")

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value that each tensor keeps."""
        found = self.compute_collection_result()
        return {name: (float(low), float(high)) for name, (low, high, *_) in found.items()}

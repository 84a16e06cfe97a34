"""The releases to measure, in ascending order, and the Pythons that they are tried with."""

from __future__ import annotations

from typing import Final

# Every release of the two .tflite engines that pip finds for the Pythons below. For ONNX Runtime:
# the first release of each minor version, whose later patches read the same files; those that
# requirements/ pins; and the lowest that the runtime's extra allows.
RELEASES: Final[dict[str, tuple[str, ...]]] = {
    "tflite": ("2.13.0", "2.14.0"),
    "litert": (
        *("1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.1.2", "1.2.0", "1.3.0", "1.4.0"),
        *("2.0.2", "2.0.3", "2.1.0", "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6"),
        *("2.2.0", "2.3.0"),
    ),
    "onnx": (
        *("1.12.0", "1.13.1", "1.14.0", "1.15.0", "1.16.0", "1.17.0", "1.18.0", "1.18.1"),
        *("1.19.0", "1.20.0", "1.21.0", "1.22.0", "1.23.0", "1.23.2", "1.24.1", "1.25.0", "1.26.0"),
        *("1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.0", "1.31.1", "1.32.0"),
    ),
}
PACKAGES: Final = {"tflite": "tflite-runtime", "litert": "ai-edge-litert", "onnx": "onnxruntime"}
PYTHONS: Final = ("python3.11", "python3.10")  # the first that has a wheel of the release

"""The most that a variant may lose against Keras, over the whole test set."""

from __future__ import annotations

from typing import Final, NamedTuple


class Bound(NamedTuple):
    disagreements: int
    max_abs_error: float
    accuracy_loss_points: float


BOUNDS: Final = {
    ("edge", "float32"): Bound(0, 1e-5, 0.0),
    ("edge", "float16"): Bound(2, 0.05, 0.05),
    ("edge", "dynamic"): Bound(8, 0.5, 0.2),
    ("edge", "dynamic per-tensor"): Bound(25, 0.5, 0.2),
    ("edge", "int8"): Bound(12, 0.9, 0.05),
    ("notebook", "float32"): Bound(0, 1e-5, 0.0),
    ("notebook", "float16"): Bound(5, 0.05, 0.05),
    ("notebook", "dynamic"): Bound(25, 0.5, 0.2),
    ("notebook", "dynamic per-tensor"): Bound(25, 0.5, 0.2),
    ("notebook", "int8"): Bound(25, 0.9, 0.2),
}

"""How the ranges of the layers settle with the number of calibration samples.

A range after k samples depends on which they are, so it is averaged over a few random orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.calibration.ranges import INNER, Layer

SETTLED = 0.05  # of its final range that a settled one may lack
_ORDERS, _SEED = 10, 1


def settle(layers: Sequence[Layer]) -> dict[str, Any]:
    """Describe how the layers' ranges settle, as plain JSON values.

    Returns:
        `samples` that were measured; `steps`, numbers of samples; `settled_at`, the first step by
        which every layer lacks at most `SETTLED` of its final range, or None if half of the
        samples are not enough; `last`, the layer that settles last; `widened`, by how much the
        second half of the samples widened that range, as a share; and `layers`: `layer`, its final
        `range` and `inner_range`, what both lack after each step as a share of them (`lacks`,
        `inner_lacks`), and `settled_at`.
    """
    count = len(layers[0].low)
    steps = numbers(count)
    random = np.random.default_rng(_SEED)
    orders = np.stack([random.permutation(count) for _ in range(_ORDERS)])
    rows = [_settled(layer, steps, orders) for layer in layers]
    half = steps.index(max(count // 2, 1))
    last = max(rows, key=lambda row: (row["settled_at"], row["lacks"][half]))
    settled = bool(last["settled_at"] <= count // 2)
    lacks = last["lacks"][half]
    return {
        "samples": count,
        "steps": steps,
        "settled_at": last["settled_at"] if settled else None,
        "last": last["layer"],
        "widened": lacks / (1 - lacks) if lacks < 1 else None,
        "layers": rows,
    }


def last_doubling(settled: dict[str, Any]) -> str:
    """Say how much the second half of the samples widened the layer that settles last."""
    last, widened = settled["last"], settled["widened"]
    if widened is None:
        return f"the values of {last} vary in the second half of them alone"
    return f"the second half of them widened the range of {last} by {widened:.0%}"


def numbers(count: int) -> list[int]:
    """Return the numbers of samples to compare: 1, 2, 5, 10, 20, 50 .., half of them, and all."""
    half = max(count // 2, 1)
    series = (digit * 10**power for power in range(10) for digit in (1, 2, 5))
    return sorted({*(k for k in series if 1.5 * k < half), half, count})


def _settled(layer: Layer, steps: Sequence[int], orders: NDArray[np.int64]) -> dict[str, Any]:
    low, high = layer.low[:, 0], layer.high[:, -1]
    ends = np.array(steps) - 1
    outer = np.stack(
        [
            np.minimum.accumulate(low[orders], axis=1)[:, ends],
            np.maximum.accumulate(high[orders], axis=1)[:, ends],
        ]
    )  # (2, orders, steps)
    inner = np.array([[_inner(layer, order[:k]) for k in steps] for order in orders])
    lacks, inner_lacks = _lacking(outer), _lacking(inner.transpose(2, 0, 1))
    late = [i for i, lacking in enumerate(lacks) if lacking > SETTLED]
    return {
        "layer": layer.name,
        "range": outer[:, 0, -1].tolist(),
        "inner_range": inner[0, -1].tolist(),
        "lacks": lacks,
        "inner_lacks": inner_lacks,
        "settled_at": steps[max(late) + 1] if late else steps[0],
    }


def _inner(layer: Layer, chosen: NDArray[np.int64]) -> tuple[float, float]:
    """Return the range of the inner values of some samples."""
    left_out = round(len(chosen) * layer.size * (1 - INNER) / 2)  # at each end
    low, high = layer.low[chosen].ravel(), layer.high[chosen].ravel()
    at = len(high) - 1 - left_out
    return float(np.partition(low, left_out)[left_out]), float(np.partition(high, at)[at])


def _lacking(ranges: NDArray[np.floating[Any]]) -> list[float]:
    """Return how far ranges are from their last ones, as a share of these; the mean of all orders.

    Args:
        ranges: (2, orders, steps): low and high.
    """
    final = ranges[:, :, -1:]
    width = np.ptp(final[:, 0, 0])
    if width == 0:
        return [0.0] * ranges.shape[2]
    return list(map(float, np.abs(ranges - final).sum(axis=0).mean(axis=0) / width))

"""The layer where a quantized file breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from strop_export.layer_errors.figures import MOST_DB, Figures
from strop_export.layer_errors.measure import TensorError

BROKEN_DB: Final = 15.0  # docs/decisions/0031-layer-errors.md has the files on both sides

_ALIKE_DB: Final = 3.0  # a factor of two: harms that differ by less count as the same


class Culprit(NamedTuple):
    """The layer where a file breaks, and the cause.

    Attributes:
        tensor: the tensor of the file.
        layer: its Keras layer; "" if its name does not tell.
        cause: "rounding": the tensor's range is too wide for its steps; "clipping": its range is
            too narrow, and values outside of it make most of the error of rounding; "weights":
            the range of the operator's weights is too wide; "sum": small errors come together,
            and here become large.
        channels_db: the ratio that the rounding, with its clipping, or the weights alone leave; for
            "sum" all errors together.
    """

    tensor: str
    layer: str
    cause: str
    channels_db: float


def own_db(error: TensorError) -> tuple[float, str]:
    """Return the ratio that a tensor's own rounding or weights leave, and the cause."""
    rounding, weights = _ratio(error.rounding), _ratio(error.weights)
    if weights < rounding:
        return weights, "weights"
    is_clipped = _ratio(error.clipping) <= rounding + _ALIKE_DB
    return rounding, "clipping" if is_clipped else "rounding"


def culprit(errors: Sequence[TensorError]) -> Culprit | None:
    """Find the layer where a file breaks.

    A file is broken if an output keeps less than `BROKEN_DB`; if no output varies, the last tensor
    that does counts. It breaks at the first tensor that
    does about the most harm by itself; if none does as much alone, at the first where so little is
    left.

    Args:
        errors: from `measure`.
    """
    measured = [error for error in errors if error.total.channels_db is not None]
    ends = [error for error in measured if error.is_output] or measured[-1:]
    if all(_ratio(error.total) >= BROKEN_DB for error in ends):
        return None
    least = min(own_db(error)[0] for error in errors)
    if least < BROKEN_DB:
        error = next(error for error in errors if own_db(error)[0] <= least + _ALIKE_DB)
        ratio, cause = own_db(error)
        return Culprit(error.tensor, error.layer, cause, ratio)
    first = next(error for error in errors if _ratio(error.total) < BROKEN_DB)
    return Culprit(first.tensor, first.layer, "sum", _ratio(first.total))


def _ratio(figures: Figures | None) -> float:
    """Return the ratio over the channels; for what is exact, or does not vary, the highest."""
    if figures is None or figures.channels_db is None:
        return MOST_DB
    return figures.channels_db

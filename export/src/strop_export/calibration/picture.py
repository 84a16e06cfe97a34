"""The picture of how the ranges settle: what each layer's range lacks, by number of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from strop_export.calibration import settling
from strop_export.calibration.ranges import INNER
from strop_export.pictures import blank, cut, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (100, 50, 20, 10, 5, 2, 1)  # percent
_FLOOR = 0.7  # percent; curves end here
_LAST, _OTHERS, _GOOD = "#d55e00", "#8a97a3", "#009e73"  # distinct for the colour-blind
_LONGEST = 32  # characters of a name


def draw(name: str, settled: Mapping[str, Any]) -> bytes:
    """Draw how the ranges settle.

    Args:
        name: the model's name.
        settled: from `settling.settle`.

    Returns:
        The bytes of a PNG.
    """
    return png(lambda: _figure(name, settled))


def _figure(name: str, settled: Mapping[str, Any]) -> Figure:
    figure = blank(9, 5.2, layout="constrained")
    axes = figure.add_subplot()
    _frame(axes, settled["samples"])
    half = settled["steps"].index(max(settled["samples"] // 2, 1)) + 1
    steps = settled["steps"][:half]
    for row in settled["layers"]:
        lacks = _percent(row["lacks"][:half])
        if row["layer"] == settled["last"]:
            inner = _percent(row["inner_lacks"][:half])
            axes.plot(steps, lacks, color=_LAST, lw=3, zorder=4)
            axes.plot(steps, inner, color=_LAST, lw=1.5, ls=(0, (2, 2)), zorder=4)
            _name(axes, row["layer"], steps[half // 2 - 1], lacks[half // 2 - 1])
        else:
            axes.plot(steps, lacks, color=_OTHERS, lw=1, alpha=0.6)
    _verdict(axes, name, settled)
    return figure


def _frame(axes: Axes, count: int) -> None:
    """Draw the axes, the band of settled ranges, and the half that is only compared with."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set(xscale="log", yscale="log", xlim=(1, max(count, 2)), ylim=(_FLOOR, 105))
    axes.xaxis.set_major_locator(FixedLocator(settling.numbers(count)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e7ea")
    axes.set_axisbelow(True)
    axes.axhspan(_FLOOR, 100 * settling.SETTLED, color=_GOOD, alpha=0.15, lw=0)
    axes.text(1.04, _FLOOR * 1.1, "settled", color=_GOOD, weight="bold", va="bottom")
    axes.axvspan(max(count // 2, 1), count, color="#eef0f2", zorder=0, lw=0)
    axes.set_xlabel("calibration samples (grey: the second half, which the first is compared with)")
    axes.set_ylabel("range that is still missing")


def _name(axes: Axes, layer: str, x: float, y: float) -> None:
    """Write the name of the layer that settles last above its curve, and which curve is which."""
    axes.annotate(
        f"{cut(layer, _LONGEST)}\n(dotted: {100 * INNER:.2f} % of its values)",
        (x, y),
        xytext=(14, 14),
        textcoords="offset points",
        color=_LAST,
        zorder=5,
    )


def _verdict(axes: Axes, name: str, settled: Mapping[str, Any]) -> None:
    """Write the result above the curves, and mark the number of samples that was enough."""
    done, count = settled["settled_at"], settled["samples"]
    last = f"{cut(settled['last'], _LONGEST)} is last"
    if done is None:
        said, color = f"not settled after {count:,} samples, {last}", _LAST
    else:
        said, color = f"settled after {done:,} of {count:,} samples, {last}", _GOOD
        axes.axvline(done, color=_GOOD, lw=2)
    axes.set_title(f"{cut(name, _LONGEST)}: {said}", loc="left", weight="bold", color=color, pad=22)
    axes.text(0, 1.02, "a line for each layer", transform=axes.transAxes, color=_OTHERS)


def _percent(lacks: Sequence[float]) -> list[float]:
    return [max(100 * share, _FLOOR) for share in lacks]

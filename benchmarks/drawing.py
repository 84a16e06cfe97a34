"""The parts that all pictures share: colours, a figure, plain axes, short numbers, and saving.

A README shows a picture about 830 pixels wide: at 9 inches across, text of 9 points can be read.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = ("#2f6fde", "#d64545", "#1b7f4b", "#b7791f", "#6b46c1", "#0e7490")
WIDTH = 9.0  # inches
SMALL = 9  # points: the smallest readable text
_DPI = 160


def sheet(height: float) -> Figure:
    """Make a white figure as wide as all of them.

    Args:
        height: in inches.
    """
    figure = Figure(figsize=(WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes) -> None:
    """Make axes plain, so that the figures stand out."""
    axes.tick_params(which="both", colors=MUTED, labelsize=SMALL, length=0)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_color(GRID)


def short(value: float) -> str:
    """Write a round number in few characters, such as "1.5k"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def save(figure: Figure, path: Path) -> None:
    """Write a picture: the same figures give the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    figure.savefig(path, metadata={"Software": None})

"""The parts that all pictures share: colours, a figure, plain axes, short numbers, and saving.

A README shows a picture about 830 pixels wide: at 9 inches across, text of 9 points can be read.
A phone shows it about 360 pixels wide: there, only text of 14 points and more can be read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = ("#2f6fde", "#d64545", "#1b7f4b", "#b7791f", "#6b46c1", "#0e7490")
WIDTH = 9.0  # inches
SMALL = 9  # points: the smallest readable text
NOTE, LARGE = 11, 15  # points: notes, and what a phone shows too
_DPI = 160
_GREY = "#52606d"  # of notes
_PADDING, _CORNER = 0.16, 0.14  # inches: around the parts of a card, and of its corners
_LEFT, _LETTERS = 0.03, 108  # of a card's title and notes: the left end, and letters of a line


def sheet(height: float) -> Figure:
    """Make a white figure as wide as all of them.

    Args:
        height: in inches.
    """
    figure = Figure(figsize=(WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def card(height: float) -> Figure:
    """Make a figure on a white card with round corners, for pages with a light or dark background.

    Args:
        height: in inches.
    """
    figure = sheet(height)
    figure.set_facecolor("none")
    edge = _CORNER + 0.01  # inches: the line lies within the picture
    box = FancyBboxPatch(
        (edge, edge),
        WIDTH - 2 * edge,
        height - 2 * edge,
        boxstyle=f"round,pad={_CORNER}",
        facecolor="white",
        edgecolor=GRID,
        transform=figure.dpi_scale_trans,
        zorder=-1,
    )
    box.set_in_layout(False)
    figure.add_artist(box)
    figure.set_layout_engine("constrained", w_pad=_PADDING, h_pad=_PADDING)
    return figure


def head(figure: Figure, text: str) -> None:
    """Write the title of a card, as a sentence."""
    figure.suptitle(text, x=_LEFT, ha="left", fontsize=LARGE + 1, fontweight="bold", color=INK)


def foot(figure: Figure, notes: Iterable[str]) -> None:
    """Write notes at the bottom of a card, each on lines of its own."""
    lines = [line for note in notes for line in textwrap.wrap(note, _LETTERS)]
    figure.supxlabel("\n".join(lines), x=_LEFT, ha="left", fontsize=NOTE, color=_GREY)


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
    """Write a picture of at most 256 colours: the same figures give the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    drawn = BytesIO()
    figure.savefig(drawn)
    with Image.open(drawn) as picture:
        is_opaque = picture.getchannel("A").getextrema()[0] == 255
        shades = picture.convert("RGB") if is_opaque else picture
        small = shades.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, "PNG", optimize=True)

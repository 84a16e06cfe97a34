"""What all pictures share: a figure without a window, its bytes, and other people's names in it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from strop.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind people tell apart.
BLACK, ORANGE, BLUE, RED, GREEN = "#000000", "#E69F00", "#0072B2", "#D55E00", "#009E73"
GREY = "#8A97A3"


def png(make: Callable[[], Figure]) -> bytes:
    """Return the bytes of a figure as a PNG, whatever style a notebook has set."""
    from matplotlib import style

    out = io.BytesIO()
    with warnings.catch_warnings(), style.context("default"):
        warnings.simplefilter(
            "ignore", UserWarning
        )  # letters that the font lacks are drawn as boxes
        make().savefig(out, format="png")
    return out.getvalue()


def blank(width: float, height: float, **options: Any) -> Figure:
    """Return an empty figure of a size in inches, without a window, whatever the environment."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, **options)
    FigureCanvasAgg(figure)
    return figure


def literal(text: str) -> str:
    """Return other people's text for Matplotlib, which takes $ for a formula."""
    return printable(text).replace("$", r"\$")


def cut(name: str, longest: int) -> str:
    """Return a name of other people's for one line of so many letters."""
    plain = printable(name)
    return literal(plain if len(plain) <= longest else f"{plain[: longest - 2]}..")

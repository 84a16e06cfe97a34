"""The picture of a bundle's files, layer by layer: one glance finds where a file breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from strop_export.layer_errors.culprit import BROKEN_DB
from strop_export.layer_errors.entries import picture_name, ratio_of, title
from strop_export.pictures import BLACK, BLUE, ORANGE, RED, blank, cut, literal, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_TENSORS: Final = 60  # of a panel; with more, a column stands for a layer
_MOST_LABELS: Final = 45
_MOST_LETTERS: Final = 26  # of a label
_TITLE_LETTERS: Final = 60  # of a line of a panel's title
_TOP_DB: Final = 80.0
_PANEL_INCHES, _LABEL_INCHES, _TITLE_INCHES = 2.6, 1.5, 1.1
_TOTAL, _ROUNDING, _WEIGHTS, _BROKEN = BLACK, ORANGE, BLUE, RED  # the markers differ too


def pictures(layers: Sequence[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Draw a picture for each bundle.

    Args:
        layers: report.json's `layers`.

    Yields:
        The name of the picture's file, and its bytes.
    """
    for bundle in dict.fromkeys(file["bundle"] for file in layers):
        files = [file for file in layers if file["bundle"] == bundle]
        yield picture_name(bundle), draw(bundle, files)


def draw(bundle: str, files: Sequence[dict[str, Any]]) -> bytes:
    """Draw a bundle's picture, and return the bytes of the PNG.

    Args:
        bundle: the name of the bundle's file, for the title.
        files: its entries of report.json's `layers`; at least one.
    """
    return png(lambda: figure_of(bundle, files))


def figure_of(bundle: str, files: Sequence[dict[str, Any]]) -> Figure:
    """Make the figure of a bundle's picture, with a panel for each file; see `draw`."""
    panels = [_columns(file) for file in files]
    widest = max(map(len, panels))
    across = 2 if len(files) > 1 and widest <= 30 else 1
    down = -(-len(files) // across)
    width = across * min(max(6.5, 0.28 * widest + 2), 16.0)
    height = down * (_PANEL_INCHES + _LABEL_INCHES) + _TITLE_INCHES
    figure = blank(width, height)
    figure.subplots_adjust(
        left=0.9 / width,
        right=1 - 0.3 / width,
        top=1 - _TITLE_INCHES / height,
        bottom=_LABEL_INCHES / height,
        hspace=_LABEL_INCHES / _PANEL_INCHES,
        wspace=0.15,
    )
    grid = figure.subplots(down, across, squeeze=False)
    for axes, file, columns in zip(grid.flat, files, panels, strict=False):
        _draw_panel(axes, file, columns)
    for axes in grid.flat[len(files) :]:
        axes.set_visible(False)
    said = f"{literal(bundle)}: signal to noise of each layer, in the order they run"
    figure.suptitle(said, y=1 - 0.12 / height, va="top")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    place = (0.5, 1 - 0.38 / height)
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=place, ncols=4, frameon=False)
    return figure


def _columns(file: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the tensors of each column: one each, or those of a layer if there are many."""
    tensors = file["tensors"]
    if len(tensors) <= _MOST_TENSORS:
        return [[tensor] for tensor in tensors]
    return [list(group) for _, group in groupby(tensors, key=lambda tensor: tensor["layer"])]


def _draw_panel(
    axes: Axes, file: dict[str, Any], columns: Sequence[Sequence[dict[str, Any]]]
) -> None:
    places = range(len(columns))
    found = file["culprit"]
    for part, label, colour, marker, line, size in (
        ("total", "with all errors so far", _TOTAL, "o", "-", 4),
        ("rounding", "with its own rounding alone", _ROUNDING, "v", "None", 8),
        ("weights", "with its own weights' error alone", _WEIGHTS, "s", "None", 6),
    ):
        heights = [_least(column, part) for column in columns]
        axes.plot(
            [x for x, y in zip(places, heights, strict=True) if y is not None],
            [y for y in heights if y is not None],
            linestyle=line,
            color=colour,
            marker=marker,
            markersize=size,
            linewidth=1.8,
            label=label,
            clip_on=False,
            zorder=3,
        )
    axes.axhspan(0, BROKEN_DB, color=_BROKEN, alpha=0.12, linewidth=0, label="broken")
    at = next(
        (x for x in places if found and any(t["tensor"] == found["tensor"] for t in columns[x])),
        None,
    )
    if at is not None:
        axes.axvspan(at - 0.45, at + 0.45, color=_BROKEN, alpha=0.5, linewidth=0)
        left = at < len(columns) / 2
        place = cut(found["layer"] or found["tensor"], _MOST_LETTERS)
        axes.annotate(
            f"breaks at {place}\n({_CAUSES[found['cause']]})",
            (at + (0.45 if left else -0.45), _TOP_DB * 0.8),
            xytext=(6 if left else -6, 0),
            textcoords="offset points",
            ha="left" if left else "right",
            color="#A03C00",
            fontsize=12,
            fontweight="bold",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 2},
            zorder=4,
        )
    says = "" if file["ships"] else ", left out"
    state = "no layer breaks it" if found is None else "broken"
    axes.set_title(
        fill(f"{literal(title(file))}{says}: {state}", _TITLE_LETTERS),
        loc="left",
        fontsize=11,
        fontweight="bold",
        color="black" if found is None else "#A03C00",
    )
    axes.set_ylim(0, _TOP_DB)
    axes.set_xlim(-0.6, max(len(columns) - 0.4, 3))
    axes.set_ylabel("dB (more is better)")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _label(axes, columns, at)


def _label(axes: Axes, columns: Sequence[Sequence[dict[str, Any]]], at: int | None) -> None:
    """Write each layer's name once, below its first column; of very many only some."""
    names = [column[0]["layer"] or column[0]["tensor"] for column in columns]
    firsts = [x for x in range(len(names)) if x == 0 or names[x] != names[x - 1]]
    step = -(-len(firsts) // _MOST_LABELS)
    shown = {*firsts[::step]}
    if at is not None:
        start = max(x for x in firsts if x <= at)
        shown = {x for x in shown if step == 1 or abs(x - start) >= step} | {start}
    places = sorted(shown)
    axes.set_xticks(
        places, [cut(names[x], _MOST_LETTERS) for x in places], rotation=45, ha="right", fontsize=8
    )
    for label, x in zip(axes.get_xticklabels(), places, strict=True):
        if at is not None and names[x] == names[at] and x <= at:
            label.set_color("#A03C00")
            label.set_fontweight("bold")


_CAUSES: Final = {
    "rounding": "own rounding",
    "clipping": "range too narrow",
    "weights": "own weights",
    "sum": "errors add up",
}


def _least(column: Sequence[dict[str, Any]], part: str) -> float | None:
    ratios = [ratio for tensor in column if (ratio := ratio_of(tensor[part])) is not None]
    return min(max(min(ratios), 0.0), _TOP_DB) if ratios else None

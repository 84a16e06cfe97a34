"""A picture of what has drifted: where, in which figures, and what the model answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from strop.bundle.counts import Counts
from strop.bundle.manifest import InputSpec, Manifest, OutputSpec
from strop.bundle.schema import CLASS
from strop.diagnostics.drift import DRIFTED, DRIFTED_INDEX, WATCH, Finding, Judgement
from strop.diagnostics.drift_words import cell_of, grid_of, headline
from strop.errors import printable
from strop.model.model import labels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_BEFORE = "#c3cad3"
_COLOURS = {DRIFTED: "#d64545", WATCH: "#b7791f"}  # of what was seen, by level; else:
_ALIKE = "#2f6fde"
_SIZE, _DPI = (11.0, 7.2), 130  # inches
_STRONGEST = 3  # figures that have a histogram of their own
_MOST_CLASSES = 20  # that are drawn: those that changed most
_NUMBERS = 5  # edges that are written below a histogram, so that they do not touch
_NOTHING = 1e-4  # of the largest edge: less is written as 0
_NEARLY = 0.99  # confidences above it are written as what they lack
_LONGEST = 14  # characters of a label
# Whatever the user has set; and a $ in other people's names is no formula.
_STYLE: Any = ("default", {"text.parse_math": False})
_TITLE, _TEXT, _SMALL = 14, 10.5, 9  # points


def png(manifest: Manifest, counts: Counts, judgement: Judgement) -> bytes:
    """Draw a judgement: the map of the grid, the classes, the confidence, the strongest figures.

    Args:
        manifest: of the bundle.
        counts: what was judged.
        judgement: how.

    Returns:
        A PNG.
    """
    with style.context(_STYLE):
        return _png(manifest, counts, judgement)


def _png(manifest: Manifest, counts: Counts, judgement: Judgement) -> bytes:
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.06)
    draw(figure, judgement)
    said = textwrap.fill(f"{judgement.level}: {headline(judgement)}", 92, max_lines=3)
    figure.suptitle(said, x=0.012, ha="left", fontsize=_TITLE, fontweight="bold", color=_INK)
    figure.supxlabel(
        f"{manifest.name} v{manifest.model_version} for {manifest.target}; grey: the calibration "
        f"samples; in colour: {counts.samples:,} samples counted, {counts.since} to {counts.until}",
        x=0.012,
        ha="left",
        fontsize=_SMALL,
        color=_MUTED,
    )
    drawn = BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    return drawn.getvalue()


def draw(figure: Any, judgement: Judgement) -> None:
    """Draw the panels of a judgement into a figure of matplotlib."""
    findings = judgement.findings
    own: list[Finding] = []  # panels of outputs
    for wanted in (CLASS, "confidence"):
        own += [one for one in findings if one.figure == wanted and _is_output(one)][:1]
    others = [one for one in findings if one not in own][: _STRONGEST + 2 - len(own)]
    cells = _cells(findings)
    panels = len(own) + len(others) + bool(cells)
    columns = min(3, panels)
    rows = -(-panels // columns)
    axes = iter(figure.subplots(rows, columns, squeeze=False).flat)
    if cells:
        _draw_map(next(axes), cells)
    several = len({one.spec.name for one in findings}) > 2
    for one in (*own, *others):
        if one.figure == CLASS:
            _draw_classes(next(axes), one, named=several)
        else:
            _draw_bins(next(axes), one, named=several)
    for unused in axes:
        unused.set_axis_off()


def _is_output(one: Finding) -> bool:
    return isinstance(one.spec, OutputSpec)


def _cells(findings: Sequence[Finding]) -> list[Finding]:
    """Return the cells of the input whose strongest cell is the strongest of all."""
    found = [one for one in findings if cell_of(one.figure) and isinstance(one.spec, InputSpec)]
    return [one for one in found if one.spec.name == found[0].spec.name]


def _draw_map(axes: Axes, cells: Sequence[Finding]) -> None:
    rows, columns = grid_of(cells[0].spec)
    values = [[0.0] * columns for _ in range(rows)]
    for one in cells:
        row, column = cell_of(one.figure) or (0, 0)
        values[row][column] = max(0.0, one.excess)
    highest = max(4 * DRIFTED_INDEX, *map(max, values))
    # The root: a cell that has just drifted is seen beside one that has by far.
    axes.imshow(values, cmap="Reds", norm=PowerNorm(0.5, 0, highest), aspect="equal")
    for one in cells:
        row, column = cell_of(one.figure) or (0, 0)
        dark = values[row][column] > 0.4 * highest
        axes.text(
            column,
            row,
            f"{one.psi:.2f}",
            ha="center",
            va="center",
            fontsize=_TEXT,
            fontweight="bold" if one.level == DRIFTED else "normal",
            color="white" if dark else _INK,
        )
    axes.set_xticks([x - 0.5 for x in range(1, columns)], labels=[])
    axes.set_yticks([y - 0.5 for y in range(1, rows)], labels=[])
    axes.grid(color="white", linewidth=2)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    name = printable(cells[0].spec.name)[:_LONGEST]
    _title(axes, f"where in {name}: PSI of each cell's mean", _INK)


def _draw_classes(axes: Axes, one: Finding, *, named: bool) -> None:
    assert isinstance(one.spec, OutputSpec)  # noqa: S101  only outputs have classes
    labels = labels_of(one.spec)
    before, now = _shares(one.expected), _shares(one.seen)
    chosen = sorted(range(len(now)), key=lambda i: -abs(now[i] - before[i]))[:_MOST_CLASSES]
    chosen.sort()
    names = [printable(labels[i] if i < len(labels) else str(i))[:_LONGEST] for i in chosen]
    _bars(axes, [before[i] for i in chosen], [now[i] for i in chosen], one)
    turned = max(map(len, names)) > 3
    axes.set_xticks(
        range(len(chosen)),
        labels=names,
        rotation=60 if turned else 0,
        ha="right" if turned else "center",
        fontsize=_SMALL,
    )
    some = "" if len(chosen) == len(now) else f", the {len(chosen)} that changed most"
    _titled(axes, one, f"answers{some}", named=named)


def _draw_bins(axes: Axes, one: Finding, *, named: bool) -> None:
    _bars(axes, _shares(one.expected), _shares(one.seen), one)
    places = range(len(one.edges))
    step = max(1, -(-len(one.edges) // _NUMBERS))
    axes.set_xticks(
        [place + 0.5 for place in places][::step],
        labels=_numbers(one.edges[::step]),
        fontsize=_SMALL,
    )
    _titled(axes, one, printable(one.figure)[:_LONGEST], named=named)


def _bars(axes: Axes, before: Sequence[float], now: Sequence[float], one: Finding) -> None:
    places = range(len(now))
    colour = _COLOURS.get(one.level, _ALIKE)
    axes.bar(places, [100 * share for share in before], width=0.92, color=_BEFORE)
    axes.bar(places, [100 * share for share in now], width=0.46, color=colour)
    axes.set_ylim(0, max(12.0, 108 * max(*before, *now)))
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.tick_params(colors=_MUTED, labelsize=_SMALL, length=0)
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)


def _titled(axes: Axes, one: Finding, what: str, *, named: bool) -> None:
    whose = f"{printable(one.spec.name)[:_LONGEST]}: " if named else ""
    colour = _COLOURS.get(one.level, _INK)
    _title(axes, f"{whose}{what}: {one.level}, PSI {one.psi:.2f}", colour)


def _title(axes: Axes, text: str, colour: str) -> None:
    axes.set_title(text, fontsize=_TEXT, color=colour, loc="left")


def _numbers(edges: Sequence[float]) -> list[str]:
    """Write edges in few characters; confidences near 1 as what they lack."""
    largest = max(map(abs, edges))
    short = [f"{edge:.3g}" if abs(edge) > _NOTHING * largest else "0" for edge in edges]
    if len(set(short)) < len(short) and all(0 <= edge < 1 for edge in edges):
        return [_lack(1 - edge) if edge > _NEARLY else f"{edge:.3g}" for edge in edges]
    return short


def _lack(lack: float) -> str:
    digits, power = f"{lack:.0e}".split("e")
    return f"1-{digits}e{int(power)}"


def _shares(sample: Sequence[int]) -> list[float]:
    return [count / sum(sample) for count in sample]

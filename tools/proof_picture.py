"""The proof matrix as a picture: engines and precisions by devices."""

from __future__ import annotations

from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, LARGE, MUTED, NOTE
from benchmarks.ratios import OWN
from strop import engines
from tools.proof_figures import NO_WHEEL, PROVEN, Cell, Matrix

_ENGINES = {
    "native": "Strop native",
    "litert": "LiteRT",
    "tflite": "tflite-runtime",
    "onnx": "ONNX Runtime",
    "reference": "NumPy",
}
_PRECISIONS = ("int8", "float32", "float16", "dynamic")
# status -> the colour of a cell, and of its text
_LOOKS = {PROVEN: ("#1b7f4b", "white"), NO_WHEEL: ("#d5dae0", INK)}
_EMPTY = "Empty: export makes no such file for the device, or not all images ran there."
_CROSS = "\N{MULTIPLICATION SIGN}"

_LABELS = 3.5  # in columns: the names of rows
_HEADS, _LEGEND = 1.8, 2.5  # in rows: the names of columns, and the legend
_ROW, _AROUND = 0.285, 1.5  # inches: a row; the title and the notes
_GAP = 0.05  # around a cell


def draw(matrix: Matrix) -> Figure:
    """Draw a cell for every figure; none for what was not tried or has no file."""
    rows = _rows(matrix)
    figure = drawing.card((len(rows) + _HEADS + _LEGEND) * _ROW + _AROUND)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-_LABELS, len(matrix.devices))
    axes.set_ylim(len(rows) + _LEGEND, -_HEADS)
    _name_columns(axes, matrix)
    _name_rows(axes, rows)
    cells = {cell.key: cell for cell in matrix.cells}
    for down, row in enumerate(rows):
        for across, device in enumerate(matrix.devices):
            if cell := cells.get((device.name, *row)):
                _cell(axes, across, down, cell)
    _legend(axes, matrix, len(rows) - 0.5)
    drawing.head(
        figure,
        f"The same model on every device: of {matrix.images:,} test images,\n"
        "how many get another class than from Keras",
    )
    drawing.foot(figure, (_EMPTY, _systems(matrix)))
    return figure


def _rows(matrix: Matrix) -> list[tuple[str, str]]:
    """Return engines and precisions in the order of the picture."""
    found = {(cell.engine, cell.precision) for cell in matrix.cells}
    return sorted(found, key=lambda row: (engines.NAMES.index(row[0]), _PRECISIONS.index(row[1])))


def _name_columns(axes: Axes, matrix: Matrix) -> None:
    for across, device in enumerate(matrix.devices):
        _write(axes, across + 0.5, -0.5, device.title, NOTE, weight="bold")
    start = 0
    for group, members in groupby(matrix.devices, lambda device: device.group):
        end = start + len(list(members))
        axes.plot([start + 0.1, end - 0.1], [-1, -1], color=MUTED, linewidth=1)
        _write(axes, (start + end) / 2, -1.4, group, NOTE)
        start = end


def _name_rows(axes: Axes, rows: list[tuple[str, str]]) -> None:
    for down, (engine, precision) in enumerate(rows):
        ours = engine == OWN
        look = {"colour": COLOURS[0] if ours else INK, "weight": "bold" if ours else "normal"}
        if down == 0 or rows[down - 1][0] != engine:
            _write(axes, -_LABELS, down + 0.5, _ENGINES[engine], LARGE - 1, across="left", **look)
            axes.axhline(down, color=GRID, linewidth=1, zorder=0)
        _write(axes, -0.15, down + 0.5, precision, LARGE - 2, across="right", **look)


def _cell(axes: Axes, across: float, down: float, cell: Cell) -> None:
    colour, ink = _LOOKS[cell.status]
    side = 1 - 2 * _GAP
    axes.add_patch(
        Rectangle((across + _GAP, down + _GAP), side, side, facecolor=colour, linewidth=0)
    )
    text = _CROSS if cell.disagreements is None else str(cell.disagreements)
    _write(axes, across + 0.5, down + 0.5, text, LARGE - 1, colour=ink, weight="bold")


def _legend(axes: Axes, matrix: Matrix, down: float) -> None:
    bits = [cell.differing_bits for cell in matrix.cells if cell.differing_bits is not None]
    same = " Strop's own engine: the same bits on all boards." if bits and not any(bits) else ""
    lines = (
        (Cell("", "", "", PROVEN, 0), f"proven over all images, within its tolerance.{same}"),
        (
            Cell("", "", "", NO_WHEEL),
            "the engine has no wheel for this device, and Strop says so.",
        ),
    )
    for line, (cell, text) in enumerate(lines, start=1):
        _cell(axes, -_LABELS, down + line, cell)
        _write(axes, 1.2 - _LABELS, down + line + 0.5, text, NOTE, across="left")


def _systems(matrix: Matrix) -> str:
    """Name the system of most devices, and those of the others."""
    devices: dict[str, list[str]] = {}
    for device in matrix.devices:
        devices.setdefault(device.system, []).append(device.title)
    usual = max(devices, key=lambda system: len(devices[system]))
    others = [f"{', '.join(devices[system])}: {system}" for system in devices if system != usual]
    return "; ".join((usual, *others)) + "."


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    points: float,
    *,
    across: str = "center",
    colour: str = INK,
    weight: str = "normal",
) -> None:
    axes.text(x, y, text, fontsize=points, ha=across, va="center", color=colour, fontweight=weight)

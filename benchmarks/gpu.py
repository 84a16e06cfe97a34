"""`python -m benchmarks.gpu SWEEP.json .. --out PICTURE.png`: draw outputs of `strop sweep --json`.

Each sweep is of one machine and one engine on its GPU. The upper panel shows images per second by
batch size, on the GPU and, with the fastest engine, on one core of its CPU. The lower panels show
the parts of the time of a call on the GPU.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, plain
from strop.bundle.records import decode, read
from strop.device.cpu import Cpu
from strop.errors import BundleError

_MOST = len(COLOURS)  # sweeps in one picture
_PARTS = {"upload": "#bcccdc", "compute": "#334e68", "download": "#829ab1"}
_LINES, _SHARES, _NAME = 4.4, 2.1, 0.36  # inches
_ACROSS = 3  # panels of shares in a row
_ROOM = {1: 9, 2: 6, 3: 5}  # panels in a row: batch sizes that an axis has room to name
_LONGEST_TITLE = 35  # characters
_SOFTWARE = ", software"  # how the name of a software adapter ends
_short = drawing.short


class SweepError(Exception):
    """A file is not a sweep, or sweeps cannot be drawn together."""


@dataclass(frozen=True)
class Rate:
    """The speed of one engine at one batch size."""

    engine: str
    precision: str
    images_per_s: float
    p50_us: float
    p95_us: float
    p99_us: float
    samples: int


@dataclass(frozen=True)
class Point:
    """All figures at one batch size."""

    batch: int
    cpu: Rate
    gpu: Rate
    speedup: float
    upload_us: float
    compute_us: float
    download_us: float

    @property
    def parts_us(self) -> tuple[float, float, float]:
        """Upload, compute and download, in microseconds."""
        return self.upload_us, self.compute_us, self.download_us


@dataclass(frozen=True)
class Ran:
    """The model that ran on the GPU."""

    name: str
    version: int
    engine: str
    engine_version: str
    device: str
    adapter: str
    precision: str
    threads: int
    tuned: Any  # true or false; not used here


@dataclass(frozen=True)
class Sweep:
    """The output of `strop sweep --json`."""

    bundle: str
    digest: str
    model: Ran
    cpu: Cpu
    crossover: int | None  # the smallest batch from which the GPU is faster
    points: tuple[Point, ...]

    @property
    def gpu_name(self) -> str:
        """The name of the GPU's adapter."""
        return self.model.adapter

    @property
    def engine_name(self) -> str:
        """The engine, its version and the precision, such as "onnx 1.26.0, float32"."""
        return f"{self.model.engine} {self.model.engine_version}, {self.model.precision}"

    @property
    def cpu_name(self) -> str:
        """The CPU's model, or its architecture if the model is not known."""
        return self.cpu.model or self.cpu.machine


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0 the picture is written, 2 it cannot be drawn.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("sweeps", type=Path, nargs="+", metavar="SWEEP.json")
    parser.add_argument("--out", type=Path, required=True, metavar="PICTURE.png")
    arguments = parser.parse_args(argv)
    try:
        if arguments.out.suffix != ".png":
            raise SweepError(f"--out {arguments.out}: the name must end in .png")
        picture = draw([load(path) for path in arguments.sweeps])
        save(picture, arguments.out)
    except SweepError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(arguments.out)
    return 0


def load(path: Path) -> Sweep:
    """Read a file with the output of `strop sweep --json`.

    Raises:
        SweepError: it cannot be read, or is not such an output.
    """
    try:
        sweep: Sweep = read(Sweep, decode(path.read_bytes(), "it"), "sweep")
    except OSError as error:
        raise SweepError(f"cannot read {path}: {error.strerror}") from None
    except BundleError as error:
        raise SweepError(f"{path} is not what strop sweep --json prints: {error}") from None
    batches = [point.batch for point in sweep.points]
    numbers = [n for point in sweep.points for n in (point.cpu.images_per_s, *point.parts_us)]
    numbers += [point.gpu.images_per_s for point in sweep.points]
    if not batches or len(set(batches)) != len(batches) or min(*batches, *numbers) <= 0:
        raise SweepError(
            f"{path} is not what strop sweep --json prints: it has no batch sizes, one of them "
            "twice, or a figure that is not above 0"
        )
    if sweep.crossover not in (None, *batches):
        raise SweepError(f"{path}: its crossover {sweep.crossover} is not one of its batch sizes")
    return sweep


def draw(sweeps: Sequence[Sweep]) -> Figure:
    """Draw sweeps of one model.

    Raises:
        SweepError: they are of several models, or too many.
    """
    if len(sweeps) > _MOST:
        raise SweepError(f"{len(sweeps)} sweeps are too many for one picture, {_MOST} at most")
    models = dict.fromkeys(f"{sweep.model.name} v{sweep.model.version}" for sweep in sweeps)
    if len(models) > 1:  # bundles may differ: a proof on another GPU is enough
        raise SweepError(f"sweeps of several models cannot be compared: {', '.join(models)}")
    across = min(len(sweeps), _ACROSS)
    rows = -(-len(sweeps) // _ACROSS)
    heights = [_LINES + _NAME * len(sweeps), *[_SHARES] * rows]
    figure = drawing.sheet(sum(heights))
    grid = figure.add_gridspec(1 + rows, across, height_ratios=heights)
    _rates(figure.add_subplot(grid[0, :]), sweeps)
    for number, sweep in enumerate(sweeps):
        row, column = divmod(number, _ACROSS)
        _shares(figure.add_subplot(grid[1 + row, column]), sweep, number, _ROOM[across])
    _name_parts(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a picture: the same sweeps give the same bytes.

    Raises:
        SweepError: it cannot be written.
    """
    try:
        drawing.save(figure, path)
    except OSError as error:
        raise SweepError(f"cannot write {path}: {error.strerror or error}") from None


def _rates(axes: Axes, sweeps: Sequence[Sweep]) -> None:
    """Draw a solid line for each GPU, and a dashed one of the same colour for its CPU."""
    handles = []
    for colour, sweep in zip(COLOURS, sweeps, strict=False):
        points = sorted(sweep.points, key=lambda point: point.batch)
        batches = [point.batch for point in points]
        on_gpu = [point.gpu.images_per_s for point in points]
        on_cpu = [point.cpu.images_per_s for point in points]
        axes.plot(batches, on_gpu, color=colour, linewidth=2, marker="o", markersize=4.5, zorder=3)
        axes.plot(batches, on_cpu, color=colour, linewidth=1.4, linestyle=(0, (4, 2.5)), zorder=2)
        verdict = f"no faster than one core up to {batches[-1]:,}"
        if sweep.crossover is not None:
            verdict = f"faster than one core from {sweep.crossover:,} on"
            at = on_gpu[batches.index(sweep.crossover)]
            axes.plot(sweep.crossover, at, "o", markersize=12, mfc="none", mec=colour, mew=1.6)
        name = f"{sweep.gpu_name}\n{sweep.engine_name}; beside {sweep.cpu_name}: {verdict}"
        handles.append(Line2D([], [], color=colour, linewidth=2, marker="o", label=name))
    dashed = "dashed: the fastest engine on one core of that CPU"
    handles += [Line2D([], [], color=MUTED, linestyle=(0, (4, 2.5)), label=dashed)]
    if any(sweep.crossover is not None for sweep in sweeps):
        ring = Line2D([], [], linestyle="", marker="o", label="ring: from here on the GPU wins")
        ring.set(markersize=9, mfc="none", mec=MUTED, mew=1.6)
        handles += [ring]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = _named({point.batch for sweep in sweeps for point in sweep.points}, _ROOM[1])
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    axes.set_xlabel("images a call", fontsize=10, color=MUTED)
    axes.set_ylabel("images a second", fontsize=10, color=MUTED)
    axes.grid(which="major", color=GRID, linewidth=0.8)
    plain(axes)
    axes.figure.legend(
        handles=handles, loc="outside upper left", frameon=False, fontsize=9, labelcolor=INK
    )


def _shares(axes: Axes, sweep: Sweep, number: int, room: int) -> None:
    """Draw the parts of the time of a call on the GPU, per batch size, in per cent."""
    points = sorted(sweep.points, key=lambda point: point.batch)
    bottoms = [0.0] * len(points)
    for part, colour in enumerate(_PARTS.values()):
        shares = [100 * point.parts_us[part] / sum(point.parts_us) for point in points]
        axes.bar(range(len(points)), shares, bottom=bottoms, color=colour, width=0.78)
        bottoms = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
    named = _named({point.batch for point in points}, room)
    places = [place for place, point in enumerate(points) if point.batch in named]
    axes.set_xticks(places, [f"{points[place].batch:,}" for place in places])
    axes.set_yticks([0, 50, 100])
    axes.set_ylim(0, 100)
    axes.set_xlabel("images a call", fontsize=9, color=MUTED)
    if number % _ACROSS == 0:
        axes.set_ylabel("share of a call, %", fontsize=9, color=MUTED)
    axes.set_title(
        f"{_title(sweep.gpu_name)}\n{sweep.engine_name}",
        fontsize=9,
        color=COLOURS[number],
        fontweight="bold",
        loc="left",
    )
    plain(axes)


def _title(adapter: str) -> str:
    """Shorten the adapter's name, but keep a mark that it is software."""
    title = adapter.partition(",")[0].partition(" (")[0]
    software = _SOFTWARE if adapter.endswith(_SOFTWARE) else ""
    room = _LONGEST_TITLE - len(software)
    return (title if len(title) <= room else f"{title[: room - 2]} \u2026") + software


def _name_parts(figure: Figure) -> None:
    handles: list[Artist] = [Patch(color=colour, label=name) for name, colour in _PARTS.items()]
    # LiteRT's run returns before the GPU is done; ONNX Runtime's waits, and reads the answers too.
    waits = "the wait for the GPU is in one of the last two, as the engine has it"
    handles.append(Line2D([], [], linestyle="", label=waits))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        labelcolor=[INK] * len(_PARTS) + [MUTED],
    )


def _named(batches: set[int], room: int) -> list[int]:
    """Choose at most `room` batch sizes, evenly spread, the smallest among them."""
    ordered = sorted(batches)
    return ordered[:: -(-len(ordered) // room)]


if __name__ == "__main__":
    sys.exit(main())

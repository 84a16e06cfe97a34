"""The pictures of a run, one per module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.plots import cold_start, convolutions, growth, latency, throughput, top
from benchmarks.results import Results


class Picture(NamedTuple):
    """A picture of all subjects with a figure on some axes."""

    name: str  # of its file
    alt: str  # a description, for readers who cannot see it
    axes: tuple[str, ...]
    draw: Callable[[Results], Figure]


PICTURES = tuple(
    Picture(module.NAME, module.ALT, module.AXES, module.draw)
    for module in (top, latency, throughput, cold_start, growth, convolutions)
)


def pictures(results: Results) -> list[Picture]:
    """Return the pictures that have something to draw."""
    measured: dict[str, set[str]] = {}
    for row in results.rows:
        if row.value is not None:
            measured.setdefault(row.subject, set()).add(row.axis)
    return [
        picture
        for picture in PICTURES
        if any(axes.issuperset(picture.axes) for axes in measured.values())
    ]


def write(results: Results, folder: Path) -> list[Path]:
    """Draw the pictures of a run into a folder.

    Args:
        results: the run.
        folder: the folder, which is made if needed.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for picture in pictures(results):
        paths.append(folder / picture.name)
        drawing.save(picture.draw(results), paths[-1])
    return paths

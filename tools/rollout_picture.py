"""Draw a rollout: how many devices run each version, over time, by their own reports.

`make test-fleet` writes dist/rollout.json. `python -m tools.rollout_picture` takes it as
docs/pictures/rollout.json, and draws rollout.png beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, LARGE, MUTED, NOTE

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "pictures" / "rollout.json"
FOUND = ROOT / "dist" / "rollout.json"

_OLD, _NEW, _FAILED = MUTED, COLOURS[2], COLOURS[1]
_HEIGHT = 6.2  # inches
_TOP = 1.5  # times the number of devices: where the axis ends
_NOTE = (
    "From the signed reports of a simulation with the real agent, a real registry and a simulated "
    "clock."
)


@dataclass(frozen=True)
class Step:
    """A change that `strop rollout` has signed."""

    minute: float
    group: str  # the group that a release was given to, or "" if the rollout was stopped
    version: int  # of the release


@dataclass(frozen=True)
class Moment:
    """What the newest reports of all devices say, from one minute on."""

    minute: float
    running: tuple[int, ...]  # devices by version, from version 1
    failed: int  # devices that have refused the release that they were to run, or left it again


@dataclass(frozen=True)
class Rollouts:
    """A fleet over some hours."""

    devices: int
    names: tuple[str, ...]  # what is special about each version, from version 1
    steps: tuple[Step, ...]
    moments: tuple[Moment, ...]

    def write(self, path: Path) -> None:
        """Write the figures as JSON, one step or moment a line.

        Raises:
            OSError: it cannot be written.
        """
        parts = [f'"devices": {self.devices}', f'"names": {json.dumps(self.names)}']
        for name, rows in (("steps", self.steps), ("moments", self.moments)):
            lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
            parts.append(f'"{name}": [\n{lines}\n]')
        path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def load(path: Path = FIGURES) -> Rollouts:
    """Read figures that `Rollouts.write` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or its figures contradict each other.
        KeyError: a part of it is missing.
        TypeError: a row has other fields.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    moments = tuple(
        Moment(**{**row, "running": tuple(row["running"])}) for row in content["moments"]
    )
    steps = tuple(Step(**row) for row in content["steps"])
    found = Rollouts(content["devices"], tuple(content["names"]), steps, moments)
    if not moments:
        raise ValueError(f"{path} has no moments")
    for moment in moments:
        if len(moment.running) != len(found.names) or sum(moment.running) > found.devices:
            raise ValueError(f"{path}: minute {moment.minute:g} is not of these devices")
    return found


def draw(rollouts: Rollouts) -> Figure:
    """Draw a line for each version that some device ran, and one for the failures."""
    figure = drawing.card(_HEIGHT)
    axes = figure.add_subplot()
    drawing.plain(axes)
    axes.tick_params(labelsize=NOTE)
    end = rollouts.moments[-1].minute
    axes.set_xlim(0, end)
    axes.set_yscale("symlog", linthresh=1, linscale=0.4)
    axes.set_ylim(0, rollouts.devices * _TOP)
    ticks = [
        0,
        *(10**power for power in range(9) if 10**power < rollouts.devices),
        rollouts.devices,
    ]
    axes.set_yticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(axis="y", color=GRID)
    axes.set_xlabel("minutes", fontsize=NOTE, color=MUTED)
    axes.set_ylabel("devices", fontsize=NOTE, color=MUTED)
    minutes = [moment.minute for moment in rollouts.moments]
    newest = max(v for v, count in enumerate(rollouts.moments[-1].running, start=1) if count)
    for version in range(1, len(rollouts.names) + 1):
        counts = [moment.running[version - 1] for moment in rollouts.moments]
        if any(counts):
            colour = _NEW if version == newest else _OLD if version < newest else _FAILED
            _line(axes, minutes, counts, f"run v{version}", colour)
    failed = [moment.failed for moment in rollouts.moments]
    _line(axes, minutes, failed, "refused it, or went back", _FAILED)
    _mark_steps(axes, rollouts)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=4,
        frameon=False,
        fontsize=LARGE - 3,
        labelcolor=INK,
    )
    drawing.head(figure, _title(rollouts))
    drawing.foot(figure, (_NOTE,))
    return figure


def _title(rollouts: Rollouts) -> str:
    return (
        f"Rollouts to {rollouts.devices:,} devices: the good release reaches all,\n"
        "the bad ones stop at the canaries"
    )


def _line(
    axes: Axes, minutes: Sequence[float], counts: Sequence[int], label: str, colour: str
) -> None:
    axes.step(minutes, counts, where="post", color=colour, linewidth=3, label=label, zorder=3)


def _mark_steps(axes: Axes, rollouts: Rollouts) -> None:
    """Write the name of each step at its minute, and above it the release at its first step."""
    above = axes.get_xaxis_transform()  # x in minutes, y in heights of the axes
    begun = set()
    for step in rollouts.steps:
        axes.axvline(step.minute, color=MUTED, linewidth=1, linestyle=":", zorder=1)
        axes.text(
            step.minute,
            1.02,
            step.group or "stopped",
            fontsize=NOTE,
            ha="right" if step.group else "left",
            color=INK if step.group else _FAILED,
            transform=above,
        )
        if step.version not in begun:
            begun.add(step.version)
            axes.text(
                step.minute,
                1.09 + 0.07 * (len(begun) % 2),  # the next one may begin above its end
                f"v{step.version}: {rollouts.names[step.version - 1]}",
                fontsize=NOTE,
                fontweight="bold",
                color=INK,
                transform=above,
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 2 if the figures cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.rollout_picture", description=__doc__)
    parser.add_argument("found", type=Path, nargs="?", default=FOUND, metavar="ROLLOUT.json")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="ROLLOUT.json")
    arguments = parser.parse_args(argv)
    try:
        rollouts = load(arguments.found)
        rollouts.write(arguments.figures)
        drawing.save(draw(rollouts), arguments.figures.with_suffix(".png"))
    except (KeyError, TypeError) as error:
        print(f"rollout_picture: a file has not the form of results: {error!r}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"rollout_picture: {error}; `make test-fleet` writes it", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

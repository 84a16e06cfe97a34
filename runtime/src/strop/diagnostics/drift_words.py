"""What has drifted, in words."""

from __future__ import annotations

import re

from strop.bundle.manifest import InputSpec, OutputSpec
from strop.bundle.schema import CLASS
from strop.diagnostics.drift import ALIKE, Finding, Judgement
from strop.diagnostics.drift_statistics import tendency
from strop.errors import printable
from strop.model.model import labels_of

_NAMED = 3  # findings that the headline names
_SIDED = 0.1  # of `tendency`: from there on, values have become higher or lower
_CELL = re.compile(r"cell ([0-3]) ([0-3])")
_ORDINALS = ("first", "second", "third", "fourth")


def headline(judgement: Judgement) -> str:
    """Say in one line whether the input is alike, or else what has changed most."""
    if judgement.level == ALIKE:
        return "the input looks like what the model was proven on"
    level = judgement.level
    changed = [one for one in judgement.findings if one.level == level]
    several = len({one.spec.name for one in judgement.findings}) > 2
    said = [in_words(one, named=several) for one in changed[:_NAMED]]
    if len(changed) > _NAMED:
        said.append(f"{len(changed) - _NAMED} more figures have changed")
    return "; ".join(said)


def in_words(finding: Finding, *, named: bool) -> str:
    """Say what has changed: "cell 0 1 (top, second from left) is brighter".

    Args:
        finding: what is said.
        named: whether to name the input or output; there are several.
    """
    said = _output(finding) if isinstance(finding.spec, OutputSpec) else _input(finding)
    what = "input" if isinstance(finding.spec, InputSpec) else "output"
    return f"{what} {printable(finding.spec.name)}: {said}" if named else said


def place(figure: str, rows: int, columns: int) -> str:
    """Say where a cell of the grid is: "top, second from left"; "" if it is no cell.

    Args:
        figure: "cell 0 1", by row and column.
        rows: of the grid.
        columns: of the grid.
    """
    cell = cell_of(figure)
    if cell is None:
        return ""
    row, column = cell
    down = _side(row, rows, "top", "bottom")
    across = _side(column, columns, "left", "right")
    return f"{down}, {across}"


def cell_of(figure: str) -> tuple[int, int] | None:
    """Return the row and the column of a cell of the grid; None of other figures."""
    found = _CELL.fullmatch(figure)
    return (int(found[1]), int(found[2])) if found else None


def grid_of(finding_spec: InputSpec | OutputSpec) -> tuple[int, int]:
    """Return the rows and columns of the grid that samples are cut into; (0, 0) without one."""
    cells = [cell for one in finding_spec.profile if (cell := cell_of(one.figure))]
    if not cells:
        return 0, 0
    return max(row for row, _ in cells) + 1, max(column for _, column in cells) + 1


def _side(number: int, count: int, first: str, last: str) -> str:
    if number == 0:
        return first
    if number == count - 1:
        return last
    if number < count / 2:
        return f"{_ORDINALS[number]} from {first}"
    return f"{_ORDINALS[count - 1 - number]} from {last}"


def _input(finding: Finding) -> str:
    spec = finding.spec
    is_picture = isinstance(spec, InputSpec) and spec.picture is not None
    more, less = ("brighter", "darker") if is_picture else ("higher", "lower")
    if finding.figure == "mean":
        what = "the picture" if is_picture else "the mean of a sample"
    elif finding.figure == "spread":
        what = "the contrast" if is_picture else "the spread within a sample"
        more, less = "higher", "lower"
    else:
        where = place(finding.figure, *grid_of(spec))
        what = finding.figure + (f" ({where})" if where else "")
    return f"{what} is {_turn(finding, more, less)}"


def _output(finding: Finding) -> str:
    if finding.figure == CLASS:
        return _class(finding)
    if finding.figure == "confidence":
        return f"the confidence of answers is {_turn(finding, 'higher', 'lower')}"
    what = {"mean": "the mean of an answer", "spread": "the spread within an answer"}
    return f"{what.get(finding.figure, finding.figure)} is {_turn(finding, 'higher', 'lower')}"


def _turn(finding: Finding, more: str, less: str) -> str:
    side = tendency(finding.expected, finding.seen)
    if abs(side) < _SIDED:
        return "distributed otherwise"
    return more if side > 0 else less


def _class(finding: Finding) -> str:
    """Name the class whose share has changed most."""
    assert isinstance(finding.spec, OutputSpec)  # noqa: S101  only outputs have classes
    labels = labels_of(finding.spec)
    before = [count / sum(finding.expected) for count in finding.expected]
    now = [count / sum(finding.seen) for count in finding.seen]
    most = max(range(len(now)), key=lambda i: abs(now[i] - before[i]))
    name = labels[most] if most < len(labels) else str(most)
    return (
        f"the answer '{printable(name)}' is {_percent(now[most])} of all instead of "
        f"{_percent(before[most])}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

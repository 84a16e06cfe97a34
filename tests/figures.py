"""Figures of suites: how often something was tried, how often it failed; ratios and measurements.

A pytest plugin, loaded by tests/conftest.py. `make test-reliability`, `make test-serve`,
`make test-fleet` and `make test-scale` run all tests of a suite and write dist/reliability.json,
dist/serve.json, dist/fleet.json and dist/scale.json; a run of some tests only prints theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from strop_export.dist import write
from tests.__main__ import ALONE
from tests.environments import CACHE, ROOT

_SUITES = {
    "reliability": {"tests/fuzz", "tests/reliability"},
    "serve": {"tests/serve"},
    "fleet": {"tests/fleet"},
    "scale": {"tests/scale"},
}
_FIGURE, _RATIO, _MEASURE = "figure", "ratio", "measure"

Record = Callable[..., None]


class Figure(NamedTuple):
    """One guarantee: how many times it was tested, and how many times it failed."""

    name: str
    tried: int
    failed: int
    detail: str = ""  # other measurements, with units


class Ratio(NamedTuple):
    """A comparison: ours over another's, side by side."""

    name: str
    median: float
    detail: str = ""


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Record:
    """Record a figure, before its assertion.

    It is part of the test's report, which a worker process sends to the main one.
    """

    def record(name: str, tried: int, failed: int, detail: str = "") -> None:
        request.node.user_properties.append((_FIGURE, (name, tried, failed, detail)))

    return record


@pytest.fixture
def ratio(request: pytest.FixtureRequest) -> Record:
    """Record a ratio of two measurements of one run; it gates no test."""

    def record(name: str, median: float, detail: str = "") -> None:
        request.node.user_properties.append((_RATIO, (name, median, detail)))

    return record


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Record:
    """Record a measurement, by its unit; it gates no test."""

    def record(unit: str, name: str, value: float) -> None:
        request.node.user_properties.append((_MEASURE, (unit, name, value)))

    return record


def pytest_sessionstart(session: pytest.Session) -> None:
    suite = _whole_suite(session.config)
    if suite and session.config.option.markexpr != ALONE:
        _place(suite).unlink(missing_ok=True)  # a run that dies leaves no earlier results
        _first(suite).unlink(missing_ok=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures, and write them if all tests of a suite ran."""
    properties = [
        (name, value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
    ]
    figures = [Figure(*value) for name, value in properties if name == _FIGURE]
    ratios = [Ratio(*value) for name, value in properties if name == _RATIO]
    measures = [value for name, value in properties if name == _MEASURE]
    suite = _whole_suite(config)
    if figures:
        terminalreporter.section("tried, failed")
    for figure in figures:
        detail = f" ({figure.detail})" if figure.detail else ""
        line = f"{figure.tried:>11,} {figure.failed:>5,}  {figure.name}{detail}"
        terminalreporter.write_line(line)
    for ratio in ratios:
        detail = f" ({ratio.detail})" if ratio.detail else ""
        terminalreporter.write_line(f"{ratio.median:>17.2f}  {ratio.name}{detail}")
    is_first = config.option.markexpr == f"not {ALONE}"  # its figures may all be in the second
    for unit, name, value in measures:
        terminalreporter.write_line(f"{value:>17,}  {unit}: {name}")
    if not suite or not (figures or is_first):
        return
    content: dict[str, Any] = {
        "figures": [figure._asdict() for figure in figures],
        "ratios": [ratio._asdict() for ratio in ratios],
    }
    for unit, name, value in measures:
        content.setdefault(unit, {})[name] = value
    place = _place(suite)
    if config.option.markexpr == ALONE:
        if not _first(suite).is_file():  # the other tests did not run just before
            return
        earlier = json.loads(_first(suite).read_bytes())
        for name, rows in earlier.items():
            content[name] = _joined(rows, content[name]) if name in content else rows
        _first(suite).unlink()
    elif is_first:
        place = _first(suite)
    write(place, json.dumps(content, indent=2).encode("ascii") + b"\n")
    terminalreporter.write_line(f"{place.relative_to(ROOT)} holds the same")


def _joined(first: Any, second: Any) -> Any:
    """Join two lists, or two dictionaries."""
    return {**first, **second} if isinstance(first, dict) else [*first, *second]


def _whole_suite(config: pytest.Config) -> str | None:
    """Return the suite of which all tests run, without a selection; None without one."""
    chosen = config.option.keyword or config.option.deselect
    if chosen or config.option.markexpr not in ("", ALONE, f"not {ALONE}"):
        return None
    asked = {argument.rstrip("/") for argument in config.args}
    return next((name for name, folders in _SUITES.items() if folders == asked), None)


def _place(suite: str) -> Path:
    return ROOT / "dist" / f"{suite}.json"


def _first(suite: str) -> Path:
    """Return the file of the first run of `python -m tests`."""
    return CACHE / f"{suite}-first.json"

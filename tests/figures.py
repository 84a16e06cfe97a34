"""The figures of reliability: how often something was tried, and how often it failed.

A pytest plugin, loaded by tests/conftest.py. `make test-reliability` runs all tests with figures
and writes dist/reliability.json; a run of some tests only prints theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from strop_export.dist import write
from tests.__main__ import ALONE
from tests.environments import CACHE, ROOT

FIGURES_FILE = ROOT / "dist" / "reliability.json"
_FIRST_FILE = CACHE / "reliability-first.json"  # from the first run of `python -m tests`
_SUITES = ("tests/fuzz", "tests/reliability")
_PROPERTY = "figure"

Record = Callable[..., None]


class Figure(NamedTuple):
    """One guarantee: how many times it was tested, and how many times it failed."""

    name: str
    tried: int
    failed: int
    detail: str = ""  # other measurements, with units


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Record:
    """Record a figure, before its assertion.

    It is part of the test's report, which a worker process sends to the main one.
    """

    def record(name: str, tried: int, failed: int, detail: str = "") -> None:
        request.node.user_properties.append((_PROPERTY, (name, tried, failed, detail)))

    return record


def pytest_sessionstart(session: pytest.Session) -> None:
    if _is_whole(session.config) and session.config.option.markexpr != ALONE:
        FIGURES_FILE.unlink(missing_ok=True)  # a run that dies leaves no earlier results
        _FIRST_FILE.unlink(missing_ok=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures, and write them if all tests with figures ran."""
    figures = [
        Figure(*value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not figures:
        return
    terminalreporter.section("reliability: tried, failed")
    for figure in figures:
        terminalreporter.write_line(
            f"{figure.tried:>11,} {figure.failed:>5,}  {figure.name}"
            + (f" ({figure.detail})" if figure.detail else "")
        )
    if not _is_whole(config):
        return
    rows = [figure._asdict() for figure in figures]
    place = FIGURES_FILE
    if config.option.markexpr == ALONE:
        if not _FIRST_FILE.is_file():  # the other tests did not run just before
            return
        rows = [*json.loads(_FIRST_FILE.read_bytes())["figures"], *rows]
        _FIRST_FILE.unlink()
    elif config.option.markexpr:
        place = _FIRST_FILE
    write(place, json.dumps({"figures": rows}, indent=2).encode("ascii") + b"\n")
    terminalreporter.write_line(f"{place.relative_to(ROOT)} holds the same")


def _is_whole(config: pytest.Config) -> bool:
    """Tell whether all tests that record figures run, without a selection."""
    chosen = config.option.keyword or config.option.deselect
    if chosen or config.option.markexpr not in ("", ALONE, f"not {ALONE}"):
        return False
    asked = {argument.rstrip("/") for argument in config.args}
    return asked == set(_SUITES)

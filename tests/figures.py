"""How often something was tried, and how often it failed: what reliability is told in.

A plugin of pytest's, loaded by tests/conftest.py. `make test-reliability` runs all that counts, and
then dist/reliability.json holds the figures; a run of some tests only prints theirs.
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
_FIRST_FILE = CACHE / "reliability-first.json"  # of the first of the two runs of `python -m tests`
_SUITES = ("tests/fuzz", "tests/reliability")
_PROPERTY = "figure"

Record = Callable[..., None]


class Figure(NamedTuple):
    """One promise: how many times it was put to the test, and how many times it broke."""

    name: str
    tried: int
    failed: int
    detail: str = ""  # what was measured beside, with its units


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Record:
    """Note a figure, before the assertion that it stands for.

    It goes with the test's report, which a process that runs tests for another one sends there.
    """

    def record(name: str, tried: int, failed: int, detail: str = "") -> None:
        request.node.user_properties.append((_PROPERTY, (name, tried, failed, detail)))

    return record


def pytest_sessionstart(session: pytest.Session) -> None:
    if _is_whole(session.config) and session.config.option.markexpr != ALONE:
        FIGURES_FILE.unlink(missing_ok=True)  # a run that dies leaves no earlier one's word
        _FIRST_FILE.unlink(missing_ok=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures; and write them, where every test that has some was run."""
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
        if not _FIRST_FILE.is_file():  # the others were not run just before
            return
        rows = [*json.loads(_FIRST_FILE.read_bytes())["figures"], *rows]
        _FIRST_FILE.unlink()
    elif config.option.markexpr:
        place = _FIRST_FILE
    write(place, json.dumps({"figures": rows}, indent=2).encode("ascii") + b"\n")
    terminalreporter.write_line(f"{place.relative_to(ROOT)} holds the same")


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test that records figures is run, and none chosen among them."""
    chosen = config.option.keyword or config.option.deselect
    if chosen or config.option.markexpr not in ("", ALONE, f"not {ALONE}"):
        return False
    asked = {argument.rstrip("/") for argument in config.args}
    return asked == set(_SUITES)

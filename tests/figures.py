"""How often something was tried, and how often it failed: what reliability is told in.

A plugin of pytest's, loaded by tests/conftest.py. `make test-reliability` runs all that counts, and
then dist/reliability.json holds the figures; a run of some tests only prints theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pytest

from strop_export.dist import write
from tests.environments import ROOT

FIGURES_FILE = ROOT / "dist" / "reliability.json"
_SUITES = ("tests/fuzz", "tests/reliability")
_FIGURES = pytest.StashKey[list["Figure"]]()

Record = Callable[..., None]


@dataclass(frozen=True)
class Figure:
    """One promise: how many times it was put to the test, and how many times it broke."""

    name: str
    tried: int
    failed: int
    detail: str = ""  # what was measured beside, with its units


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Record:
    """Note a figure, before the assertion that it stands for."""

    def record(name: str, tried: int, failed: int, detail: str = "") -> None:
        request.config.stash[_FIGURES].append(Figure(name, tried, failed, detail))

    return record


def pytest_sessionstart(session: pytest.Session) -> None:
    if _is_whole(session.config):
        FIGURES_FILE.unlink(missing_ok=True)  # a run that dies leaves no earlier one's word


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures = config.stash[_FIGURES]
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
    content = {"figures": [asdict(figure) for figure in figures]}
    FIGURES_FILE.parent.mkdir(exist_ok=True)
    write(FIGURES_FILE, json.dumps(content, indent=2).encode("ascii") + b"\n")
    terminalreporter.write_line(f"{FIGURES_FILE.relative_to(ROOT)} holds the same")


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test that records figures is run, and none chosen among them."""
    chosen = config.option.keyword or config.option.markexpr or config.option.deselect
    asked = {argument.rstrip("/") for argument in config.args}
    return not chosen and asked == set(_SUITES)

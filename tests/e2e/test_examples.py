"""docs/examples.md: its scripts are saved and its commands run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.environments import ROOT
from tests.markdown import blocks, follow

PAGE = ROOT / "docs" / "examples.md"
CASES = ("A picture classifier", "A table of numbers", "A sound", "A text", "Two inputs")


def sections() -> dict[str, str]:
    """The page's text by its headings."""
    _, *parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_these_cases_are_run() -> None:
    run = [
        title for title, text in sections().items() if any(b.mark == "run" for b in blocks(text))
    ]
    assert tuple(run) == CASES


@pytest.mark.parametrize("title", CASES)
def test_a_case_runs_as_it_stands(title: str, tmp_path: Path) -> None:
    """It runs in an empty folder, with the environment's commands on the path."""
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    follow(sections()[title], tmp_path, Path(sys.executable).parent, variables)


def test_every_entry_of_its_contents_leads_to_a_heading() -> None:
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [title for title, _ in listed] == list(sections())
    assert [re.sub(r"\W+", "-", title.lower()) for title, _ in listed] == [a for _, a in listed]


@pytest.mark.parametrize("title", CASES)
def test_its_scripts_fit_the_page(title: str) -> None:
    typed = [one for one in blocks(sections()[title]) if one.saved_as or one.mark == "run"]
    lines = [line for block in typed for line in block.lines]
    assert [line for line in lines if len(line) > 100 and not line.startswith("strop-export")] == []

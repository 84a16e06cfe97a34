"""docs/your-own-model.md: its scripts are saved and its commands run."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environments import ROOT, run

PAGE = ROOT / "docs" / "your-own-model.md"
CASES = ("A picture classifier", "A table of numbers", "A sound", "A text", "Two inputs")

_BLOCK = re.compile(r"^<!-- (save as (\S+)|run) -->\n```(python|sh)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A script to save under a name, or commands to run if the name is empty."""

    name: str
    text: str


def sections() -> dict[str, str]:
    """The page's text by its headings."""
    _, *parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(text: str) -> list[Block]:
    """The marked blocks of a section; every mark has its block."""
    found = [Block(match[2] or "", match[4]) for match in _BLOCK.finditer(text)]
    assert len(found) == len(re.findall(r"^<!-- (?:save as|run)", text, re.M))
    return found


def test_there_are_these_cases_and_nothing_else_is_run() -> None:
    assert tuple(title for title, text in sections().items() if blocks(text)) == CASES


@pytest.mark.parametrize("title", CASES)
def test_a_case_runs_as_it_stands(title: str, tmp_path: Path) -> None:
    """It runs in an empty folder, with the environment's commands on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    for block in blocks(sections()[title]):
        if block.name:
            (tmp_path / block.name).write_text(block.text, encoding="utf-8")
            continue
        for line in block.text.splitlines():
            run("sh", "-c", line, cwd=tmp_path, env=environment)


def test_every_entry_of_its_contents_leads_to_a_heading() -> None:
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [title for title, _ in listed] == list(sections())
    assert [re.sub(r"\W+", "-", title.lower()) for title, _ in listed] == [a for _, a in listed]


@pytest.mark.parametrize("title", CASES)
def test_its_scripts_fit_the_page(title: str) -> None:
    lines = [line for block in blocks(sections()[title]) for line in block.text.splitlines()]
    assert [line for line in lines if len(line) > 100 and not line.startswith("strop-export")] == []

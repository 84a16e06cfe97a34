"""What docs/devices tells people to type: each page's two marked blocks."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.environments import ROOT

FOLDER = ROOT / "docs" / "devices"

_BLOCK = re.compile(r"^<!-- run on the (workstation|device) -->\n```sh\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Page:
    """The commands of one board's page, a line each."""

    workstation: tuple[str, ...]
    device: tuple[str, ...]

    @property
    def copied(self) -> tuple[str, ...]:
        """The files that its scp line copies, as patterns beneath the repository."""
        (scp,) = (line for line in self.workstation if line.startswith("scp "))
        return tuple(shlex.split(scp)[1:-1])

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that it installs."""
        lines = map(shlex.split, self.device)
        return tuple(word for line in lines if line[:3] == APT for word in line[3:])


APT = ["sudo", "apt", "install"]


def path_of(board: str) -> Path:
    return FOLDER / f"{board}.md"


def read(board: str) -> Page:
    """A board's page; it has each block once, the workstation's first."""
    text = path_of(board).read_text(encoding="utf-8")
    found = [(match[1], tuple(match[2].splitlines())) for match in _BLOCK.finditer(text)]
    assert [where for where, _ in found] == ["workstation", "device"], f"{board}.md: its blocks"
    assert text.count("<!-- run on the ") == 2, f"{board}.md: a mark without its block"
    return Page(*(lines for _, lines in found))

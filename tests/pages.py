"""The commands in docs/devices, and the output that it shows for them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.environments import ROOT
from tests.markdown import blocks

FOLDER = ROOT / "docs" / "devices"

_MARK = "run on the "


@dataclass(frozen=True)
class Page:
    """The commands of one board's page, one a line."""

    workstation: tuple[str, ...]
    device: tuple[str, ...]
    doctor: tuple[str, ...]  # its lines of the engines' table
    check: tuple[tuple[str, ...], ...]  # engine, precision, format, status, version of each result

    @property
    def copied(self) -> tuple[str, ...]:
        """The files that its scp line copies, as patterns in the repository."""
        (scp,) = (line for line in self.workstation if line.startswith("scp "))
        return tuple(shlex.split(scp)[1:-1])

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that it installs."""
        lines = map(shlex.split, self.device)
        return tuple(word for line in lines if line[:3] == APT for word in line[3:])


_DOCTOR = re.compile(r"^`strop doctor`[^`]*?:\n\n```\n(.*?)^```$", re.M | re.S)
_CHECK = re.compile(r"^`strop check`[^`]*?:\n\n```\n(.*?)^```$", re.M | re.S)

APT = ["sudo", "apt", "install"]


def path_of(board: str) -> Path:
    return FOLDER / f"{board}.md"


def read(board: str) -> Page:
    """Read a board's page; it has each block once, the workstation's first."""
    text = path_of(board).read_text(encoding="utf-8")
    marked = [block for block in blocks(text) if block.mark.startswith(_MARK)]
    found = [(block.mark.removeprefix(_MARK), block.lines) for block in marked]
    assert [where for where, _ in found] == ["workstation", "device"], f"{board}.md: its blocks"
    assert text.count(f"<!-- {_MARK}") == 2, f"{board}.md: a mark without its block"
    doctor, check = (pattern.search(text) for pattern in (_DOCTOR, _CHECK))
    assert doctor, f"{board}.md: what doctor prints"
    assert check, f"{board}.md: what check prints"
    rows = [tuple(line.split()) for line in check[1].splitlines()[1:-1]]
    (_, workstation), (_, device) = found
    return Page(
        workstation,
        device,
        doctor=tuple(doctor[1].splitlines()),
        check=tuple((*row[:4], row[-1]) for row in rows),
    )

"""strop doctor: which engines work on this board, and how to get the rest."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import asdict

from strop.board import Board
from strop.doctor import ABSENT, BROKEN, WORKS, Finding, diagnose

_COLUMNS = 100


def main(arguments: argparse.Namespace) -> int:
    """Try every engine; 1 if one that is installed is broken, or none works."""
    here, findings = diagnose(arguments.timeout, tell=_tell)
    _tell("")
    if arguments.json:
        print(json.dumps(_content(here, findings), indent=2))
    else:
        for name, value in _facts(here):
            print(_beside(f"{name:<10}", [value]))
        print()
        _print_findings(findings)
    statuses = [finding.status for finding in findings]
    return 1 if BROKEN in statuses or WORKS not in statuses else 0


def _tell(engine: str) -> None:
    """Say on a terminal what is being tried, on a line that the next one takes the place of."""
    if sys.stderr.isatty():
        text = f"trying {engine} ..." if engine else ""
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _content(here: Board, findings: list[Finding]) -> dict[str, object]:
    return {
        "board": here.board,
        "os": here.os,
        "machine": here.machine,
        "bits": here.bits,
        "python": here.python.version,
        "glibc": here.glibc,
        "numpy": here.numpy,
        "cpu": asdict(here.cpu),
        "engines": [asdict(finding) for finding in findings],
    }


def _facts(here: Board) -> list[tuple[str, str]]:
    cores = f"{here.cpu.cores} core{'s' if here.cpu.cores != 1 else ''}"
    kernel = f", under an {here.kernel} kernel" if here.kernel != here.machine else ""
    return [
        ("board", here.board),
        ("OS", here.os),
        ("machine", f"{here.machine}, {here.bits}-bit{kernel}"),
        ("CPU", f"{here.cpu.model}, {cores}"),
        ("features", ", ".join(here.cpu.features) or "none that inference gains by"),
        ("Python", here.python.version),
        ("C library", f"glibc {here.glibc}" if here.glibc else "not glibc (musl, perhaps)"),
        ("numpy", here.numpy or "none that works"),
    ]


def _print_findings(findings: list[Finding]) -> None:
    rows = [("engine", "status", "version"), *((f.engine, f.status, f.version) for f in findings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    todos = [["what to do"], *map(_todo, findings)]
    for row, todo in zip(rows, todos, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_beside("  ".join(cells), todo))


def _todo(finding: Finding) -> list[str]:
    """The reason, then the mend; a mend that can be had at once needs no reason."""
    plain = finding.status == ABSENT and finding.reason == "not installed"
    return [finding.mend] if plain else [finding.reason, finding.mend]


def _beside(margin: str, texts: list[str]) -> str:
    """Texts in what is left of the page, right of a margin. A command breaks after && alone."""
    room = _COLUMNS - len(margin) - 2
    lines: list[str] = []
    for text in texts:
        *steps, last = text.split(" && ")
        line = ""
        for step in (*(f"{step} &&" for step in steps), last):
            if line and len(line) + 1 + len(step) > room:
                lines.append(line)
                line = ""
            line = f"{line} {step}".lstrip()
        lines += [line] if steps else textwrap.wrap(line, room, break_on_hyphens=False)
    first, *others = lines or [""]
    indent = " " * (len(margin) + 2)
    return "\n".join([f"{margin}  {first}".rstrip(), *(f"{indent}{line}" for line in others)])

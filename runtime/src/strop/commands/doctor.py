"""strop doctor: which engines work on this board, and how to get the rest."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from strop.device.board import Board
from strop.diagnostics.doctor import ABSENT, BROKEN, WORKS, Diagnosis, EngineResult, diagnose
from strop.engines import on_device

_COLUMNS = 100


def main(arguments: argparse.Namespace) -> int:
    """Try every engine; return 1 if one that is installed is broken, or none works."""
    found = diagnose(arguments.timeout, progress=_print_progress)
    _print_progress("")
    if arguments.json:
        print(json.dumps(_content(found), indent=2))
    else:
        for name, value in _facts(found.board):
            print(_beside(f"{name:<10}", [value]))
        print(_beside(f"{'GPU':<10}", _gpus(found)))
        print()
        _print_results(found.results)
    statuses = [result.status for result in found.results]
    return 1 if BROKEN in statuses or WORKS not in statuses else 0


def _print_progress(what: str) -> None:
    """Say on a terminal what is being tried, on a line that the next one replaces."""
    if sys.stderr.isatty():
        text = f"trying {what} ..." if what else ""
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _content(found: Diagnosis) -> dict[str, object]:
    here = found.board
    return {
        "board": here.board,
        "os": here.os,
        "machine": here.machine,
        "bits": here.bits,
        "python": here.python.version,
        "glibc": here.glibc,
        "numpy": here.numpy,
        "cpu": asdict(here.cpu),
        "adapters": [asdict(adapter) for adapter in found.adapters],
        "driver_troubles": list(found.driver_troubles),
        "engines": [asdict(result) for result in found.results],
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


def _gpus(found: Diagnosis) -> list[str]:
    """List each adapter, and each driver that gave none, on a line of its own."""
    lines = [*map(str, found.adapters), *found.driver_troubles]
    return lines or ["none: no Vulkan or CUDA driver has an adapter"]


def _print_results(results: Sequence[EngineResult]) -> None:
    rows = [("engine", "status", "version"), *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    todos = [["what to do"], *map(_todo, results)]
    for row, todo in zip(rows, todos, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_beside("  ".join(cells), todo))


def _cells(result: EngineResult) -> tuple[str, str, str]:
    return on_device(result.engine, result.device), result.status, result.version


def _todo(result: EngineResult) -> list[str]:
    """List the reason, then the mend; the mend alone where the engine is only not installed.

    There is nothing to do about what works: of a GPU, it says which.
    """
    if result.status == WORKS:
        return [result.adapter]
    plain = result.status == ABSENT and result.reason == "not installed"
    return [result.mend] if plain else [result.reason, result.mend]


def _beside(margin: str, texts: list[str]) -> str:
    """Lay out texts in the width that is left beside a margin. A command breaks only after &&."""
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

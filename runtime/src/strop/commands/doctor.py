"""strop doctor: which engines work on this board, and how to get the rest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from strop.commands.terminal import print_fact, print_json, print_line, print_table, progress
from strop.diagnostics.doctor import ABSENT, BROKEN, WORKS, Diagnosis, EngineResult, diagnose
from strop.engines import on_device

_MARGIN = 10  # columns for the names of facts
_WIDEST = 100  # columns: reasons and mends are long, and wrap even if stdout is not a terminal


def main(arguments: argparse.Namespace) -> int:
    """Try every engine; return 1 if one that is installed is broken, or none works."""
    with progress() as show:
        found = diagnose(arguments.timeout, progress=lambda what: show(f"trying {what} ..."))
    if arguments.json:
        print_json(_content(found))
    else:
        for name, values in _facts(found):
            print_fact(name, *values, margin=_MARGIN, widest=_WIDEST)
        print_line()
        _print_results(found.results)
    statuses = [result.status for result in found.results]
    return 1 if BROKEN in statuses or WORKS not in statuses else 0


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


def _facts(found: Diagnosis) -> list[tuple[str, list[str]]]:
    """List the facts about the board; each adapter, and each driver without one, has a line."""
    here = found.board
    cores = f"{here.cpu.cores} core{'s' if here.cpu.cores != 1 else ''}"
    kernel = f", under an {here.kernel} kernel" if here.kernel != here.machine else ""
    none = "none: no Vulkan or CUDA driver has an adapter"
    return [
        ("board", [here.board]),
        ("OS", [here.os]),
        ("machine", [f"{here.machine}, {here.bits}-bit{kernel}"]),
        ("CPU", [f"{here.cpu.model}, {cores}"]),
        ("features", [", ".join(here.cpu.features) or "none that speeds up inference"]),
        ("Python", [here.python.version]),
        ("C library", [f"glibc {here.glibc}" if here.glibc else "not glibc (musl, perhaps)"]),
        ("numpy", [here.numpy or "none that works"]),
        ("GPU", [*map(str, found.adapters), *found.driver_troubles] or [none]),
    ]


def _print_results(results: Sequence[EngineResult]) -> None:
    rows = [(on_device(r.engine, r.device), r.status, r.version) for r in results]
    header = ("engine", "status", "version", "what to do")
    print_table(rows, header, [_todo(result) for result in results], _WIDEST)


def _todo(result: EngineResult) -> list[str]:
    """List the reason, then the mend; only the mend if the engine is just not installed.

    An engine that works has no text, except the name of its GPU.
    """
    if result.status == WORKS:
        return [result.adapter]
    plain = result.status == ABSENT and result.reason == "not installed"
    return [result.mend] if plain else [result.reason, result.mend]

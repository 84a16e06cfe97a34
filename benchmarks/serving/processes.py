"""The CPU time and the memory of a server's processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _SESSION, _USER, _SYSTEM = 1, 3, 11, 12  # fields of `stat` after the name of the program


def members(server: int) -> list[int]:
    """Return a server's processes: those of its session, and what they started.

    Args:
        server: the first process, which leads the session.
    """
    parents, found = {}, set()
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (fields := _stat(folder)):
            parents[int(folder.name)] = int(fields[_PARENT])
            if int(fields[_SESSION]) == server:
                found.add(int(folder.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more  # BentoML gives its workers sessions of their own
    return sorted(found)


def cpu_s(server: int) -> float:
    """Return the seconds of CPU that the processes of a server have used."""
    stats = (_stat(_PROC / str(pid)) for pid in members(server))
    ticks = sum(int(fields[_USER]) + int(fields[_SYSTEM]) for fields in stats if fields)
    return ticks / _TICKS_PER_S


def memory_mib(server: int) -> float:
    """Return the memory of a server; a page that several processes share counts in parts."""
    return sum(_resident_kib(_PROC / str(pid)) for pid in members(server)) / 1024


def _stat(folder: Path) -> list[str]:
    """Return the fields after the name, or nothing of a process that has ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _resident_kib(folder: Path) -> int:
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)

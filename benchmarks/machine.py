"""The machine and software of a run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import packages
from benchmarks.environments import Environments
from benchmarks.files import ROOT
from benchmarks.peers import Absent
from strop.device.cpu import this_cpu

_CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_BUSY = 0.5  # a load average above this means other work on the machine


def describe(environments: Environments, *, quick: bool) -> dict[str, Any]:
    """Describe the machine, the software and the moment, as plain JSON values.

    Args:
        environments: the environments whose packages are listed.
        quick: whether the run is a quick one.
    """
    cpu, load = this_cpu(), os.getloadavg()[0]
    governor, clock = _read(_GOVERNOR), _read(_CLOCK)
    pythons, installed = {}, {}
    for name in environments.pythons:
        try:
            folder = environments.site_packages(name)
        except Absent:
            continue
        pythons[name] = _python(environments.python(name))
        installed[name] = packages.versions(folder)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": "quick" if quick else "full",
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "cpu": {"model": cpu.model, "machine": cpu.machine, "cores": cpu.cores},
        "governor": governor,
        "clock": clock,
        "os": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "load": load,
        "threads": 1,
        "python": pythons,
        "packages": installed,
        "warnings": _warnings(load, governor, clock),
    }


def _warnings(load: float, governor: str, clock: str) -> list[str]:
    """List the conditions that make the figures of this run less stable."""
    found = []
    if load > _BUSY:
        found.append(f"something else is at work: the load average was {load:.1f} at the start")
    if governor not in ("", "performance"):
        found.append(f"the CPU's clock is governed by {governor!r}, not by 'performance'")
    if clock not in ("", "tsc", "arch_sys_counter", "kvm-clock"):
        found.append(f"reading the clock {clock!r} takes long")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _python(python: Path) -> str:
    script = "import platform; print(platform.python_version())"
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _git(*arguments: str) -> str:
    """Return git's answer about this checkout; empty if there is no git or no checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

"""The GPUs of this workstation, and the files that could not be proven on one."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from strop_export.proof.environments import run

NO_ADAPTER = "no GPU adapter here: proven on the CPU path alone"

_LIMIT_S = 60


@dataclass(frozen=True)
class NotOnGpu:
    """A file for GPUs that was proven on the CPU alone, or all such files of a target."""

    reason: str
    format: str | None = None  # None: all of them
    precision: str | None = None
    engine: str | None = None


def adapters() -> tuple[str, ...]:
    """Return the names of the GPUs that the drivers here offer.

    Each driver is asked in a separate process, because it may crash.
    """
    found: list[str] = []
    for api in ("vulkan", "cuda"):
        script = f"from strop.device import adapters; print(*adapters.{api}(), sep='\\n')"
        done = run([sys.executable, "-I", "-c", script], limit_s=_LIMIT_S)
        if done.returncode == 0:
            found += filter(None, done.stdout.splitlines())
    return tuple(found)


def on_the_device(bundle: str) -> str:
    """Return the command to check a bundle on a device with a GPU, which is impossible here.

    Args:
        bundle: the file name of the bundle.
    """
    return f"strop check {bundle} --device gpu"

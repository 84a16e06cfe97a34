"""Errors for requests that no engine, device or file here can meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strop import engines
from strop.bundle.manifest import Manifest
from strop.errors import DeviceUnavailable, EngineUnavailable, StropError, either


def no_gpu(reasons: Sequence[StropError]) -> DeviceUnavailable:
    """Return the error to raise where the requested GPU cannot be used.

    Args:
        reasons: one or more errors that say why.
    """
    if len(reasons) == 1:
        return DeviceUnavailable(reasons[0].problem, reasons[0].mend)
    problems = "; ".join(reason.problem for reason in reasons)
    mends = dict.fromkeys(reason.mend for reason in reasons)
    return DeviceUnavailable(f"device 'gpu' is not available: {problems}", either(*mends))


def none_installed(
    manifest: Manifest, able: Sequence[str], precision: str | None
) -> EngineUnavailable:
    """Return the error to raise where no engine that could meet the request is installed."""
    from strop.device import board, wheels

    here = board.read()
    asked = f"{manifest.name}-{manifest.target}" + (f" at {precision}" if precision else "")
    reasons = {name: wheels.why_none(name, here) for name in able}
    lines = [f"{name}: {wheels.mend_absent(name, here)}" for name in able if not reasons[name]]
    if lines:
        return EngineUnavailable(
            f"no engine for {asked} is installed", f"install one of them, {'; '.join(lines)}"
        )
    present = [n for n in manifest.engines if n in engines.NAMES and engines.is_installed(n)]
    running = {v.precision: [n for n in present if n in v.engines] for v in manifest.variants}
    instead = [f"{kind} runs on {_listed(names)}" for kind, names in running.items() if names]
    others = filter(None, (*instead, wheels.mend_absent(able[0], here, among=able)))
    return EngineUnavailable(
        f"no engine for {asked} is available here: {'; '.join(reasons.values())}", "; ".join(others)
    )


def one_of(names: Iterable[str]) -> str:
    """Format a choice: "int8", or "one of int8, float32"; each name once."""
    names = dict.fromkeys(names)
    return ", ".join(names) if len(names) == 1 else f"one of {', '.join(names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"

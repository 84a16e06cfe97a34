"""Trying an engine on a model with a known answer, in a separate process."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from strop.diagnostics.apart import NoAnswer, ask
from strop.errors import DeviceUnavailable, EngineUnavailable, root_cause

_LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe. An empty `error` means that the engine gave the known answer."""

    version: str = ""  # of the package, once it is imported
    adapter: str = ""  # the GPU that ran it; empty on the CPU
    error: str = ""  # the engine's own words, or ours
    mend: str = ""  # what to do about it, where that is known
    refused: bool = False  # the engine says that it cannot use the device
    killed_by: str = ""  # the signal it died of
    timed_out: bool = False


def probe(engine: str, limit_s: float, device: str = "cpu") -> ProbeResult:
    """Open the known model on an engine, run it, and compare, in a separate process.

    Call it from a program with one thread: it forks.

    Args:
        engine: one of `engines.NAMES`.
        limit_s: how long it may take, in seconds.
        device: "cpu" or "gpu".
    """
    try:
        content = ask(partial(_try, engine, device), limit_s)
    except NoAnswer as no_answer:
        return ProbeResult(
            error=str(no_answer), killed_by=no_answer.killed_by, timed_out=no_answer.timed_out
        )
    return ProbeResult(**content)


def _try(engine: str, device: str) -> dict[str, Any]:
    content: dict[str, Any] = {"version": "", "error": ""}
    try:
        _run(engine, device, content)
    except (DeviceUnavailable, EngineUnavailable) as error:  # it says it all
        problem, mend = (text[:_LONGEST_MESSAGE] for text in (error.problem, error.mend))
        refused = isinstance(error, DeviceUnavailable)
        content |= {"error": problem, "mend": mend, "refused": refused}
    except BaseException as error:  # noqa: BLE001  an engine may raise anything, even SystemExit
        content["error"] = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    return content


def _run(engine: str, device: str, content: dict[str, Any]) -> None:
    """Open and run as `strop.load` would; write down each fact as soon as it is known."""
    try:
        import numpy as np

        from strop import engines
        from strop.diagnostics import probe_models
    except Exception as error:  # noqa: BLE001  numpy wraps what went wrong in advice
        content["error"] = root_cause(error)[:_LONGEST_MESSAGE]
        return
    opener = engines.get(engine)
    content["version"] = opener.version()
    data, variant = probe_models.model(engines.entry(engine).format or "")
    with closing(opener.open(data, variant, device=device, threads=1)) as session:
        content["adapter"] = session.adapter
        output = session.run(probe_models.SAMPLE)
    if not np.array_equal(output, probe_models.ANSWER):
        found, right = (np.asarray(row).ravel().tolist() for row in (output, probe_models.ANSWER))
        content["error"] = f"computes wrongly: {found} instead of {right}"

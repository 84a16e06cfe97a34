"""The check of a bundle on this device before it becomes the current one."""

from __future__ import annotations

from collections.abc import Callable

from strop.bundle.file import Bundle
from strop.bundle.installed import RecordedResult
from strop.diagnostics.check import check, require
from strop.diagnostics.replay import PASSED
from strop.errors import printable

_MOST = 100  # results that are remembered of a bundle with very many variants


def self_check(
    bundle: Bundle, limit_s: float, progress: Callable[[str], None] = lambda step: None
) -> tuple[RecordedResult, ...]:
    """Replay the golden samples on every installed engine, each in a separate process.

    Args:
        bundle: the staged bundle.
        limit_s: seconds that an engine may take for a file; see also `diagnostics.check.check`.
        progress: called with a line before each step.

    Returns:
        What gave the proven outputs; whatever else the bundle holds is for engines not installed.

    Raises:
        ParityError: an installed engine gives other outputs or none, brings its process down, or is
            not done in time.
        StropError: as `diagnostics.check` has it: no engine here can run the bundle, say.
    """
    results = check(bundle, limit_s=limit_s, progress=progress)
    require(results)
    return tuple(
        RecordedResult(
            r.engine,
            r.precision,
            r.format,
            r.device,
            printable(r.detail),  # records take no other text
            r.max_abs_error or 0.0,
        )
        for r in results
        if r.status == PASSED
    )[:_MOST]

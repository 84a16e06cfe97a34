"""The self-check of simulated devices."""

from __future__ import annotations

from strop.bundle.file import Bundle
from strop.bundle.installed import RecordedResult
from strop.diagnostics.check import require
from strop.diagnostics.replay import golden, open_and_replay
from strop.model.select import Choice


def check_here(bundle: Bundle) -> tuple[RecordedResult, ...]:
    """Replay the golden samples as `strop check` does, but in this process."""
    (variant,) = bundle.manifest.variants
    inputs, keras = golden(bundle)
    result, model = open_and_replay(bundle, Choice("reference", variant), inputs, keras)
    if model:
        model.close()
    require([result])
    error = result.max_abs_error or 0.0
    return (RecordedResult("reference", variant.precision, "weights", "cpu", result.detail, error),)

"""How much longer a call takes with several samples than with one: whether to join requests."""

from __future__ import annotations

import functools

from strop.bundle.file import Bundle
from strop.diagnostics.replay import golden
from strop.diagnostics.timing import side_by_side
from strop.diagnostics.tune import TuneResult
from strop.model.select import Choice, open_model
from strop.model.several import repeated
from strop.model.tuned import Joined

_SAMPLES = 16
_BUDGET_S = 1.0


def joined(bundle: Bundle, best: TuneResult) -> Joined:
    """Time the winner of `tune` with one sample a call, and with several.

    Args:
        bundle: verified.
        best: the winner.
    """
    inputs, _ = golden(bundle)
    variant = next(v for v in bundle.manifest.variants if v.file == best.file)
    choice = Choice(best.checked.engine, variant, best.checked.device)
    with open_model(bundle, choice, threads=best.threads) as model:
        calls = [
            functools.partial(model.predict, repeated(inputs, samples)) for samples in (1, _SAMPLES)
        ]
        one, several = side_by_side(calls, budget_s=_BUDGET_S)
    return Joined(_SAMPLES, round(one.p50_us, 3), round(several.p50_us, 3))

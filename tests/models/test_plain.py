"""The comparison can fail, and passes if nothing differs."""

from __future__ import annotations

import numpy as np

from tests.models.plain import auc_is_worse, is_worse


def test_a_file_is_worse_when_it_loses_more_than_a_coin_would() -> None:
    theirs = np.ones(400, bool)
    for lost, worse in ((0, False), (5, False), (6, True)):
        ours = theirs.copy()
        ours[:lost] = False
        assert is_worse(ours, theirs) is worse
        assert not is_worse(theirs, ours)


def test_scores_are_worse_when_noise_hides_the_faults() -> None:
    random = np.random.default_rng(1)
    faults = np.arange(400) >= 200
    theirs = faults + random.normal(0, 0.5, 400)
    assert auc_is_worse(theirs + random.normal(0, 1, 400), theirs, faults)
    assert not auc_is_worse(theirs + random.normal(0, 0.01, 400), theirs, faults)
    assert not auc_is_worse(theirs, theirs, faults)

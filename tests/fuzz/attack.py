"""The fate of bundles that an attacker repacked, in the guarded process of `strop check`."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from typing import NamedTuple

from strop import engines
from strop.bundle import archive
from strop.bundle.archive import MANIFEST
from strop.bundle.file import parse_bundle
from strop.diagnostics.check import check
from strop.diagnostics.replay import BROKEN, FAILED
from strop.errors import StropError
from tests import bundles
from tests.fuzz import seeds
from tests.fuzz.mutants import mutant

LIMIT_S = 3  # a model that takes longer counts as hanging

REFUSED = "refused by type"
UNUSABLE = "the engine refused it"
WRONG = "FAILED"
HARMLESS = "passed"
CRASHED = "crashed"
HUNG = "hung"
ESCAPED = "escaped"
FATES = (REFUSED, UNUSABLE, WRONG, HARMLESS, CRASHED, HUNG, ESCAPED)


class Fate(NamedTuple):
    """The outcome of one mutant."""

    number: int
    kind: str  # one of FATES
    words: str


class Attacker:
    """A maker of mutants of a bundle, by number: one member altered, with matching digests."""

    def __init__(self, draft: bundles.Draft) -> None:
        self._draft = draft
        self._model = seeds.member(draft, draft.variant["file"])
        self._all = [seeds.member(draft, name) for name in (MANIFEST, *draft.files)]

    def bundle(self, number: int) -> bytes:
        """Make a mutant; in four of five the model is altered: only that reaches native code."""
        dice = random.Random(number)
        seed = self._model if dice.random() < 0.8 else dice.choice(self._all)
        data = mutant(seed, number)
        if seed.name == MANIFEST:
            return archive.pack({MANIFEST: data, **self._draft.files})
        draft = bundles.Draft(copy.deepcopy(self._draft.content), dict(self._draft.files))
        golden = draft.content["golden"]
        refs = (draft.variant, draft.variant["golden"][0], golden["inputs"][0], golden["keras"][0])
        (ref,) = (ref for ref in refs if ref["file"] == seed.name)
        draft.put(ref, data)
        return draft.pack()


def fates(draft: bundles.Draft, numbers: Iterable[int]) -> list[Fate]:
    """Check mutants, each in a separate process with the engine already imported."""
    engines.get(draft.content["engines"][0])
    attacker = Attacker(draft)
    return [Fate(number, *_fate(attacker.bundle(number))) for number in numbers]


def _fate(data: bytes) -> tuple[str, str]:
    """Return the kind of fate and its words; what hangs does so twice, unlike a busy machine."""
    found = _once(data)
    return _once(data) if found[0] == HUNG else found


def _once(data: bytes) -> tuple[str, str]:
    try:
        results = check(parse_bundle(data), limit_s=LIMIT_S)
    except StropError as error:
        return REFUSED, str(error)
    except BaseException as error:  # noqa: BLE001  what should not be
        return ESCAPED, f"{type(error).__name__}: {error}"
    kinds = {_kind(result.status, result.detail): result.detail for result in results}
    worst = max(kinds, key=FATES.index)
    return worst, kinds[worst]


def _kind(status: str, detail: str) -> str:
    if status == BROKEN:
        if detail.startswith("did not answer"):
            return HUNG
        return CRASHED if detail.startswith(("died of", "ended with")) else UNUSABLE
    return WRONG if status == FAILED else HARMLESS

"""Files altered in transit, or by an attacker who knows the format: no engine ever sees one.

Every mutant is of the whole file. Half of them get a matching digest at their end, as from an
attacker who does not know that members have their own digests and that headers have only one form.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

import pytest

from strop import engines
from strop.bundle import archive
from strop.bundle.archive import MANIFEST
from strop.bundle.file import parse_bundle
from strop.bundle.schema import parse
from strop.errors import BundleError
from strop.model.select import open_best
from tests import bundles
from tests.figures import Record
from tests.fuzz import seeds
from tests.fuzz.mutants import Seed, mutant

MUTANTS = 10_000  # of each format


@pytest.mark.parametrize("format", seeds.ENGINES)
def test_mutants_of_a_file_are_refused_before_an_engine_is_asked_for(
    format: str, monkeypatch: pytest.MonkeyPatch, figure: Record
) -> None:
    class Reached(Exception):
        pass

    def engine(name: str) -> NoReturn:
        raise Reached(name)

    monkeypatch.setattr(engines, "get", engine)
    draft = seeds.probe(format)
    with pytest.raises(Reached):  # the unchanged bundle: the trap works
        open_best(parse_bundle(draft.pack()))
    seed = seeds.whole(draft)
    unsealed = seed._replace(data=seed.data[:-64])  # without the digest at its end
    let_through = []
    for number in range(MUTANTS):
        if number % 2:
            data = bundles.reseal(mutant(unsealed, number) + bytes(64))
        else:
            data = mutant(seed, number)
        try:
            open_best(parse_bundle(data))
        except BundleError:
            continue
        except Exception as error:  # noqa: BLE001
            let_through.append((number, repr(error)))
        else:
            let_through.append((number, "opened"))
    figure(f"mutants of a {format} bundle, refused before its parser", MUTANTS, len(let_through))
    assert let_through == []


def test_a_mutant_of_a_manifest_is_read_the_same_again_or_refused(figure: Record) -> None:
    """Digests match; a manifest that is accepted is written again unchanged."""
    accepted, failed = 0, []
    for number in range(MUTANTS):
        draft = (bundles.image, bundles.vector)[number % 2]()
        data = mutant(Seed(f"manifest {number % 2}", draft.manifest(), is_json=True), number)
        try:
            bundle = parse_bundle(archive.pack({MANIFEST: data, **draft.files}))
            accepted += 1
            if parse(bundle.manifest.to_json()) != bundle.manifest:
                failed.append((number, "another manifest"))
        except BundleError:
            continue
        except Exception as error:  # noqa: BLE001
            failed.append((number, repr(error)))
    detail = f"{accepted} still valid"
    figure("mutants of a manifest, refused or read faithfully", MUTANTS, len(failed), detail)
    assert failed == []
    assert accepted  # the second half was tried too


def test_a_number_is_the_same_mutant_on_every_python() -> None:
    """A number is then enough to reproduce a mutant."""
    made = hashlib.sha256()
    for number in range(500):
        for seed in (
            Seed("pinned", bytes(range(256)) * 4, [(0, 4), (8, 2), (100, 1)]),
            Seed("pinned", b'{"a": [1, "b", null]}', is_json=True),
        ):
            assert mutant(seed, number) != seed.data
            made.update(mutant(seed, number))
    assert made.hexdigest() == "f85231d55de4db22e410170c38cbd251f749e6c2e115f01deda37557a84f4d51"

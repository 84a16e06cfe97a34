"""Bundles repacked by an attacker: the guard contains every crash and hang of a native parser.

Their digests match, so their bytes reach the engines. The tests show that `check` continues and
reports what happened; they do not show that an engine is safe from a hostile file.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.bundle.file import parse_bundle
from strop.diagnostics.check import check
from strop.diagnostics.replay import PASSED
from tests import bundles
from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.figures import Record
from tests.fuzz import hostile, seeds
from tests.fuzz.attack import CRASHED, ESCAPED, FATES, HUNG, LIMIT_S, Attacker, Fate, fates

MUTANTS = int(os.environ.get("STROP_FUZZ_MUTANTS", "10000"))
_AT_ONCE = 100  # mutants per worker
_PATIENCE_S = 60  # with what does not hang
_COMMANDS = 3  # files that crash or hang an engine, for the real command


@pytest.fixture(scope="module")
def drafts(edge: Exported) -> dict[str, bundles.Draft]:
    """The smallest model of each format, where every byte counts, and real ones."""
    whole = edge.bundle("cpu").read_bytes()
    real = {
        variant.format: seeds.part(whole, variant.file, seeds.ENGINES[variant.format])
        for variant in parse_bundle(whole).manifest.variants
        if variant.precision == ("float32" if variant.format == "weights" else "int8")
    }
    return {
        **{f"probe {format}": seeds.probe(format) for format in seeds.ENGINES},
        **{f"real {format}": draft for format, draft in real.items()},
    }


def test_the_bundles_themselves_pass(drafts: dict[str, bundles.Draft]) -> None:
    for draft in drafts.values():
        (result,) = check(parse_bundle(draft.pack()), limit_s=60)
        assert result.status == PASSED, result


@pytest.mark.alone
def test_no_mutant_escapes_the_guard(
    drafts: dict[str, bundles.Draft],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figure: Record,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)  # files that an engine was made to write would be here
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    each = -(-MUTANTS // len(drafts))
    jobs = [
        (name, range(start, min(start + _AT_ONCE, each)))
        for start in range(0, each, _AT_ONCE)
        for name in drafts
    ]
    found: dict[str, list[Fate]] = {name: [] for name in drafts}
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        waiting = [
            (name, pool.apply_async(fates, (drafts[name], numbers))) for name, numbers in jobs
        ]
        for name, answer in waiting:
            found[name] += answer.get()
    for format in seeds.ENGINES:
        of_format = [fate for name in drafts if name.endswith(format) for fate in found[name]]
        kinds = Counter(fate.kind for fate in of_format)
        detail = ", ".join(f"{kinds[kind]:,} {kind}" for kind in FATES if kinds[kind])
        name = f"repacked {format} mutants, contained by the guard of check"
        figure(name, len(of_format), kinds[ESCAPED], detail)
    escaped = [fate for fates in found.values() for fate in fates if fate.kind == ESCAPED]
    assert escaped == []
    assert sum(map(len, found.values())) == each * len(drafts)
    assert list(here.iterdir()) == []
    deadly = [
        (name, fate)
        for name, fates in found.items()
        for fate in fates
        if fate.kind in (CRASHED, HUNG)
    ]
    for name, fate in deadly[:_COMMANDS]:
        path = tmp_path / "deadly.strop"
        path.write_bytes(Attacker(drafts[name]).bundle(fate.number))
        limit_s = LIMIT_S if fate.kind == HUNG else _PATIENCE_S
        _is_a_broken_line(path, fate.words.partition(";")[0], limit_s)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("draft", "words", "limit_s"),
    [
        (hostile.endless, f"did not answer in {LIMIT_S} s", LIMIT_S),
        (hostile.boundless, "Failed to allocate memory", _PATIENCE_S),
    ],
)
def test_a_file_made_to_do_harm_is_a_line(
    draft: Callable[[], bundles.Draft], words: str, limit_s: int, tmp_path: Path
) -> None:
    _is_a_broken_line(draft().write(tmp_path / "hostile.strop"), words, limit_s)


def _is_a_broken_line(path: Path, words: str, limit_s: int) -> None:
    """Check that `strop check` reports the file as broken, with these words."""
    command = (sys.executable, "-m", "strop", "check", path, "--timeout", limit_s)
    done = run(*command, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = (line for line in done.stdout.splitlines() if "BROKEN" in line)
    assert words in line
    assert "0 of 1 variants" in done.stdout

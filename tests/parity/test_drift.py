"""Drift on the exported model: spoilt digits are found, and the test set is alike.

docs/decisions/0058-drift.md has the whole tables, from tools/drift_tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.bundle.open import open_bundle
from strop.cli import main
from strop.diagnostics.drift import ALIKE, DRIFTED, WATCH, judge
from tests.conftest import Exported
from tests.figures import Record
from tools.drift_tables import AS_THEY_ARE, SPOILT, levels, measure

SMALL = 200  # samples that must be enough
DRAWS = 50
SLIGHT = ("shifted 1 px right", "shifted 3 px, each another way")  # too slight for 200 samples


@pytest.fixture(scope="module")
def model(edge: Exported) -> Iterator[strop.Model]:
    with strop.load(edge.bundle("cpu")) as opened:
        yield opened


@pytest.mark.parametrize("samples", [200, 1000, 10_000])
def test_the_test_set_is_alike(
    samples: int, edge: Exported, model: strop.Model, figure: Record
) -> None:
    bundle = open_bundle(str(edge.bundle("cpu")))
    measured = measure(bundle, model, edge.evaluation()["inputs"])
    found = levels(measured, samples, 400, np.random.default_rng(samples))
    figure(f"{samples} images of the test set are alike", found.total(), found[DRIFTED])
    assert found[DRIFTED] == 0
    assert found[WATCH] <= 0.02 * found.total()


@pytest.mark.parametrize("kind", [kind for kind in SPOILT if kind not in (AS_THEY_ARE, *SLIGHT)])
def test_what_is_spoilt_has_drifted(
    kind: str, edge: Exported, model: strop.Model, figure: Record
) -> None:
    bundle = open_bundle(str(edge.bundle("cpu")))
    given = edge.evaluation()
    random = np.random.default_rng(0)
    measured = measure(bundle, model, SPOILT[kind](given["inputs"], given["labels"], random))
    for samples in (SMALL, 1000, 10_000):
        found = levels(measured, samples, DRAWS, random)
        figure(
            f"{samples} images, {kind}, have drifted", found.total(), found.total() - found[DRIFTED]
        )
        assert set(found) == {DRIFTED}


@pytest.mark.parametrize("kind", SLIGHT)
def test_what_is_slightly_spoilt_is_not_alike(
    kind: str, edge: Exported, model: strop.Model
) -> None:
    bundle = open_bundle(str(edge.bundle("cpu")))
    given = edge.evaluation()
    random = np.random.default_rng(0)
    measured = measure(bundle, model, SPOILT[kind](given["inputs"], given["labels"], random))
    assert ALIKE not in levels(measured, SMALL, DRAWS, random)


def test_a_model_that_counts_gives_the_counts_that_were_measured(
    edge: Exported, tmp_path: Path
) -> None:
    """And the command judges what the model saved."""
    path = edge.bundle("cpu")
    bundle = open_bundle(str(path))
    images = edge.evaluation()["inputs"][:300]
    with strop.load(path, count_every=1) as counting:
        for image in images:
            counting.predict(image)
        counts = counting.counts()
        wanted = measure(bundle, counting, images).counts(np.arange(300))
    assert (counts.inputs, counts.outputs) == (wanted.inputs, wanted.outputs)
    assert judge(bundle.manifest, counts) == judge(bundle.manifest, wanted)
    counts.save(str(tmp_path / "counts.json"))
    assert main(["drift", str(path), str(tmp_path / "counts.json")]) == 0


def test_the_command_finds_shifted_digits(
    edge: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge.bundle("cpu")
    given = edge.evaluation()
    random = np.random.default_rng(0)
    spoilt = SPOILT["shifted 3 px right"](given["inputs"], given["labels"], random)[:SMALL]
    with strop.load(path, count_every=1) as counting:
        for image in spoilt:
            counting.predict(image)
        counting.counts().save(str(tmp_path / "counts.json"))
    assert main(["drift", str(path), str(tmp_path / "counts.json")]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("drifted: cell ")
    assert "left) is darker" in first

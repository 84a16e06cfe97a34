"""What counting adds to a call: a bundle on the native engine, with and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import counting
from benchmarks.files import Files
from benchmarks.results import STROP
from tests import bundles
from tests.profiles import profiled
from tests.web import plans

pytest.importorskip("strop_native")

RANDOM = np.random.default_rng(0)
PIXELS: NDArray[Any] = RANDOM.integers(0, 256, (50, 4, 4)).astype(np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """What a run has copied: the bundle of the CPU and the images."""
    found = Files(tmp_path / "shapes", tmp_path)
    draft = plans.classifier()
    draft.variant["precision"] = "int8"
    answers = RANDOM.random((50, 3)).astype(np.float32)
    profiled(draft, PIXELS, answers=(answers,)).write(found.bundle("native"))
    np.save(found.images, PIXELS)
    return found


def test_a_row_says_what_a_call_costs_without_and_what_counting_adds(files: Files) -> None:
    row = counting.time_both(files.bundle("native"), PIXELS[:1], turns=20, calls=2000)
    assert (row.subject, row.kind, row.axis, row.unit) == (
        *("Strop native int8", STROP),
        *("counting", "us"),
    )
    assert row.value is not None
    assert row.parts["without"] > 0
    assert row.parts["counted"] == pytest.approx(42, abs=25)  # of 42,000 calls
    assert len(row.samples_us) == 20


def test_it_is_measured_in_a_process_of_its_own(files: Files) -> None:
    row = counting.measure(files, quick=True)
    assert row.value is not None
    assert row.parts["counted"] > 100
    assert 100 <= len(row.samples_us) <= 250


def test_a_process_that_fails_is_said(files: Files) -> None:
    files.images.unlink()
    with pytest.raises(RuntimeError, match="benchmarks.counting failed with status 1"):
        counting.measure(files, quick=True)


def test_a_bundle_without_a_profile_gives_the_reason(files: Files) -> None:
    path = plans.classifier().write(files.bundle("native"))
    row = counting.time_both(path, PIXELS[:1], turns=1, calls=1)
    assert row.value is None
    assert "int8" in row.absent
    path = bundles.image().write(path)
    assert "native" in counting.time_both(path, PIXELS[:1], turns=1, calls=1).absent


def test_a_row_is_a_line(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert counting.main([str(files.bundle("native")), str(files.images), "--quick"]) == 0
    assert json.loads(capsys.readouterr().out)["axis"] == "counting"

"""The samples held out of the calibration samples: a quarter, and never one that judges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source.held_out import held_out
from tests.unit.export import source_kit as kit


@pytest.mark.parametrize(
    ("count", "held"), [(0, 0), (63, 0), (64, 16), (300, 75), (4000, 1000), (100_000, 1000)]
)
def test_a_quarter_is_held_out_and_at_most_a_thousand(count: int, held: int) -> None:
    chosen = held_out(count)
    assert chosen.shape == (count,)
    assert chosen.sum() == held


@pytest.mark.parametrize("period", [2, 4, 10])
def test_samples_in_turns_are_held_out_of_every_class(period: int) -> None:
    chosen = held_out(400)
    for kind in range(period):
        share = chosen[np.arange(400) % period == kind].mean()
        assert 0.1 <= share <= 0.45


def test_the_sorted_are_held_out_alike() -> None:
    assert all(part.sum() == 25 for part in np.split(held_out(400), 4))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> source.Files:
    folder = tmp_path_factory.mktemp("held-out")
    model = kit.chain((3,), kit.dense(4, "softmax"))
    rows = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    labels = np.asarray(model(rows)).argmax(axis=1)
    np.savez(folder / "other.npz", inputs=rows[::-1], labels=labels[::-1])
    return replace(
        kit.saved(folder, model, {"inputs": rows, "labels": labels}),
        evaluation=folder / "other.npz",
    )


def test_keras_answers_them_and_their_labels_go_with_them(files: source.Files) -> None:
    read = source.read(files)
    assert len(read.calibration[0]) == 150
    (samples,), (keras,), (labels,) = read.selection, read.selection_keras, read.selection_labels
    assert samples.shape == (50, 3)
    assert labels is not None
    assert np.array_equal(keras.argmax(axis=1), labels)
    calibrating = {row.tobytes() for row in read.calibration[0]}
    assert not calibrating & {row.tobytes() for row in samples}


def test_self_evaluated_they_come_from_the_half_that_calibrates(files: source.Files) -> None:
    read = source.read(replace(files, evaluation=None))
    judging = {row.tobytes() for row in read.samples[0]}
    assert len(read.selection[0]) == 25
    assert not judging & {row.tobytes() for row in read.selection[0]}


def test_too_few_samples_are_all_left_to_calibrate(files: source.Files, tmp_path: Path) -> None:
    with np.load(files.calibration) as held:
        np.savez(tmp_path / "few.npz", inputs=held["inputs"][:63])
    read = source.read(replace(files, calibration=tmp_path / "few.npz"))
    assert (len(read.calibration[0]), len(read.selection[0])) == (63, 0)
    assert read.selection_keras == ()
    (note,) = read.notes
    assert note.startswith("63 calibration samples are too few to hold some out")


def test_labels_of_calibration_samples_must_fit(files: source.Files, tmp_path: Path) -> None:
    with np.load(files.calibration) as held:
        wrong = {"inputs": held["inputs"], "labels": held["labels"] + 4}
    np.savez(tmp_path / "wrong.npz", **wrong)
    with pytest.raises(SourceError, match="integers from 0 to 3"):
        source.read(replace(files, calibration=tmp_path / "wrong.npz"))

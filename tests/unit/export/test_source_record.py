"""The outputs that training recorded are the reference, in the model's own dtype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export import save_artifact, source
from strop_export.errors import SourceError
from strop_export.source import record
from tests.unit.export.source_kit import floats, keras

FILES = source.Files("m", Path("m.keras"), Path("calibration.npz"), Path("evaluation.npz"))
NUMBERS = np.arange(12, dtype=np.int32).reshape(6, 2)


def test_integers_stay_integers(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.ops.cast(10 * x, "int32"))
    folder = save_artifact(model, tmp_path / "net", floats(4), floats(4)[::-1])
    read = source.read(source.artifact(folder))
    (answers,) = read.keras
    assert answers.dtype == np.int32
    assert (read.outputs[0].dtype, read.outputs[0].kind) == ("int32", "raw")
    assert np.array_equal(answers, (10 * read.samples[0]).astype(np.int32))


def checked(recorded: Any, today: NDArray[Any], kernels: int = 0) -> NDArray[Any]:
    (found,) = record.checked(FILES, recorded, (today,), kernels)
    return found


@pytest.mark.parametrize("stored", [np.int32, np.int64, np.float32])
def test_recorded_integers_have_the_model_s_dtype(stored: Any) -> None:
    found = checked(NUMBERS.astype(stored), NUMBERS)
    assert found.dtype == np.int32
    assert np.array_equal(found, NUMBERS)


@pytest.mark.parametrize(
    ("recorded", "today", "said"),
    [
        (NUMBERS + np.eye(6, 2, dtype=np.int32), NUMBERS, "2 of 12 values differ"),
        (NUMBERS + 0.5, NUMBERS, "12 of 12 values differ"),
        (NUMBERS[:, :1], NUMBERS, r"they are int32 \(6, 1\)"),
        (NUMBERS.astype(str), NUMBERS, r"they are <U11 \(6, 2\)"),
        (NUMBERS + 1.0, NUMBERS.astype(np.float32), "they differ by 0.0909"),
        (NUMBERS * np.nan, NUMBERS.astype(np.float32), "they differ by nan"),
    ],
)
def test_outputs_of_another_model_are_refused(
    recorded: NDArray[Any], today: NDArray[Any], said: str
) -> None:
    with pytest.raises(SourceError, match=f"holds outputs of another model than m.keras .*{said}"):
        checked(recorded, today)


def test_rounding_is_no_difference() -> None:
    today = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2)
    recorded = today.astype(np.float64) + 1e-6
    assert np.array_equal(checked(recorded, today), recorded.astype(np.float32))


def test_a_deep_model_rounds_more() -> None:
    today = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2)
    recorded = today.astype(np.float64) + 3e-5
    with pytest.raises(SourceError, match="holds outputs of another model"):
        checked(recorded, today, kernels=4)
    assert np.array_equal(checked(recorded, today, kernels=64), recorded.astype(np.float32))

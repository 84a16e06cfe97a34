"""Complete or not there at all; and the same arrays give the same bytes."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest

from train import storage
from train.errors import OutputError


def test_npz_bytes_are_read_by_numpy_and_do_not_depend_on_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrays = {"inputs": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": np.array([1, 2, 3])}
    first = storage.npz_bytes(arrays)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert storage.npz_bytes(arrays) == first
    with np.load(io.BytesIO(first), allow_pickle=False) as archive:
        assert sorted(archive) == ["inputs", "labels"]
        assert np.array_equal(archive["inputs"], arrays["inputs"])


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "seeds.json"
    storage.write_atomically(target, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        storage.write_atomically(target, b"after")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    finished, target = tmp_path / "new", tmp_path / "artifact"
    for folder, text in ((finished, "new"), (target, "old")):
        folder.mkdir()
        (folder / "file").write_text(text)
    storage.put_in_place(finished, target)
    assert (target / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_renamed_leaves_the_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "file").write_text("old")
    with pytest.raises(OutputError, match="cannot write"):
        storage.put_in_place(tmp_path / "never made", target)
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]

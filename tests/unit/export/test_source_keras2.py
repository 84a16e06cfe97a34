"""tf-keras runs a model of Keras 2 in another process, whatever becomes of that process."""

from __future__ import annotations

import base64
import gc
import json
import marshal
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import keras2
from tests.unit.export.source_kit import floats


def with_lambda(folder: Path, function: Any) -> source.Loading:
    """Write a model of Keras 2 that runs a function."""
    code = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
        },
        {
            "class_name": "Lambda",
            "config": {
                **{"name": "l", "function": [code, None, None], "function_type": "lambda"},
                **{"module": "__main__", "output_shape": None, "output_shape_type": "raw"},
                **{"output_shape_module": None, "arguments": {}},
            },
        },
    ]
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.13.1", "tensorflow"
        file.attrs["model_config"] = json.dumps(model)
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([b"l"])
        weights.create_group("l").attrs["weight_names"] = np.array([], "S1")
    return source.Loading(folder / "m.h5", trust=True)


def twin(loading: source.Loading) -> keras2.Twin:
    return keras2.twin(loading, [{"x": floats(4)}])


def test_a_crash_is_an_error(tmp_path: Path) -> None:
    loading = with_lambda(tmp_path, lambda x: __import__("os").abort())
    with pytest.raises(SourceError, match="tf-keras died of SIGABRT on .*m.h5; write a SavedModel"):
        twin(loading)


def test_a_hang_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras2, "_LIMIT_S", 0.1)
    with pytest.raises(SourceError, match="tf-keras did not load and run .*m.h5 in 0.1 s"):
        twin(with_lambda(tmp_path, lambda x: x))


def test_without_tf_keras_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)  # as if it were not installed
    with pytest.raises(SourceError, match="is not installed; pip install tf-keras") as raised:
        twin(with_lambda(tmp_path, lambda x: x))
    assert "was written by Keras 2" in raised.value.problem


def test_the_twin_s_folder_goes_with_it() -> None:
    scratch = keras2.Scratch()
    path = scratch.path
    assert path.is_dir()
    del scratch
    gc.collect()
    assert not path.exists()


def test_the_reference_is_tf_keras_s_own_answer() -> None:
    theirs = (np.array([[1.0, 0.0]], np.float32),)
    made = keras2.Twin(source.Loading(Path("m.keras")), (theirs,), keras2.Scratch())
    assert made.checked(0, (theirs[0] + np.float32(1e-5),)) is theirs


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ((np.array([[1.0, 0.01]], np.float32),), "differ by 0.01 of their size"),
        ((np.array([[1.0]], np.float32),), "differ by inf"),
        ((), "differ by inf"),
        ((np.array([[np.nan, 0.0]], np.float32),), "differ by nan"),
    ],
)
def test_a_twin_that_is_another_model_is_refused(ours: Any, said: str) -> None:
    theirs = (np.array([[1.0, 0.0]], np.float32),)
    made = keras2.Twin(source.Loading(Path("m.keras")), (theirs,), keras2.Scratch())
    with pytest.raises(SourceError, match=f"in another way than Keras 2 .*{said}"):
        made.checked(0, ours)

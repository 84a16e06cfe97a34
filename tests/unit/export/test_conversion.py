"""The converter in its own process: what it writes, what it refuses, and how it dies."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop_export import conversion, source
from strop_export.conversion import Converter
from strop_export.errors import ConversionError, UnsupportedLayer
from strop_export.formats import VariantSpec, convert, quiet

with quiet():
    import keras

FLOAT32 = VariantSpec("tflite", "float32")


def _source(folder: Path, *layers: keras.layers.Layer) -> source.Source:
    model = keras.Sequential([keras.Input((8, 4)), *layers])
    model.save(folder / "m.keras")
    samples = np.random.default_rng(1).normal(0, 1, (60, 8, 4)).astype(np.float32)
    np.savez(folder / "c.npz", inputs=samples)
    return source.read(source.Files("m", folder / "m.keras", folder / "c.npz"))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    layers = keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")
    return _source(tmp_path_factory.mktemp("dense"), *layers)


def test_it_writes_what_the_converters_write(dense: source.Source, tmp_path: Path) -> None:
    specs = [VariantSpec("tflite", "int8"), VariantSpec("onnx", "int8"), FLOAT32]
    with Converter(dense, tmp_path) as converter:
        for spec in specs:
            assert converter.convert(spec) == convert(dense.model, spec, dense.calibration)


def test_a_recurrent_layer_ends_the_converter_and_not_the_export(tmp_path: Path) -> None:
    """TensorFlow's int8 conversion of it dies of SIGSEGV; the next variant has a new process."""
    layers = keras.layers.GRU(4, return_sequences=True), keras.layers.GRU(4)
    gru = _source(tmp_path, *layers, keras.layers.Dense(3, activation="softmax"))
    with Converter(gru, tmp_path) as converter:
        with pytest.raises(ConversionError, match="the converter died of SIGSEGV as it wrote"):
            converter.convert(VariantSpec("tflite", "int8"))
        assert converter.convert(FLOAT32).data[4:8] == b"TFL3"


def test_a_refusal_comes_back_as_what_it_is(tmp_path: Path) -> None:
    conv = _source(tmp_path, keras.layers.Conv1D(3, 3), keras.layers.GlobalAveragePooling1D())
    with Converter(conv, tmp_path) as converter:
        with pytest.raises(UnsupportedLayer, match=r"\(Conv1D\) cannot be written as weights"):
            converter.convert(VariantSpec("weights", "float32"))
        assert converter.convert(FLOAT32).data


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit(3)", "the converter ended with exit 3 as it wrote"),
        ("import os; os.kill(os.getpid(), 11)", "the converter died of SIGSEGV as it wrote"),
        ("input(); print('{}')", "gave no sound answer"),
        ("input(); print('[1]')", "gave no sound answer"),
        ("input(); print('what?')", "gave no sound answer"),
        (f"input(); print({json.dumps({'error': 'SystemExit', 'message': ''})!r})", "no sound ans"),
        (f"input(); print({json.dumps({'file': '/nowhere'})!r})", "gave no sound answer"),
    ],
)
def test_one_that_goes_astray_is_a_refusal(
    dense: source.Source, tmp_path: Path, script: str, said: str
) -> None:
    with Converter(dense, tmp_path) as converter:
        converter._command = [sys.executable, "-c", script]
        with pytest.raises(ConversionError, match=said):
            converter.convert(FLOAT32)


def test_one_that_hangs_is_ended(
    dense: source.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_LIMIT_S", 0.5)
    with Converter(dense, tmp_path) as converter:
        converter._command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with pytest.raises(ConversionError, match=f"died of {signal.Signals.SIGKILL.name} as it"):
            converter.convert(FLOAT32)


def test_no_code_of_a_model_runs_unasked(dense: source.Source, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 4)), keras.layers.Lambda(lambda x: x[:, 0])])
    model.save(tmp_path / "l.keras")
    unsafe = replace(dense, path=tmp_path / "l.keras")
    said = "the converter ended with exit 1"
    with Converter(unsafe, tmp_path) as converter, pytest.raises(ConversionError, match=said):
        converter.convert(FLOAT32)

"""The converter in its own process: its files, its refusals and its crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.bundle.manifest import ROUNDINGS
from strop_export import conversion, source
from strop_export.conversion import Converter
from strop_export.errors import ConversionError, NothingToEqualize, UnsupportedLayer
from strop_export.formats import Conversions, Names, Quantization, VariantSpec, convert
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import chain, dense, floats, keras

layers = keras.layers
FLOAT32, INT8 = VariantSpec("tflite", "float32"), VariantSpec("tflite", "int8")
OWN = Path(__file__).with_name("own_layers.py")


def _source(folder: Path, *stack: Any, **options: Any) -> source.Source:
    return kit.read(folder, chain((8, 4), *stack), {"inputs": floats(8, 4)}, **options)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    return _source(tmp_path_factory.mktemp("dense"), layers.Flatten(), dense(3, "softmax"))


def test_it_writes_what_the_converters_write(flat: source.Source, tmp_path: Path) -> None:
    specs = [VariantSpec("tflite", "int8"), VariantSpec("onnx", "int8"), FLOAT32]
    specs += [VariantSpec("plan", "int8", rounding=rounding) for rounding in ROUNDINGS]
    names = Names(("input",), ("probabilities",))
    with kit.converting(flat, tmp_path) as converter:
        for spec in specs:
            found = converter.convert(spec)
            assert found == convert(flat.model, spec, flat.calibration, names)


def test_its_process_starts_at_once_and_ends_with_the_block(tmp_path: Path) -> None:
    with Converter(tmp_path) as converter:
        process = converter._process
        assert process is not None
        assert process.poll() is None
        assert os.getpgid(process.pid) == process.pid, "a ^C in the terminal would reach it"
    assert process.returncode == -signal.SIGKILL


def test_it_ends_with_the_export_however_that_ends(tmp_path: Path) -> None:
    """Also while it loads TensorFlow, or converts."""
    command = Converter(tmp_path)._command
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()  # as the kernel does for an export that was killed
        assert process.wait(60) == 0


def test_no_file_in_the_working_directory_runs_as_a_module(
    flat: source.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('it ran')", encoding="ascii")
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.chdir(tmp_path)
    with kit.converting(flat, shared) as converter:
        assert converter.convert(FLOAT32).data


# An interrupt in the moment between the timer's start and the request.
_INTERRUPTED = """
import sys, threading
from pathlib import Path
from strop_export import conversion
from strop_export.formats import VariantSpec

class Interrupted(threading.Timer):
    def start(self):
        super().start()
        raise KeyboardInterrupt

threading.Timer = Interrupted
with conversion.Converter(Path(sys.argv[1])) as converter:
    converter.convert(VariantSpec("tflite", "int8"))
"""


def test_an_interrupt_at_any_moment_ends_the_export(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_several_inputs_and_outputs_keep_their_order(tmp_path: Path) -> None:
    model = kit.two_by_two(named=True)
    two = kit.read(tmp_path, model, {"right": floats(2), "left": floats(4)})
    with kit.converting(two, tmp_path) as converter:
        file = converter.convert(FLOAT32)
    assert [tensor.name for tensor in file.inputs] == ["left", "right"]
    found = [(tensor.name, tensor.shape[1:]) for tensor in file.outputs]
    assert found == [("what", (3,)), ("where", (5,))]


def test_shapes_trust_and_classes_of_one_s_own_reach_it(tmp_path: Path) -> None:
    import importlib

    own = importlib.import_module("tests.unit.export.own_layers")
    inputs = keras.Input((None, 4), name="series")
    model = keras.Model(inputs, dense(3)(layers.GlobalMaxPooling1D()(own.Scaled(3.0)(inputs))))
    files = kit.saved(tmp_path, model, {"series": floats(8, 4)}, custom=OWN)
    read = source.read(files, trust=True, shapes={"series": (8, 4)})
    with kit.converting(read, tmp_path) as converter:
        file = converter.convert(FLOAT32)
    assert file.inputs[0].shape[1:] == (8, 4)


def test_a_recurrent_layer_is_written_step_by_step(tmp_path: Path) -> None:
    gru = _source(tmp_path, layers.GRU(12), dense(3, "softmax"))
    with kit.converting(gru, tmp_path) as converter:
        assert converter.convert(VariantSpec("tflite", "int8")).data[4:8] == b"TFL3"


def test_one_that_is_too_long_ends_the_converter_and_not_the_export(tmp_path: Path) -> None:
    """TensorFlow's int8 conversion of its loop dies or is refused; the next variant continues."""
    stack = [layers.GRU(4, name="long"), dense(3, "softmax")]
    model = chain((129, 4), *stack)
    gru = kit.read(tmp_path, model, {"inputs": floats(129, 4)})
    with kit.converting(gru, tmp_path) as converter:
        with pytest.raises(ConversionError, match=r"long.*GRU|GRU.*long"):
            converter.convert(VariantSpec("tflite", "int8"))
        assert converter.convert(FLOAT32).data[4:8] == b"TFL3"


def test_a_refusal_comes_back_as_what_it_is(tmp_path: Path) -> None:
    conv = _source(tmp_path, layers.Conv1D(3, 3), layers.GlobalAveragePooling1D())
    with kit.converting(conv, tmp_path) as converter:
        with pytest.raises(UnsupportedLayer, match=r"\(Conv1D\) cannot be written as weights"):
            converter.convert(VariantSpec("weights", "float32"))
        assert converter.convert(FLOAT32).data


def test_it_runs_files_and_ranks_layers_over_held_out_samples(
    flat: source.Source, tmp_path: Path
) -> None:
    held_out = [array[:5] * 2 for array in flat.calibration]
    here = Conversions(flat.model, flat.calibration, Names(("input",), ("out",)), held_out)
    float_layer = flat.model.layers[-1].name
    with kit.converting(flat, tmp_path, held_out) as converter:
        for spec in (VariantSpec("tflite", "int8"), VariantSpec("onnx", "float32")):
            (found,), (wanted,) = converter.answers(spec), here.answers(spec)
            assert len(found) == 5
            np.testing.assert_array_equal(found, wanted)
        assert converter.ranking(INT8) == here.ranking(INT8)
        assert [layer.layer for layer in converter.ranking(INT8)] == [float_layer]
        with pytest.raises(ConversionError) as refused:
            converter.answers(VariantSpec("weights", "float32"))
        assert refused.value.problem == "a weights file is not run at export"
        assert refused.value.mend == "choose tflite or onnx"
        with pytest.raises(NothingToEqualize):
            converter.convert(replace(INT8, quantization=Quantization(equalized=True)))


def test_a_verb_that_it_does_not_know_is_a_refusal(flat: source.Source, tmp_path: Path) -> None:
    with kit.converting(flat, tmp_path) as converter:
        with pytest.raises(ConversionError, match="the converter has no verb 'layer_error'"):
            converter._ask("layer_error", FLOAT32)
        assert converter.convert(FLOAT32).data


UNKNOWN_ERROR = {"error": "exit", "problem": "", "mend": ""}
ERROR_WITHOUT_TEXT = {"error": "conversion", "problem": 3, "mend": ""}
DIED = r"TensorFlow's converter {} on this model's layers \(Flatten, Dense\); replace those"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit(3)", DIED.format("ended with exit 3")),
        ("import os; os.kill(os.getpid(), 11)", DIED.format("died of SIGSEGV")),
        ("input(); print('{}')", "gave an invalid answer"),
        ("input(); print('[1]')", "gave an invalid answer"),
        ("input(); print('what?')", "gave an invalid answer"),
        (f"input(); print({json.dumps(UNKNOWN_ERROR)!r})", "gave an invalid answer"),
        (f"input(); print({json.dumps(ERROR_WITHOUT_TEXT)!r})", "gave an invalid answer"),
        (f"input(); print({json.dumps({'file': '/nowhere'})!r})", "gave an invalid answer"),
        (f"input(); print({json.dumps({'file': 'request.json'})!r})", "gave an invalid answer"),
    ],
)
def test_one_that_goes_astray_is_a_refusal(
    flat: source.Source, tmp_path: Path, script: str, said: str
) -> None:
    with kit.converting(flat, tmp_path) as converter:
        converter.close()
        converter._command = [sys.executable, "-c", script]
        for ask in (converter.convert, converter.answers, converter.ranking):
            with pytest.raises(ConversionError, match=said):
                ask(FLOAT32)
            converter.close()


def test_one_that_hangs_is_ended(
    flat: source.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_LIMIT_S", 0.5)
    with kit.converting(flat, tmp_path) as converter:
        converter.close()
        converter._command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with pytest.raises(ConversionError, match=f"died of {signal.Signals.SIGKILL.name} on this"):
            converter.convert(FLOAT32)


def test_no_code_of_a_model_runs_unasked(flat: source.Source, tmp_path: Path) -> None:
    model = chain((8, 4), layers.Lambda(lambda x: x[:, 0], output_shape=(4,)))
    model.save(tmp_path / "l.keras")
    unsafe = replace(flat, loading=source.Loading(tmp_path / "l.keras"))
    said = "converter ended with exit 1"
    with kit.converting(unsafe, tmp_path) as converter, pytest.raises(ConversionError, match=said):
        converter.convert(FLOAT32)

"""Rules of every conversion: refusals, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np
import pytest

from strop_export.errors import CalibrationError, ConversionError
from strop_export.formats import PRECISIONS, Names, Quantization, VariantSpec, convert, quiet
from strop_export.formats.base import GPU_PRECISIONS
from tests.environments import ROOT, run
from tests.unit.export.formats_kit import model, samples

with quiet():
    import keras

    layers = keras.layers

EVERY_SPEC = [
    *(
        VariantSpec(format, precision)
        for format, known in PRECISIONS.items()
        for precision in known
        if precision != "mixed"
    ),
    *(
        VariantSpec(format, "mixed", quantization=Quantization(float_layers=("narrow",)))
        for format in ("tflite", "onnx")
    ),
    VariantSpec("tflite", "dynamic", per_channel=False),
    *(VariantSpec(format, p, gpu=True) for format in ("tflite", "onnx") for p in GPU_PRECISIONS),
]
FLOAT32 = VariantSpec("tflite", "float32")


def test_unknown_formats_and_precisions_are_refused() -> None:
    with pytest.raises(ConversionError, match="'coreml'; choose tflite, onnx, weights"):
        VariantSpec("coreml", "float32")
    with pytest.raises(ConversionError, match="'int4'; choose float32, float16, int8"):
        VariantSpec("onnx", "int4")


@pytest.mark.parametrize(
    ("format", "precision"),
    [("weights", "float32"), ("onnx", "int8"), ("tflite", "int8"), ("tflite", "dynamic")],
)
def test_what_no_gpu_runs_is_not_made_for_one(format: str, precision: str) -> None:
    message = rf"{format} {precision} does not run on GPUs.* float32 or float16; remove gpu = true"
    with pytest.raises(ConversionError, match=message):
        VariantSpec(format, precision, gpu=True)


def test_every_file_is_for_the_cpu() -> None:
    assert FLOAT32.devices == ("cpu",)
    assert VariantSpec("tflite", "float32", gpu=True).devices == ("cpu", "gpu")


def _never_called() -> Any:
    class Subclassed(keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    return Subclassed()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_never_called, "the model has no inputs known before a call; wrap it in a functional"),
        (
            lambda: keras.Sequential([keras.Input((4,), dtype="int16"), layers.Rescaling(1.0)]),
            r"input .* is int16 of shape .*one of float32, uint8",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,), dtype="string"), layers.Identity()]),
            "input .* is string",
        ),
        (
            lambda: keras.Sequential([keras.Input((None, 4)), layers.Dense(2)]),
            r"shape \(None, None, 4\)",
        ),
    ],
)
def test_other_borders_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        convert(build(), FLOAT32, [np.zeros((1, 4), np.float32)])


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (
            np.zeros((5, 13)),
            "inputs are float64; give what the device's sensor gives, one of float32, uint8",
        ),
        (np.zeros((5, 13), np.uint16), "inputs are uint16; give what"),
        (np.zeros((5, 12), np.float32), r"shape \(5, 12\), the model takes \(N, 13\)"),
        (np.zeros((0, 13), np.float32), "at least 1"),
        (np.full((5, 13), np.nan, np.float32), "NaN"),
    ],
)
def test_other_calibration_is_refused(calibration: Any, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        convert(model("vector"), FLOAT32, [calibration])


@pytest.mark.parametrize("spec", [VariantSpec("tflite", "int8"), VariantSpec("onnx", "float32")])
def test_what_the_converter_cannot_do_is_one_readable_error(
    spec: VariantSpec, capfd: pytest.CaptureFixture[str]
) -> None:
    class Sampling(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            import tensorflow as tf

            return tf.ensure_shape(tf.py_function(lambda x: x, [inputs], tf.float32), (None, 13))

    odd = keras.Sequential([keras.Input((13,)), Sampling(), layers.Dense(2)])
    capfd.readouterr()
    message = f"cannot be written as {spec.precision} {spec.format}: .+"
    with pytest.raises(ConversionError, match=message) as caught:
        convert(odd, spec, [samples("vector")])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the output of C++ is a note on the cause
    assert caught.value.__cause__ is not None
    assert hasattr(caught.value.__cause__, "__notes__")


def test_nothing_is_said_where_nothing_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    for spec in (VariantSpec("tflite", "int8"), VariantSpec("onnx", "int8")):
        convert(model("mlp"), spec, [samples("mlp")])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "spec", EVERY_SPEC, ids=lambda s: f"{s.format}-{s.precision}-{s.devices[-1]}"
)
def test_borders_are_called_as_asked(spec: VariantSpec) -> None:
    file = convert(model("mlp"), spec, [samples("mlp")], Names(("pixels",), ("scores",)))
    assert [tensor.name for tensor in (*file.inputs, *file.outputs)] == ["pixels", "scores"]


_ELSEWHERE = """
import json
from tests.unit.export import formats_kit as kit, test_formats_convert as these
for _ in range(98):  # so that Keras counts its layers from elsewhere, and past 99
    kit.keras.layers.Dense(1)(kit.keras.Input((1,)))
print(json.dumps(these.digests()))
"""


def digests() -> dict[str, str]:
    """The hash of every format and precision of one model."""
    return {
        str(spec): hashlib.sha256(convert(model("mlp"), spec, [samples("mlp")]).data).hexdigest()
        for spec in EVERY_SPEC
    }


def test_two_processes_write_the_same_bytes() -> None:
    elsewhere = run(sys.executable, "-c", _ELSEWHERE, cwd=ROOT)
    here = digests()
    assert json.loads(elsewhere.stdout) == here
    assert digests() == here  # and one process, twice

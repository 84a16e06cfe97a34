"""Conversion in a separate process, which is restarted after it dies.

A converter is a large native library: TensorFlow's int8 conversion of a recurrent layer ends its
process by SIGSEGV (tensorflow#41305), and would end the export with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

import strop
from strop.bundle.manifest import FileTensor, plain
from strop.bundle.records import decode, read
from strop.errors import BundleError, StropError
from strop_export import bundles, source
from strop_export.errors import CalibrationError, ConversionError, UnsupportedLayer
from strop_export.formats import Converted, Names, Quantization, VariantSpec, convert
from strop_export.formats.base import Ranked
from strop_export.source import keras_model

if TYPE_CHECKING:
    import keras

_LIMIT_S = 1800  # of one conversion
_REQUEST, _CALIBRATION = "request.json", "calibration.npz"
_ERRORS = {kind.__name__: kind for kind in (ConversionError, CalibrationError, UnsupportedLayer)}
_MOST_BYTES = 2**22  # of an answer, which only names the file


class Converter:
    """A converter of one model in another process, which ends with the `with` block."""

    def __init__(
        self, model: source.Source, folder: Path, held_out: Sequence[np.ndarray] = ()
    ) -> None:
        """Prepare to convert; the process starts with the first conversion.

        Args:
            model: what to convert, and the samples that calibrate it.
            folder: an empty folder for the files that the two processes share.
            held_out: the samples that `answers` runs, (N, ...) for each input.
        """
        self._folder = folder
        self._source, self._held_out = model, held_out
        self._kinds = _layers(model.model)
        calibration = {f"{i:03}": array for i, array in enumerate(model.calibration)}
        np.savez(folder / _CALIBRATION, allow_pickle=False, **calibration)
        loading = model.loading
        request = {
            "path": str(loading.path.resolve()),
            "trust": loading.trust,
            "custom": str(loading.custom.resolve()) if loading.custom else None,
            "shapes": {name: list(shape) for name, shape in loading.shapes.items()},
            "inputs": [spec.name for spec in model.inputs],
            "outputs": [spec.name for spec in model.outputs],
        }
        (folder / _REQUEST).write_text(json.dumps(request), encoding="ascii")
        self._command = [sys.executable, "-m", "strop_export.conversion", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model to one format and precision.

        Raises:
            ConversionError: the model cannot be converted, or the converter died or hung.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        process = self._process
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        timer = threading.Timer(_LIMIT_S, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(asdict(spec)).encode("ascii") + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline(_MOST_BYTES)
        except BrokenPipeError:  # it died before it read
            answer = b""
        finally:
            timer.cancel()
        if not answer.endswith(b"\n"):
            self._process = None
            raise _death(process, self._kinds)
        return _read_answer(answer, spec, self._folder)

    def answers(self, spec: VariantSpec) -> tuple[np.ndarray, ...]:
        """Run a file over the held-out samples. To be replaced: it belongs to the other process.

        Raises:
            ConversionError: the model cannot be converted, or the file cannot be run.
        """
        engine = {"tflite": "litert", "onnx": "onnx", "weights": "reference"}[spec.format]
        path = self._folder / "draft.strop"
        path.write_bytes(bundles.draft(self._source, spec, self.convert(spec), [engine]))
        try:
            with strop.load(path, engine=engine, device="cpu") as model:
                found: Any = model.predict(
                    dict(zip((i.name for i in self._source.inputs), self._held_out, strict=True))
                    if len(self._held_out) > 1
                    else self._held_out[0]
                )
        except StropError as error:
            raise ConversionError(str(error)) from None
        if isinstance(found, dict):
            return tuple(found[o.name] for o in self._source.outputs)
        return tuple(found) if isinstance(found, list | tuple) else (found,)

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        """Rank the layers. To be replaced."""
        raise ConversionError(f"the layers of {spec.format} cannot be ranked yet")

    def __enter__(self) -> Converter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _layers(model: keras.Model) -> list[str]:
    """Name the kinds of a model's layers, or only its recurrent ones: those crash converters."""
    import keras

    layers = list(model._flatten_layers(include_self=False))
    recurrent = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
    if recurrent:
        return [f"{layer.name}: {type(layer).__name__}" for layer in recurrent]
    kinds = dict.fromkeys(type(layer).__name__ for layer in layers)
    return [kind for kind in kinds if kind != "InputLayer"]


def _death(process: subprocess.Popen[bytes], layers: Sequence[str]) -> ConversionError:
    """Return the error for a converter that ended, or hung, without an answer.

    Args:
        process: the converter.
        layers: the model's layers, the likely culprits first.
    """
    process.communicate()
    status = process.returncode
    how = f"ended with exit {status}"
    if status < 0:
        with contextlib.suppress(ValueError):
            how = f"died of {signal.Signals(-status).name}"
    return ConversionError(
        f"TensorFlow's converter {how} on this model's layers ({', '.join(layers)}): replace those "
        "that it cannot write, or leave this variant out (--precision)"
    )


def _read_answer(answer: bytes, spec: VariantSpec, folder: Path) -> Converted:
    try:
        said = decode(answer, "its answer")
        if "error" in said:
            raise _ERRORS[said["error"]](said["message"])
        tensors = tuple[FileTensor, ...]
        return Converted(
            (folder / Path(said["file"]).name).read_bytes(),
            read(tensors, said["inputs"], "inputs"),
            read(tensors, said["outputs"], "outputs"),
            said["requires"],
        )
    except (BundleError, LookupError, TypeError, OSError) as error:
        raise ConversionError(
            f"the converter of {spec.format} {spec.precision} gave an invalid answer: {error}"
        ) from None


def _serve(folder: Path) -> None:
    """Read a spec from each line of stdin, convert the model, and answer on stdout."""
    answers = _keep_stdout()
    request = json.loads((folder / _REQUEST).read_text(encoding="ascii"))
    loading = source.Loading(
        Path(request["path"]),
        request["trust"],
        Path(request["custom"]) if request["custom"] else None,
        {name: tuple(shape) for name, shape in request["shapes"].items()},
    )
    with np.load(folder / _CALIBRATION, allow_pickle=False) as held:
        calibration = [held[name] for name in sorted(held.files)]
    names = Names(tuple(request["inputs"]), tuple(request["outputs"]))
    samples = dict(zip(names.inputs, calibration, strict=True))
    model = keras_model.load(loading, samples).model
    for number, line in enumerate(sys.stdin):
        try:
            converted = convert(model, _read_spec(json.loads(line)), calibration, names)
        except ConversionError as error:
            answer: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
        else:
            file = folder / f"converted-{number}-{os.getpid()}"
            file.write_bytes(converted.data)
            answer = {
                "file": file.name,
                "inputs": plain(converted.inputs),
                "outputs": plain(converted.outputs),
                "requires": dict(converted.requires),
            }
        answers.write(json.dumps(answer).encode("ascii") + b"\n")
        answers.flush()


def _read_spec(said: dict[str, Any]) -> VariantSpec:
    """Make a spec from the plain JSON values of one."""
    own = said["quantization"]
    quantization = Quantization(**{**own, "float_layers": tuple(own["float_layers"])})
    return VariantSpec(**{**said, "quantization": quantization})


def _keep_stdout() -> IO[bytes]:
    """Keep stdout for the answers, and send what libraries print to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return open(ours, "wb")  # noqa: PTH123  a descriptor, kept open


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _serve(Path(sys.argv[1]))

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
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import FileTensor
from strop.bundle.records import decode, read
from strop.errors import BundleError
from strop_export import source
from strop_export.errors import (
    CalibrationError,
    ConversionError,
    NothingToEqualize,
    UnsupportedLayer,
)
from strop_export.formats import Converted, Ranked, VariantSpec
from strop_export.layer_errors.measure import TensorError
from strop_export.workers import command

if TYPE_CHECKING:
    import keras

_LIMIT_S = 1800  # of one request
REQUEST, CALIBRATION, HELD_OUT = "request.json", "calibration.npz", "held-out.npz"
_ERRORS = {
    error.kind: error
    for error in (ConversionError, CalibrationError, NothingToEqualize, UnsupportedLayer)
}
_MOST_BYTES = 2**24  # of an answer; arrays are in files


class Converter:
    """A converter of one model in another process, which ends with the `with` block.

    The process starts with the block, and loads TensorFlow while this one reads the model.

    Args:
        folder: an empty folder for the files that the two processes share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds = list[str]()
        self._command = command("conversion_worker", str(folder))
        self._process: subprocess.Popen[bytes] | None = None

    def take(
        self,
        model: source.Source,
        held_out: Sequence[NDArray[Any]] | None = None,
        unseen: int | None = None,
    ) -> None:
        """Say what to convert; do it before any request.

        Args:
            model: the model, and the samples that calibrate it.
            held_out: samples like the calibration, for `answers` and `ranking`; by default the
                calibration.
            unseen: the number of samples at the start of `held_out` that do not calibrate, for
                `layer_errors`; by default all.
        """
        folder, self._kinds = self._folder, _layers(model.model)
        save(folder / CALIBRATION, model.calibration)
        save(folder / HELD_OUT, model.calibration if held_out is None else held_out)
        loading = model.loading
        request = {
            "path": str(loading.path.resolve()),
            "trust": loading.trust,
            "custom": str(loading.custom.resolve()) if loading.custom else None,
            "shapes": {name: list(shape) for name, shape in loading.shapes.items()},
            "inputs": [spec.name for spec in model.inputs],
            "outputs": [spec.name for spec in model.outputs],
            "unseen": unseen,
        }
        (folder / REQUEST).write_text(json.dumps(request), encoding="ascii")

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model to one format and precision.

        Raises:
            ConversionError: the model cannot be converted, or the converter died or hung.
        """
        said = self._ask("convert", spec)
        tensors = tuple[FileTensor, ...]
        with _checked(spec):
            return Converted(
                self._file(said).read_bytes(),
                read(tensors, said["inputs"], "inputs"),
                read(tensors, said["outputs"], "outputs"),
                said["requires"],
                tuple(said["float_layers"]),
                read(float | None, said["integer_share"], "integer_share"),
                tuple((producer, consumer) for producer, consumer in said["equalized"]),
                rounding=read(str | None, said["rounding"], "rounding"),
                step_layers=read(tuple[str, ...], said["step_layers"], "step_layers"),
            )

    def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
        """Run the file of `spec` over the held-out samples; see `Conversions.answers`.

        Raises:
            ConversionError: the file cannot be written or run, or the converter died or hung.
        """
        said = self._ask("answers", spec)
        with _checked(spec):
            return tuple(load(self._file(said)))

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        """Rank the layers by what they lose in integers; see `Conversions.ranking`.

        Raises:
            ConversionError: the file cannot be written or run, or the converter died or hung.
        """
        said = self._ask("ranking", spec)
        with _checked(spec):
            return tuple(Ranked(*layer) for layer in said["layers"])

    def layer_errors(self, spec: VariantSpec) -> tuple[TensorError, ...]:
        """Measure the error that each tensor of a file has against its float twin.

        The samples are held-out ones that do not calibrate.

        Returns:
            The errors, in the order the file computes the tensors.

        Raises:
            ConversionError: the file cannot be made or run, or the converter died or hung.
        """
        said = self._ask("layer_errors", spec)
        with _checked(spec):
            errors: tuple[TensorError, ...] = read(
                tuple[TensorError, ...], said["errors"], "errors"
            )
            return errors

    def _ask(self, verb: str, spec: VariantSpec) -> dict[str, Any]:
        process = self._process = self._process or self._start()
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        timer = threading.Timer(_LIMIT_S, process.kill)
        timer.daemon = True  # one that an interrupt leaves behind keeps no program from its end
        timer.start()
        try:
            request = {"verb": verb, "spec": asdict(spec)}
            process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline(_MOST_BYTES)
        except BrokenPipeError:  # it died before it read
            answer = b""
        finally:
            timer.cancel()
        if not answer.endswith(b"\n"):
            self._process = None
            raise _death(process, self._kinds)
        with _checked(spec):
            said: dict[str, Any] = decode(answer, "its answer")
            if "error" in said:
                problem, mend = (read(str, said[field], field) for field in ("problem", "mend"))
                raise _ERRORS[said["error"]](problem, mend)
            return said

    def _file(self, said: dict[str, Any]) -> Path:
        return self._folder / Path(said["file"]).name

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(self._folder)},  # it is killed before it tidies up
            # A ^C in the terminal is for this process, which ends the other.
            process_group=0,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows's own
        )

    def close(self) -> None:
        """End the process; the files stay."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Converter:
        self._process = self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
        f"TensorFlow's converter {how} on this model's layers ({', '.join(layers)})",
        "replace those that it cannot write, or leave this variant out (--precision)",
    )


@contextlib.contextmanager
def _checked(spec: VariantSpec) -> Iterator[None]:
    """Turn what is wrong with an answer into a ConversionError."""
    try:
        yield
    except (BundleError, LookupError, TypeError, ValueError, OSError) as error:
        raise ConversionError(
            f"the converter of {spec.format} {spec.precision} gave an invalid answer: {error}"
        ) from None


def save(file: Path, arrays: Sequence[NDArray[Any]]) -> None:
    """Write arrays for the other process, in their order."""
    np.savez(file, allow_pickle=False, **{f"{i:03}": array for i, array in enumerate(arrays)})


def load(file: Path) -> list[NDArray[Any]]:
    """Read the arrays that `save` wrote."""
    with np.load(file, allow_pickle=False) as held:
        return [held[name] for name in sorted(held.files)]

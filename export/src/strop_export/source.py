"""The input of an export: a Keras model and the samples that calibrate and judge it, from files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import TensorSpec, is_name
from strop_export.errors import SourceError
from strop_export.formats import quiet
from strop_export.formats.samples import fault
from strop_export.specs import input_spec, output_spec

if TYPE_CHECKING:
    import keras

MIN_SAMPLES = 50  # fewer cannot tell a model from one that is wrong now and then
MAX_RECORD_DRIFT = 1e-5  # Keras against its own outputs recorded at training, another CPU maybe


@dataclass(frozen=True)
class Files:
    """The paths of a source's parts. Evaluation, labels and the training record may be missing.

    Raises:
        SourceError: the name cannot be the name of a bundle, and so of a file.
    """

    name: str
    model: Path
    calibration: Path
    evaluation: Path | None = None
    labels: Path | None = None
    training: Path | None = None

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise SourceError(
                f"{self.name!r} is no name for a model: letters, digits, '.', '_' and '-', at most "
                "100; give another with --name (make export NAME=...)"
            )

    def paths(self) -> dict[str, Path]:
        """Return the path of each part that is there, by the part's name."""
        parts = ("model", "calibration", "evaluation", "labels", "training")
        return {part: path for part in parts if (path := getattr(self, part)) is not None}

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file, in hex, by the part's name.

        Raises:
            SourceError: a file is missing or cannot be read.
        """
        digests = {}
        for part, path in self.paths().items():
            try:
                digests[part] = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise SourceError(f"cannot read the {part} file {path}: {error.strerror}") from None
        return digests


@dataclass(frozen=True)
class Source:
    """A model and its samples, checked against each other."""

    name: str
    model_version: int
    model: keras.Model
    input: TensorSpec
    output: TensorSpec
    calibration: NDArray[Any]  # (N, ...), training-split samples as the sensor gives them
    samples: NDArray[Any]  # (N, ...), what every variant is judged on
    labels: NDArray[np.int64] | None  # (N,), the true classes of `samples`
    outputs: NDArray[np.float32]  # (N, classes), Keras's answers to `samples`
    digests: Mapping[str, str]
    path: Path  # of the model's file
    allow_lambda: bool  # whether it may hold Lambda layers


def artifact(directory: Path) -> Files:
    """Return the files of an artifact directory, as training writes it.

    Raises:
        SourceError: it is not an artifact directory.
    """
    for name in ("model.keras", "calibration.npz", "evaluation.npz", "training.json"):
        if not (directory / name).is_file():
            raise SourceError(
                f"{directory} is no artifact directory: it has no {name}; make one with `make "
                "train`, or export a model of your own with MODEL= and CALIBRATION="
            )
    return Files(
        name=directory.resolve().name,
        model=directory / "model.keras",
        calibration=directory / "calibration.npz",
        evaluation=directory / "evaluation.npz",
        training=directory / "training.json",
    )


def read(files: Files, *, model_version: int = 1, allow_lambda: bool = False) -> Source:
    """Read and check all parts of a source.

    Args:
        files: the paths of its parts.
        model_version: for a model without a training.json, which otherwise has the version.
        allow_lambda: load Keras Lambda layers, which are Python code that the file brings.

    Raises:
        SourceError: a file is missing or unreadable, holds no Keras model, holds pickled arrays
            or Lambda code, or the parts do not fit each other.
    """
    digests = files.digests()
    training = _training(files.training)
    calibration = _arrays(files.calibration, "inputs")["inputs"]
    evaluation = _arrays(files.evaluation, "inputs") if files.evaluation else {}
    samples = evaluation.get("inputs", calibration)
    model = load_model(files.model, allow_lambda=allow_lambda)
    _check_samples(files.calibration, calibration, model)
    if files.evaluation:
        _check_samples(files.evaluation, samples, model)
        if samples.dtype != calibration.dtype:
            raise SourceError(
                f"{files.evaluation} holds {samples.dtype}, {files.calibration} "
                f"{calibration.dtype}: give both as the device's sensor does"
            )
    _require_a_proof_that_can_fail(files, samples)
    outputs = _checked_record(files, evaluation.get("outputs"), _predict(model, samples))
    if np.ptp(outputs, axis=0).max() == 0:
        raise SourceError(
            f"{files.model} gives the same outputs for all {len(samples)} samples: no comparison "
            "with it could fail; train it, or give samples that differ"
        )
    truth = evaluation.get("labels")
    classes = int(outputs.shape[-1])
    # One output is a probability, and tells two classes apart.
    kinds = max(classes, 2)
    if truth is not None and (
        truth.shape != (len(samples),)
        or truth.dtype.kind not in "iu"
        or truth.min() < 0
        or truth.max() >= kinds
    ):
        raise SourceError(
            f"{files.evaluation}: labels are {truth.dtype} {truth.shape}; they must be integers "
            f"({len(samples)},) from 0 to {kinds - 1}"
        )
    return Source(
        name=files.name,
        model_version=_version(training.get("model_version", model_version)),
        model=model,
        input=input_spec(calibration, training.get("image")),
        output=output_spec(model, files.labels, training.get("labels")),
        calibration=calibration,
        samples=samples,
        labels=None if truth is None else truth.astype(np.int64),
        outputs=outputs,
        digests=digests,
        path=files.model,
        allow_lambda=allow_lambda,
    )


def _require_a_proof_that_can_fail(files: Files, samples: NDArray[Any]) -> None:
    """Refuse samples too few to show anything."""
    if len(samples) < MIN_SAMPLES:
        raise SourceError(
            f"{files.evaluation or files.calibration} holds {len(samples)} samples to judge on, "
            f"and a proof takes {MIN_SAMPLES} or more: give more"
        )


def _version(version: int) -> int:
    if version < 0:
        raise SourceError(f"model version {version} is negative; count from 1 up")
    return version


def _training(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {error}") from None
    kinds = {"model_version": int, "labels": list, "image": dict}
    if not isinstance(content, dict) or any(
        not isinstance(content.get(name, kind()), kind) for name, kind in kinds.items()
    ):
        raise SourceError(f"{path} is no training record: train again")
    return content


def _arrays(path: Path, needed: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz; pickled ones are refused, never loaded."""
    try:
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise SourceError(f"{path} is a single array; save it with numpy.savez, by name")
        with content:
            arrays = {name: content[name] for name in content.files}
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  numpy's readers raise anything on bad bytes
        reason = " ".join(str(error).split())
        raise SourceError(f"cannot read arrays from {path}: {reason}") from None
    if needed not in arrays:
        raise SourceError(
            f"{path} has no array {needed!r}; it has {', '.join(arrays) or 'none'}. "
            f"Write it with numpy.savez({path.name!r}, {needed}=...)"
        )
    return arrays


def load_model(path: Path, *, allow_lambda: bool) -> keras.Model:
    """Load a model of one input and one output (N, classes).

    Args:
        path: a .keras file.
        allow_lambda: load Keras Lambda layers, which are Python code that the file brings.

    Raises:
        SourceError: the file holds no such model, or Lambda layers that are not allowed.
    """
    if not zipfile.is_zipfile(path):
        raise SourceError(f"{path} is no .keras file; write one with model.save('name.keras')")
    with quiet():
        import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=not allow_lambda)
    except Exception as error:  # noqa: BLE001  hostile files make Keras raise anything
        reason = " ".join(str(error).split())
        if "ambda" in reason and not allow_lambda:
            raise SourceError(
                f"{path} holds a Lambda layer, which is Python code that loading would run; "
                "if you trust the file, say so with --allow-lambda"
            ) from None
        raise SourceError(f"Keras does not load {path}: {reason[:300]}") from None
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs or len(inputs) != 1 or len(outputs) != 1:
        raise SourceError(
            f"{path} has {len(inputs or ())} inputs and {len(outputs or ())} outputs; "
            "export takes a model with one of each"
        )
    if len(outputs[0].shape) != 2:
        raise SourceError(f"{path} gives {outputs[0].shape}; export takes outputs (N, classes)")
    return model


def _check_samples(path: Path, samples: NDArray[Any], model: keras.Model) -> None:
    if wrong := fault(samples, tuple(model.inputs[0].shape[1:])):
        raise SourceError(f"{path}: {wrong}")


def _predict(model: keras.Model, samples: NDArray[Any]) -> NDArray[np.float32]:
    batches = np.array_split(samples, -(-len(samples) // 1000))
    outputs = [model(batch.astype(np.float32), training=False) for batch in batches]
    return np.concatenate([np.asarray(output, np.float32) for output in outputs])


def _checked_record(
    files: Files, recorded: NDArray[Any] | None, outputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return Keras's outputs: those recorded at training if they are this model's, else today's.

    Args:
        files: the paths, for messages.
        recorded: float (N, classes), or None if none were recorded.
        outputs: today's, float32 (N, classes).

    Raises:
        SourceError: the recorded outputs are those of another model.
    """
    if recorded is None:
        return outputs
    drift = np.abs(recorded - outputs).max() if recorded.shape == outputs.shape else np.inf
    if not drift <= MAX_RECORD_DRIFT:
        raise SourceError(
            f"{files.evaluation} holds the outputs of another model than {files.model} "
            f"(they differ by {drift:.3g}); train again"
        )
    return recorded.astype(np.float32)

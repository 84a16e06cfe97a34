"""A model of Keras 2, run by tf-keras in another process, and its twin in Keras 3.

Everything that follows works on the twin, which has the same layers and weights. The reference of
the proof is what tf-keras answered.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import shutil
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.model.arrays import npz
from strop_export.errors import SourceError, reason
from strop_export.formats import quiet
from strop_export.source import container
from strop_export.source.arrays import read_arrays
from strop_export.source.files import Loading
from strop_export.source.known import MODELS
from strop_export.source.leaves import leaves
from strop_export.source.translation import Untranslated, translated
from strop_export.workers import command

if TYPE_CHECKING:
    import keras

_LIMIT_S = 1800
_MOST_APART = 1e-4  # of the answers' size: more than rounding in another order
_JUDGING, _CALIBRATING = "judging.npz", "calibrating.npz"
_MEND = (
    "write a SavedModel with tf.saved_model.save(model, 'name') where the model was trained, and "
    "export that folder"
)

Answers = tuple[NDArray[Any], ...]


class Scratch:
    """A temporary folder, which is removed when nothing refers to it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="strop-keras2-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class Twin:
    """The Keras 3 twin of a model, and the answers of the model itself.

    Attributes:
        original: the model's file.
        loading: the way to load the twin.
        judging: tf-keras's answers to the samples that judge, (N, ...) for each output.
        calibrating: those to the samples given for calibration.
        scratch: the folder of the twin's file.
    """

    original: Path
    loading: Loading
    judging: Answers
    calibrating: Answers
    scratch: Scratch

    def check(self, *, judging: Answers, calibrating: Answers) -> None:
        """Check that the twin is the same model.

        Args:
            judging: the twin's answers to the samples that judge.
            calibrating: those to the samples given for calibration.

        Raises:
            SourceError: it is another.
        """
        for theirs, ours in ((self.judging, judging), (self.calibrating, calibrating)):
            alike = len(theirs) == len(ours)
            each = [_apart(*pair) for pair in zip(theirs, ours, strict=True)] if alike else [np.inf]
            apart = np.max(each)  # NaN, if there is any
            if not apart <= _MOST_APART:
                raise SourceError(
                    f"Keras 3 computes the model of {self.original} in another way than Keras 2 "
                    f"(the answers differ by {apart:.3g} of their size)",
                    _MEND,
                )


def _apart(theirs: NDArray[Any], ours: NDArray[Any]) -> float:
    if theirs.shape != ours.shape:
        return np.inf
    size = max(1.0, float(np.abs(theirs).max(initial=0.0)))
    return float(np.abs(theirs.astype(np.float64) - ours).max(initial=0.0)) / size


def twin(
    loading: Loading,
    *,
    judging: Mapping[str, NDArray[Any]],
    calibrating: Mapping[str, NDArray[Any]],
) -> Twin:
    """Build the Keras 3 twin of a model of Keras 2.

    Args:
        loading: the file, checked by `header.check`.
        judging: the samples that judge, (N, ...) by input name.
        calibrating: the samples given for calibration.

    Raises:
        SourceError: tf-keras is not installed, or cannot load or run the model; or Keras 3 cannot
            build it.
    """
    if importlib.util.find_spec("tf_keras") is None:
        raise SourceError(
            f"{loading.path} was written by Keras 2, and tf-keras, which runs it, is not installed",
            "pip install tf-keras",
        )
    owner = Scratch()
    scratch = owner.path
    _ask(loading, {_JUDGING: judging, _CALIBRATING: calibrating}, scratch)
    said = json.loads((scratch / "model.json").read_text(encoding="ascii"))
    arrays = read_arrays(scratch / "weights.npz")
    weights = {name: [arrays[key] for key in keys] for name, keys in said["weights"].items()}
    own = scratch / f"{loading.path.stem}.keras"
    with quiet():
        model = _built(loading, said["model"], weights)
        model.save(own)
    judged, calibrated = (
        tuple(read_arrays(scratch / "answers" / name).values()) for name in (_JUDGING, _CALIBRATING)
    )
    return Twin(loading.path, replace(loading, path=own), judged, calibrated, owner)


def _ask(
    loading: Loading,
    sets: Mapping[str, Mapping[str, NDArray[Any]]],
    scratch: Path,
) -> None:
    """Let tf-keras load and run the model in another process."""
    for name in ("samples", "answers"):
        (scratch / name).mkdir()
    for file, samples in sets.items():
        (scratch / "samples" / file).write_bytes(npz(samples))
    request = {
        "path": str(loading.path.resolve()),
        "trust": loading.trust,
        "is_hdf5": container.read(loading.path).is_hdf5,
    }
    (scratch / "request.json").write_text(json.dumps(request), encoding="ascii")
    worker = command("source.keras2_worker", str(scratch))
    try:
        done = subprocess.run(worker, check=False, capture_output=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise SourceError(
            f"tf-keras did not load and run {loading.path} in {_LIMIT_S} s", "give fewer samples"
        ) from None
    if (scratch / "error.json").is_file():
        said = json.loads((scratch / "error.json").read_text(encoding="ascii"))
        raise SourceError(f"tf-keras cannot load and run {loading.path}: {said}", _MEND)
    if done.returncode or not all((scratch / "answers" / file).is_file() for file in sets):
        how = f"ended with exit {done.returncode}"
        with contextlib.suppress(ValueError):
            how = f"died of {signal.Signals(-done.returncode).name}"
        raise SourceError(f"tf-keras {how} on {loading.path}", _MEND)


def _built(
    loading: Loading, config: Mapping[str, Any], weights: Mapping[str, list[NDArray[Any]]]
) -> keras.Model:
    import keras

    try:
        plain = translated(config)
        for layer in _plain_layers(plain):
            _check_layer(layer, trust=loading.trust)
        model = keras.saving.deserialize_keras_object(plain, safe_mode=not loading.trust)
        for name, layer in leaves(model):
            _set_weights(layer, weights.get(name, []))
    except Exception as error:  # noqa: BLE001  configs of any form make Keras raise anything
        said = str(error) if isinstance(error, Untranslated) else reason(error)
        raise _not_built(loading, said) from None
    return model


def _not_built(loading: Loading, said: str) -> SourceError:
    return SourceError(f"Keras 3 cannot build the model of {loading.path}: {said}", _MEND)


def _plain_layers(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the layers of a translated model, those of models inside it too."""
    layers = node["config"].get("layers")
    if layers is None or node["class_name"] not in MODELS:
        return [node]
    return [each for layer in layers for each in _plain_layers(layer)]


def _check_layer(node: Mapping[str, Any], *, trust: bool) -> None:
    """Check that Keras 3 builds a layer by itself: an error in a whole model would not name it.

    Raises:
        Untranslated: it does not.
    """
    import keras

    names = ("module", "class_name", "config", "registered_name")
    own = copy.deepcopy({name: node[name] for name in names})  # Keras changes it
    try:
        keras.saving.deserialize_keras_object(own, safe_mode=not trust)
    except Exception as error:  # noqa: BLE001  a setting of any form
        raise Untranslated(node["config"].get("name"), node["class_name"], reason(error)) from None


def _set_weights(layer: Any, weights: list[NDArray[Any]]) -> None:
    if not layer.weights:
        return
    try:
        layer.set_weights(weights)
    except ValueError:
        shapes = [tuple(each.shape) for each in layer.weights]
        found = [array.shape for array in weights]
        raise Untranslated(
            layer.name, type(layer).__name__, f"its weights are {found}, and Keras 3's {shapes}"
        ) from None
    if hasattr(layer, "finalize_state"):  # a Normalization
        layer.finalize_state()

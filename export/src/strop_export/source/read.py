"""The reader of a source, which checks that its parts fit, and that a proof on it could fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec, is_printable
from strop_export.errors import SourceError
from strop_export.source import arrays, header, keras2, keras_model, kinds, profile, record, vacuous
from strop_export.source.arrays import Wanted
from strop_export.source.data import Data
from strop_export.source.files import Files, Loading
from strop_export.source.functional import Loaded
from strop_export.source.held_out import held_out, too_few
from strop_export.source.kinds import Kind
from strop_export.source.labels import names_for, read_names, truth
from strop_export.source.specs import UNNAMED, input_spec, output_spec

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Source:
    """A model and its samples, checked against each other; tensors are in the model's order."""

    name: str
    model_version: int
    model: keras.Model  # takes and returns lists
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    structure: str  # the structure that Keras returns: "one", "list" or "dict"
    calibration: tuple[NDArray[Any], ...]  # (N, ...), training samples as the sensor gives them
    calibration_labels: tuple[NDArray[Any] | None, ...]  # their truth, for each output
    calibration_keras: tuple[NDArray[Any], ...]  # (N, ...), the framework's own answers to them
    selection: tuple[NDArray[Any], ...]  # (N, ...), others, to select how int8 files are quantized
    selection_labels: tuple[NDArray[Any] | None, ...]  # the truth of `selection`, for each output
    selection_keras: tuple[NDArray[Any], ...]  # (N, ...), the framework's own answers to them
    samples: tuple[NDArray[Any], ...]  # (N, ...), the samples that judge every variant
    labels: tuple[NDArray[Any] | None, ...]  # the truth of `samples`, for each output
    keras: tuple[NDArray[Any], ...]  # (N, ...), the framework's own answers to `samples`
    self_evaluated: bool  # judged on half of the calibration samples, as there are no others
    notes: tuple[str, ...]  # notes for the user about the source
    digests: Mapping[str, str]
    loading: Loading  # of the model itself, or of its twin in Keras 3
    twin: keras2.Twin | None = None  # of a model of Keras 2; it owns the file of `loading`

    @property
    def given_for_calibration(self) -> tuple[NDArray[Any], ...]:
        """The samples that calibrate and those held out, (N, ...) for each input."""
        pairs = zip(self.calibration, self.selection, strict=True)
        return tuple(np.concatenate(pair) for pair in pairs)

    @property
    def kernels(self) -> int:
        """The number of weight arrays of two axes or more: one for most layers with weights."""
        return kernels_of(self.model)


def read(
    files: Files,
    *,
    model_version: int = 1,
    trust: bool = False,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    tasks: Mapping[str, str] | None = None,
) -> Source:
    """Read and check all parts of a source.

    Errors that can be found without TensorFlow are raised before it is loaded.

    Args:
        files: the paths of its parts.
        model_version: the version, for a model without a training.json.
        trust: run the code that the model's file or `files.custom` brings.
        shapes: shapes of one sample, by input name ("" for the only one), for free sizes.
        tasks: kinds, by output name ("" for the only one), that override the detected ones.

    Raises:
        SourceError: a file is missing or unreadable, holds no Keras model, holds pickled arrays
            or code that is not trusted, or the parts do not fit each other; or a proof on these
            samples could not fail.
    """
    digests = files.digests()
    training = record.read(files.training)
    version = record.checked_version(training.get("model_version", model_version))
    names = read_names(files.labels, training.get("labels"))
    loading = Loading(files.model, trust, files.custom, dict(shapes or {}))
    known = header.check(loading)
    data = Data.read(files, digests)
    wanted = [Wanted(each.name, each.shape, each.dtype) for each in known.inputs]
    first, judging = data.samples(wanted)  # before TensorFlow
    data.labels((), judging=True)
    data.labels((), judging=False)
    twin = None
    if known.framework == "keras2":
        twin = keras2.twin(loading, judging=judging, calibrating=first)
        loading = twin.loading
        known = header.check(loading)
    loaded = keras_model.load(loading, known, first)
    model = loaded.model
    wanted = [
        Wanted(name or tensor.name, tuple(tensor.shape[1:]), tensor.dtype)
        for name, tensor in zip(loaded.inputs, model.inputs, strict=True)
    ]
    given_samples, samples = (tuple(each.values()) for each in data.samples(wanted))
    answers = keras_model.predict(model, samples)
    keras_model.check_float32(loaded, loading, samples, answers)
    given_answers = keras_model.predict(model, given_samples)
    if twin is not None:
        twin.check(judging=answers, calibrating=given_answers)
        answers, given_answers = twin.judging, twin.calibrating
    recorded = data.judging.get("outputs")
    answers = record.checked(files, recorded, answers, kernels_of(model))
    given = data.labels(loaded.outputs, judging=True)
    outputs, found = _outputs(loaded, answers, given, names, dict(tasks or {}))
    labels = _truth(given, found, outputs, answers)
    inputs = [
        input_spec(name, array, training.get("image"))
        for name, array in zip(loaded.inputs, given_samples, strict=True)
    ]
    chosen = held_out(len(given_samples[0]))
    selection = tuple(array[chosen] for array in given_samples)
    beside = data.labels(loaded.outputs, judging=False)
    parts = (
        [None if known is None or not part.any() else known[part] for known in beside]
        for part in (chosen, ~chosen)
    )
    held_labels, calibration_labels = (_truth(x, found, outputs, answers) for x in parts)
    calibration = tuple(array[~chosen] for array in given_samples)
    names_in = [spec.name for spec in inputs]
    notes = vacuous.check_scaling(model, names_in, samples, outputs, answers, labels)
    vacuous.refuse(outputs, answers, labels, str(files.model))
    if not chosen.any():
        notes = (*notes, too_few(len(chosen)))
    return Source(
        name=files.name,
        model_version=version,
        model=model,
        inputs=profile.of_inputs(inputs, given_samples),
        outputs=profile.of_outputs(outputs, given_answers),
        structure=loaded.structure,
        calibration=calibration,
        calibration_labels=calibration_labels,
        calibration_keras=tuple(array[~chosen] for array in given_answers),
        selection=selection,
        selection_labels=held_labels,
        selection_keras=tuple(a[chosen] for a in given_answers) if chosen.any() else (),
        samples=samples,
        labels=labels,
        keras=answers,
        self_evaluated=data.self_evaluated,
        notes=notes,
        digests=digests,
        loading=loading,
        twin=twin,
    )


def kernels_of(model: keras.Model) -> int:
    """Count the weight arrays of two axes or more."""
    return sum(len(weight.shape) > 1 for weight in model.weights)


def _outputs(
    loaded: Loaded,
    answers: Sequence[NDArray[Any]],
    given: Sequence[NDArray[Any] | None],
    names: tuple[str, ...] | None,
    tasks: dict[str, str],
) -> tuple[list[OutputSpec], list[Kind]]:
    """Find the meaning of each output.

    Args:
        loaded: the model.
        answers: Keras's answers, (N, ...) for each output.
        given: the labels of each output, or None.
        names: the names of classes, or None.
        tasks: kinds, by output name, that override the detected ones.

    Raises:
        SourceError: the names do not fit, two outputs share a name, or a task names no output.
    """
    outputs, found = [], []
    alone = len(answers) == 1
    for name, tensor, answer, known in zip(
        loaded.outputs, loaded.model.outputs, answers, given, strict=True
    ):
        asked = tasks.pop(name, None)
        if alone and asked is None:  # named "", by the report's name, or by its layer's
            known_as = ("", *UNNAMED, str(tensor._keras_history.operation.name))
            asked = next((tasks.pop(n) for n in known_as if n in tasks), None)
        shape = answer.shape[1:]
        last = shape[-1] if shape else 1
        own = names if alone or (names and len(names) == last) else None
        head = kinds.head(tensor, answer, known)
        inputs = loaded.model.inputs
        kind = kinds.find(tensor, inputs, known, head=head, named=own is not None, asked=asked)
        titles = names_for(kind, last, own, name)
        outputs.append(output_spec(name, answer, kind, head, titles))
        found.append(kind)
    for name in (*loaded.inputs, *(spec.name for spec in outputs)):
        if not is_printable(name) or "/" in name or "\\" in name or _is_reserved(name):
            raise SourceError(
                f"{name!a} cannot be the name of an input or output: it has a slash or "
                "characters that cannot be printed, or means labels",
                "choose another name",
            )
    there = ", ".join(spec.name for spec in outputs)
    if tasks:
        raise SourceError(
            f"--task names {', '.join(tasks)}; the model's outputs are {there}", "name one of these"
        )
    if names and all(spec.labels != names for spec in outputs):
        sizes = ", ".join(f"{spec.name} {spec.shape[-1] or 1}" for spec in outputs)
        raise SourceError(
            f"{len(names)} labels were given, and no output has that many classes: {sizes}",
            "give a label for each class",
        )
    if len({spec.name for spec in outputs}) != len(outputs):
        raise SourceError(
            f"two outputs of the model have the same name: {there}", "rename one of them"
        )
    return outputs, found


def _truth(
    given: Sequence[NDArray[Any] | None],
    found: Sequence[Kind],
    outputs: Sequence[OutputSpec],
    answers: Sequence[NDArray[Any]],
) -> tuple[NDArray[Any] | None, ...]:
    """Convert the labels of each output to the form of its decisions.

    Raises:
        SourceError: they do not fit their output.
    """
    return tuple(
        truth(known, kind, answer.shape[1:], spec.name)
        for known, kind, spec, answer in zip(given, found, outputs, answers, strict=True)
    )


def _is_reserved(name: str) -> bool:
    return name.partition(".")[0] == arrays.LABELS

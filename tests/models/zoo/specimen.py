"""One model of the zoo: the model, its samples, and the expectations of its export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.models.zoo.figures import auc, errors, figure

Arrays = Mapping[str, NDArray[Any]]
Variant = tuple[str, str]  # format, precision

FLOATS: frozenset[Variant] = frozenset({("tflite", "float32"), ("onnx", "float32")})
INT8: frozenset[Variant] = frozenset({("tflite", "int8")})


@dataclass(frozen=True)
class Specimen:
    """A trained model and all inputs of its export.

    Attributes:
        model: a Keras model.
        calibration: training samples, as in `calibration.npz`: `inputs`, or an array for each
            input.
        evaluation: other samples, with `labels`, or `labels.NAME` for each output with labels.
        kinds: the kind of each output, by Keras's name, in Keras's order.
        learnt: the lower bound of Keras's figure for the first output: clearly above guessing
            (`figures.figure`).
        must: the variants that the bundle must have at least.
        names: the names of classes, one a line in labels.txt; empty: no such file.
        options: more of the exporter's command line.
        custom: the source file of the classes that the model file names.
        rounding: the tolerance of Keras's own answers against those that export judges by,
            relative to the largest: for another batch, or for mixed precision, which export
            removes.
        faults: bool (N,), for an anomaly detector: the evaluation samples that are faults.
        warned: the kinds of the warnings about the calibration samples.
        guarded: the formats whose plain int8 file may lose too much, so that another takes its
            place.
    """

    model: Any
    calibration: Arrays
    evaluation: Arrays
    kinds: Mapping[str, str]
    learnt: float
    must: frozenset[Variant] = FLOATS | INT8
    names: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    custom: Path | None = None
    rounding: float = 1e-5
    faults: NDArray[np.bool_] | None = None
    warned: tuple[str, ...] = ()
    guarded: frozenset[str] = frozenset()

    def inputs(self, arrays: Arrays | None = None) -> dict[str, NDArray[Any]]:
        """Return the input arrays, of the evaluation samples by default."""
        given = self.evaluation if arrays is None else arrays
        return {name: array for name, array in given.items() if name.split(".")[0] != "labels"}

    def labels(self) -> list[NDArray[Any] | None]:
        """Return the evaluation's labels of each output, in the order of the kinds."""
        one = len(self.kinds) == 1
        keys = ["labels" if one else f"labels.{name}" for name in self.kinds]
        return [self.evaluation.get(key) for key in keys]

    def answers(self) -> list[NDArray[Any]]:
        """Return Keras's answers to the evaluation samples, one array for each output, in order."""
        given: Any = {
            name: array.astype(self._dtype(name)) for name, array in self.inputs().items()
        }
        if list(given) == ["inputs"]:
            given = given["inputs"]
        found = self.model.predict(given, batch_size=64, verbose=0)
        if isinstance(found, dict):
            found = [found[name] for name in self.kinds]
        many = found if isinstance(found, list | tuple) else [found]
        return [np.asarray(answer) for answer in many]

    def _dtype(self, name: str) -> Any:
        """Return the dtype of Keras's input; the sensor's may be narrower."""
        declared = getattr(self.model, "inputs", None) or []
        for tensor in declared:
            if tensor.name == name or len(declared) == 1:
                return tensor.dtype
        return np.float32

    def figure(self) -> float:
        """Return Keras's own figure for the first output, on the evaluation samples."""
        kind = next(iter(self.kinds.values()))
        answers = self.answers()[0]
        if self.faults is not None:
            return auc(errors(answers, self.evaluation["inputs"]), self.faults)
        return figure(kind, answers, self.labels()[0], self.inputs())

    def write(self, folder: Path) -> list[str]:
        """Write the files of an export.

        Returns:
            The exporter's options that name them, with the specimen's.
        """
        self.model.save(folder / "model.keras")
        np.savez(folder / "cal.npz", **self.calibration)  # type: ignore[arg-type]
        np.savez(folder / "test.npz", **self.evaluation)  # type: ignore[arg-type]
        files = {"model": "model.keras", "calibration": "cal.npz", "evaluation": "test.npz"}
        if self.names:
            (folder / "labels.txt").write_text("\n".join(self.names) + "\n", encoding="utf-8")
            files["labels"] = "labels.txt"
        options = [part for key, file in files.items() for part in (f"--{key}", str(folder / file))]
        if self.custom:
            options += ["--custom", str(self.custom)]
        return [*options, *self.options]

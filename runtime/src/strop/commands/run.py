"""strop run: predict, and name or write what comes out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop import durable
from strop.bundle.manifest import OutputSpec
from strop.bundle.open import open_bundle
from strop.commands.show import identity, open_asked, print_choice
from strop.commands.terminal import print_json, print_line, print_table
from strop.errors import InputError
from strop.model.arrays import NPY, NPZ, npy, npz, read_inputs
from strop.model.model import Model, labels_of
from strop.model.naming import NAMED, name_row
from strop.model.prediction import LabelSet, Prediction
from strop.model.several import in_order

_FEW = 8  # values of an output that are worth a line


def main(arguments: argparse.Namespace) -> int:
    """Predict, and name or write what comes out."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    # The inputs first: what is wrong with them is said before an engine starts, and alone.
    batches = [read_inputs(path, bundle.manifest.inputs) for path in arguments.inputs]
    if arguments.output:
        _require_suffix(arguments.output, len(bundle.manifest.outputs))
    with open_asked(bundle, arguments) as model:
        answers = [
            in_order(model.predict(batch), model.outputs, model.structure) for batch in batches
        ]
        if arguments.output:
            _write(arguments.output, model, answers)
            if arguments.json:
                print_json({"model": identity(model), "output": arguments.output})
            else:
                samples = sum(len(columns[0]) for columns in answers)
                print_line(f"{arguments.output}: {samples} outputs of {model!r}")
            return 0
        rows = list(_rows(arguments.inputs, answers, model.outputs))
        if arguments.json:
            several = len(model.outputs) > 1
            predictions = [
                {"input": name, **({"output": spec.name} if several else {}), **said}
                for name, spec, row in rows
                for said in (_content(row, spec, model),)
            ]
            print_json({"model": identity(model), "predictions": predictions})
        else:
            _print(rows, model)
            print_choice(model, arguments.device)
    return 0


def _rows(
    paths: Sequence[str],
    answers: Sequence[tuple[NDArray[Any], ...]],
    outputs: Sequence[OutputSpec],
) -> Iterator[tuple[str, OutputSpec, NDArray[Any]]]:
    """Yield each sample's outputs: what it came from, the output, and its values."""
    for path, columns in zip(paths, answers, strict=True):
        count = len(columns[0])
        for i in range(count):
            for spec, column in zip(outputs, columns, strict=True):
                yield path if count == 1 else f"{path}[{i}]", spec, np.asarray(column[i])


def _print(rows: Sequence[tuple[str, OutputSpec, NDArray[Any]]], model: Model) -> None:
    """Print a line for each output of each sample, and what to do about values that fit none."""
    several = len(model.outputs) > 1
    cells = [
        (name, *([spec.name] if several else []), *_cells(row, spec, model))
        for name, spec, row in rows
    ]
    print_table(cells)
    if any(spec.kind not in NAMED for spec in model.outputs):
        suffixes = NPZ if several else f"{NPY} or {NPZ}"
        print_line(f"--output FILE writes all values, to a file that ends in {suffixes}")


def _cells(row: NDArray[Any], spec: OutputSpec, model: Model) -> tuple[str, str]:
    if spec.kind not in NAMED:
        if row.size <= _FEW:
            return spec.kind, " ".join(f"{value:.6g}" for value in row.reshape(-1).tolist())
        return spec.kind, f"{row.dtype} {row.shape}"
    said = name_row(row, spec, labels_of(spec), model.name)
    if isinstance(said, Prediction):
        return said.label, f"{said.probability:.4f}"
    shares = dict(zip(labels_of(spec), said.probabilities.tolist(), strict=True))
    held = " ".join(f"{shares[label]:.4f}" for label in said.labels)
    return ", ".join(said.labels) or "(none)", held


def _content(row: NDArray[Any], spec: OutputSpec, model: Model) -> dict[str, Any]:
    """Give what JSON has of a sample's output."""
    if spec.kind not in NAMED:
        return {"kind": spec.kind, "dtype": str(row.dtype), "shape": list(row.shape)}
    labels = labels_of(spec)
    said = name_row(row, spec, labels, model.name)
    probabilities = dict(zip(labels, said.probabilities.tolist(), strict=True))
    if isinstance(said, LabelSet):
        return {"labels": list(said.labels), "probabilities": probabilities}
    return {
        "label": said.label,
        "probability": said.probability,
        "probabilities": probabilities,
    }


def _require_suffix(path: str, outputs: int) -> None:
    suffix = Path(path).suffix
    if outputs > 1 and suffix != NPZ:
        raise InputError(
            f"--output {path}: the model has {outputs} outputs, so the name must end in {NPZ}",
            f"call it {path.removesuffix(NPY)}{NPZ}",
        )
    if suffix not in (NPY, NPZ):
        raise InputError(
            f"--output {path}: the name must end in {NPY} or {NPZ}", f"call it {path}{NPY}"
        )


def _write(path: str, model: Model, answers: Sequence[tuple[NDArray[Any], ...]]) -> None:
    """Write the outputs whole or not at all, so that a full disk leaves no half file."""
    columns = [np.concatenate(column) for column in zip(*answers, strict=True)]
    if Path(path).suffix == NPZ:
        names = (spec.name for spec in model.outputs)
        content = npz(dict(zip(names, columns, strict=True)))
    else:
        content = npy(columns[0])
    try:
        durable.write(path, content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None

"""strop run: predict each file, and print or write the outputs.

Files are read, predicted and printed one by one. A file that the model refuses gets one line
on stderr, and the others go on. Exit status: 1 if some files
failed, 2 if all did. With --output, 2 if any failed; nothing is written then.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop.bundle.open import open_bundle
from strop.commands.explain import require_one_picture, write_seen
from strop.commands.refusal import FAILED, REFUSED, complain, content
from strop.commands.saving import require_other, save
from strop.commands.show import identity, open_asked, print_choice
from strop.commands.terminal import print_json, print_line, print_table, width_of
from strop.errors import InputError
from strop.model.arrays import NPY, NPZ, npy, npz, read_inputs
from strop.model.model import Model, labels_of
from strop.model.naming import NAMED, name_row
from strop.model.prediction import LabelSet, Prediction
from strop.model.several import in_order

_FEW = 8  # values of an output that fit on a line

Outputs = tuple[NDArray[Any], ...]  # (N, ...) of each output of the model
Failed = list[tuple[str, InputError]]
Row = tuple[str, OutputSpec, NDArray[Any]]  # the sample's name, the output, its values


def main(arguments: argparse.Namespace) -> int:
    """Predict each file, and print or write the outputs."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    if arguments.output:
        _require_suffix(arguments.output, len(bundle.manifest.outputs))
    if arguments.explain:
        require_one_picture(arguments.explain, arguments.inputs, bundle.manifest)
    for path in filter(None, (arguments.output, arguments.explain)):
        require_other(path, (*arguments.inputs, arguments.bundle))
    failed: Failed = []
    with open_asked(bundle, arguments) as model:
        answers = _answers(arguments, model, failed)
        if arguments.output:
            return _write(arguments, model, answers, failed)
        if arguments.json:
            predictions = [
                _content(row, model)
                for path, columns in answers
                for row in _rows(path, columns, model)
            ]
            errors = _errors(failed)
            print_json({"model": identity(model), "predictions": predictions, "errors": errors})
            done = bool(predictions)
        else:
            done = _print(answers, arguments.inputs, model)
            if done:
                print_choice(model, arguments.device)
    if not failed:
        return 0
    return FAILED if done else REFUSED


def _answers(
    arguments: argparse.Namespace, model: Model, failed: Failed
) -> Iterator[tuple[str, Outputs]]:
    """Predict each file; yield its path and outputs, or add it to `failed` and say so."""
    for path in arguments.inputs:
        try:
            inputs = read_inputs(path, model.inputs)
            answers = _predict(model, inputs, path)
        except InputError as error:
            complain(error)
            failed.append((path, error))
            continue
        if arguments.explain:
            write_seen(arguments.explain, inputs, model.input)
        yield path, answers


def _predict(model: Model, inputs: Any, path: str) -> Outputs:
    try:
        return in_order(model.predict(inputs), model.outputs, model.structure)
    except InputError as error:
        raise error.within(path) from None


def _rows(path: str, columns: Outputs, model: Model) -> Iterator[Row]:
    """Yield each output of each sample; several samples of a file have their place in the name."""
    count = len(columns[0])
    for i in range(count):
        for spec, column in zip(model.outputs, columns, strict=True):
            yield path if count == 1 else f"{path}[{i}]", spec, np.asarray(column[i])


def _print(answers: Iterator[tuple[str, Outputs]], paths: Sequence[str], model: Model) -> bool:
    """Print the rows of each file once they are there; return whether there were any.

    Columns are as wide as the longest path, output and label; within a file as its longest name.
    """
    several = len(model.outputs) > 1
    labels = [
        max(map(width_of, labels_of(s))) for s in model.outputs if s.kind in ("class", "binary")
    ]
    widths = [
        max(map(width_of, paths)),
        *([max(width_of(spec.name) for spec in model.outputs)] if several else []),
        max(labels, default=0),
    ]
    done = False
    for path, columns in answers:
        rows = [
            (row[0], *([row[1].name] if several else []), *_cells(row, model))
            for row in _rows(path, columns, model)
        ]
        print_table(rows, least=widths)
        done = True
    if done and any(spec.kind not in NAMED for spec in model.outputs):
        suffixes = NPZ if several else f"{NPY} or {NPZ}"
        print_line(f"--output FILE writes all values, to a file that ends in {suffixes}")
    return done


def _cells(row: Row, model: Model) -> tuple[str, str]:
    _, spec, values = row
    if spec.kind not in NAMED:
        if values.size <= _FEW:
            return spec.kind, " ".join(f"{value:.6g}" for value in values.reshape(-1).tolist())
        return spec.kind, f"{values.dtype} {values.shape}"
    said = name_row(values, spec, labels_of(spec), model.name)
    if isinstance(said, Prediction):
        return said.label, f"{said.probability:.4f}"
    shares = dict(zip(labels_of(spec), said.probabilities.tolist(), strict=True))
    held = " ".join(f"{shares[label]:.4f}" for label in said.labels)
    return ", ".join(said.labels) or "(none)", held


def _content(row: Row, model: Model) -> dict[str, Any]:
    """Return the row as --json prints it."""
    name, spec, values = row
    said: dict[str, Any] = {"input": name}
    if len(model.outputs) > 1:
        said["output"] = spec.name
    if spec.kind not in NAMED:
        return {**said, "kind": spec.kind, "dtype": str(values.dtype), "shape": [*values.shape]}
    labels = labels_of(spec)
    named = name_row(values, spec, labels, model.name)
    probabilities = dict(zip(labels, named.probabilities.tolist(), strict=True))
    if isinstance(named, LabelSet):
        return {**said, "labels": list(named.labels), "probabilities": probabilities}
    best = {"label": named.label, "probability": named.probability}
    return {**said, **best, "probabilities": probabilities}


def _errors(failed: Failed) -> list[dict[str, str]]:
    return [{"input": path, **content(error)} for path, error in failed]


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


def _write(
    arguments: argparse.Namespace,
    model: Model,
    answers: Iterator[tuple[str, Outputs]],
    failed: Failed,
) -> int:
    """Write the outputs of all files; nothing if one failed, since rows would lose their place."""
    path = arguments.output
    columns = [columns for _, columns in answers]
    if not failed:
        _save(path, model, [np.concatenate(column) for column in zip(*columns, strict=True)])
    if arguments.json:
        said = {"output": None if failed else path, "errors": _errors(failed)}
        print_json({"model": identity(model), **said})
    elif not failed:
        print_line(f"{path}: {sum(len(one[0]) for one in columns)} outputs of {model!r}")
    return REFUSED if failed else 0


def _save(path: str, model: Model, columns: Sequence[NDArray[Any]]) -> None:
    if Path(path).suffix == NPZ:
        names = (spec.name for spec in model.outputs)
        data = npz(dict(zip(names, columns, strict=True)))
    else:
        data = npy(columns[0])
    save(path, data)

"""The choice of the columns that are inputs, labels and slices, and the check of their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strop.bundle.manifest import Manifest
from strop_export.errors import EvaluationError
from strop_export.evaluation.sources.base import Columns
from strop_export.evaluation.sources.inputs import require_input
from strop_export.evaluation.sources.labels import require_label, require_text
from strop_export.evaluation.sources.values import Unfit

_INPUTS = ("image", "input", "inputs", "features")  # what the column of a single input is called
_LABELS = ("label", "labels")

Types = Mapping[str, Any]  # the Arrow type of each column


def choose(
    there: Types,
    manifest: Manifest,
    *,
    inputs: Mapping[str, str],
    labels: Mapping[str, str],
    slices: Sequence[str],
) -> Columns:
    """Choose the columns to read.

    Args:
        there: the columns that the data have, each name once.
        manifest: the bundle's; its inputs and outputs name what is looked for.
        inputs: for inputs by name, the column; or several, joined by commas, one for each value.
        labels: for outputs by name, the column.
        slices: columns whose texts tell the samples apart.

    Raises:
        EvaluationError: there is no such column, or no column can be told to be an input.
    """
    chosen = tuple(
        inputs.get(spec.name) or _input(spec.name, there, manifest) for spec in manifest.inputs
    )
    found = tuple(
        labels.get(spec.name) or _label(spec.name, there, manifest, chosen)
        for spec in manifest.outputs
    )
    columns = Columns(chosen, found, tuple(dict.fromkeys(slices)))
    for name in needed(columns):
        if name not in there:
            raise EvaluationError(f"there is no column {name!r}", _there(there))
    return columns


def by_name(given: Mapping[str, str], names: Sequence[str], what: str) -> dict[str, str]:
    """Return columns by name, where "" stands for the only one.

    Args:
        given: columns by the name of an input or output, or "".
        names: those of the model.
        what: "input" or "output".

    Raises:
        EvaluationError: the model has no such input or output; or "" could be several; or one has
            two columns.
    """
    option = "--input" if what == "input" else "--label"
    for name in given:
        if name and name not in names:
            raise EvaluationError(
                f"the model has no {what} {name!r}", f"its {what}s are {', '.join(names)}"
            )
    if "" not in given:
        return dict(given)
    if len(names) > 1:
        raise EvaluationError(
            f"{option} {given['']} could be {what} {' or '.join(names)}",
            f"write {option} NAME=COLUMN",
        )
    (only,) = names
    if only in given:
        raise EvaluationError(
            f"{what} {only!r} has two columns, {given['']!r} and {given[only]!r}",
            f"give {option} once",
        )
    return {only: given[""]}


def needed(columns: Columns) -> list[str]:
    """Return the names of all columns that are read, each once."""
    names = [name for each in columns.inputs for name in split(each)]
    names += [name for name in columns.labels if name is not None]
    return list(dict.fromkeys([*names, *columns.slices]))


def split(column: str) -> list[str]:
    """Return the columns of an input, which commas separate."""
    return [part.strip() for part in column.split(",")]


def require_types(there: Types, columns: Columns, manifest: Manifest) -> None:
    """Require that the chosen columns can be what they were chosen for.

    Raises:
        EvaluationError: one cannot; the message names it and its type.
    """
    for spec, name in zip(manifest.inputs, columns.inputs, strict=True):
        kinds = [there[part] for part in split(name)]
        what = f"input {spec.name!r}, {spec.dtype} {spec.shape[1:]}"
        _require(name, what, lambda kinds=kinds, spec=spec: require_input(kinds, spec))  # type: ignore[misc]
    for output, label in zip(manifest.outputs, columns.labels, strict=True):
        if label is not None:
            what = f"the labels of output {output.name!r}, a {output.kind}"
            _require(label, what, lambda k=there[label], o=output: require_label(k, o))  # type: ignore[misc]
    for name in columns.slices:
        _require(name, "slices", lambda kind=there[name]: require_text(kind))  # type: ignore[misc]


def _require(name: str, what: str, check: Callable[[], None]) -> None:
    try:
        check()
    except Unfit as error:
        raise EvaluationError(
            f"column {name!r} cannot be {what}: {error}", "choose another column, or convert it"
        ) from None


def _input(name: str, there: Types, manifest: Manifest) -> str:
    if name in there:
        return name
    usual = [each for each in _INPUTS if each in there] if len(manifest.inputs) == 1 else []
    if len(usual) == 1:
        return usual[0]
    found = f"{' and '.join(usual)} could all be it" if usual else "no column has its name"
    raise EvaluationError(
        f"cannot tell which column is input {name!r}: {found}; {_there(there)}",
        f"name it: --input {name}=COLUMN",
    )


def _label(name: str, there: Types, manifest: Manifest, inputs: tuple[str, ...]) -> str | None:
    usual = [f"{each}.{name}" for each in _LABELS]
    if len(manifest.outputs) == 1:
        usual += _LABELS
    taken = {part for each in inputs for part in split(each)}
    return next((each for each in (*usual, name) if each in there and each not in taken), None)


def _there(there: Types) -> str:
    return f"the columns are {', '.join(there)}" if there else "there are no columns"

"""The names of classes, and the labels of each sample, in the form that the figures need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import is_printable
from strop_export.errors import SourceError
from strop_export.source.kinds import Kind


def read_names(path: Path | None, said: Any) -> tuple[str, ...] | None:
    """Read the names of classes from a text file, or as training recorded them.

    Args:
        path: a text file with one name a line; a byte-order mark, blanks at line ends and empty
            last lines are allowed. It takes precedence.
        said: a list that training recorded, or None.

    Returns:
        The names, or None if there are none.

    Raises:
        SourceError: they cannot be read, or are not distinct, printable texts.
    """
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8-sig").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot read the label file {path}: {error}") from None
        names, where = tuple(line.rstrip() for line in text.splitlines()), str(path)
    elif said is not None:
        names, where = tuple(map(str, said)), "training.json"
    else:
        return None
    if len(set(names)) != len(names) or "" in names or not all(map(is_printable, names)):
        raise SourceError(
            f"{where}: labels must be different, non-empty, printable texts",
            "give one per line",
        )
    return names


def names_for(kind: Kind, last: int, names: tuple[str, ...] | None, output: str) -> tuple[str, ...]:
    """Return the names of an output's classes.

    Args:
        kind: the meaning of the output.
        last: the size of its last axis.
        names: the user's names, or None.
        output: its name, for messages.

    Returns:
        One for each class (numbers if the user gave no names), two for a single probability, none
        for values that are not classes.

    Raises:
        SourceError: their number is not the number of classes of the output.
    """
    if kind.kind in ("regression", "raw"):
        return names if names and len(names) == last else ()
    classes = 2 if last == 1 and kind.kind in ("binary", "segmentation") else last
    if names is None:
        return tuple(map(str, range(classes)))
    if len(names) != classes:
        what = f"output {output!r}" if output else "the output"
        raise SourceError(
            f"{len(names)} labels were given and {what} has {classes} classes",
            "give a label for each",
        )
    return names


def truth(
    labels: NDArray[Any] | None, kind: Kind, shape: tuple[int, ...], output: str
) -> NDArray[Any] | None:
    """Convert labels to the form of the output's decisions.

    Args:
        labels: (N, ...) numbers, or None; classes may be numbers or one-hot.
        kind: the meaning of the output.
        shape: the shape of one sample of the output.
        output: its name, for messages.

    Returns:
        int64 classes or 0 and 1, (N,), (N, labels) or (N, ...) by pixel; float64 (N, ...) for a
        regression; as given for raw outputs, since a metric of the user's own alone reads them.

    Raises:
        SourceError: they cannot be labels of this output.
    """
    if labels is None or kind.kind == "raw":
        return labels
    last = shape[-1] if shape else 1
    count = len(labels)
    wanted: tuple[int, ...]
    if kind.kind == "regression":
        if not _fits(labels, (count, *shape)):
            raise _unfit(labels, output, f"shape {(count, *shape)}")
        return labels.reshape(count, *shape).astype(np.float64)
    if kind.kind == "class":
        wanted, classes = (count,), last
    elif kind.kind == "multilabel":
        wanted, classes = (count, last), 2
    elif kind.kind == "binary":
        wanted, classes = (count,), 2
    else:
        wanted, classes = (count, *shape[:-1]), max(last, 2)
    if labels.shape == (*wanted, last) and last > 1 and kind.kind in ("class", "segmentation"):
        if ((labels != 0) & (labels != 1)).any() or (labels.sum(axis=-1) != 1).any():
            raise _unfit(labels, output, f"shape {wanted}, or one-hot")
        labels = labels.argmax(axis=-1)
    if not _fits(labels, wanted):
        raise _unfit(labels, output, f"shape {wanted}")
    labels = labels.reshape(wanted)
    whole = np.round(labels).astype(np.int64)
    if (whole != labels).any() or whole.min() < 0 or whole.max() >= classes:
        raise _unfit(labels, output, f"integers from 0 to {classes - 1}")
    return whole


def _fits(labels: NDArray[Any], wanted: tuple[int, ...]) -> bool:
    """Tell whether labels have a shape, ignoring axes of size one."""
    found = [size for size in labels.shape[1:] if size != 1]
    return found == [size for size in wanted[1:] if size != 1]


def _unfit(labels: NDArray[Any], output: str, wanted: str) -> SourceError:
    return SourceError(
        f"labels of output {output!r} are {labels.dtype} {labels.shape}, from {labels.min()} to "
        f"{labels.max()}",
        f"give {wanted}",
    )

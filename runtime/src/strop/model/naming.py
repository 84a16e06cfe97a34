"""Names for one sample's output, by the kind of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError, StropError
from strop.model.inputs import is_masked
from strop.model.prediction import LabelSet, Prediction

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import OutputSpec

NAMED = ("class", "binary", "multilabel")  # the kinds of output that `classify` can name
_LARGEST = 1e300  # infinity less itself is not a number
_ROUNDING = 1e-2  # an engine of low precision may leave the range by this share of it


def choose_output(outputs: tuple[OutputSpec, ...], asked: str | None, model: str) -> int:
    """Choose the output that names something; return its place.

    Args:
        outputs: the model's outputs.
        asked: the name of one; None: the only one that names something.
        model: its name, for messages.

    Raises:
        InputError: there is no such output; it has no classes or labels; or `asked` must name one.
    """
    names = [spec.name for spec in outputs]
    if asked is not None and not (isinstance(asked, str) and asked in names):
        raise InputError(
            f"{model} has no output {asked!r}", f"ask for {_one_of([repr(name) for name in names])}"
        )
    able = [spec.name for spec in outputs if spec.kind in NAMED]
    if asked is None and len(able) > 1:
        raise InputError(
            f"{model} has {len(able)} outputs with classes or labels: {', '.join(able)}",
            f"say which, output={_one_of([repr(name) for name in able])}",
        )
    if asked is None and not able and len(outputs) > 1:
        kinds = ", ".join(f"{spec.name} ({spec.kind})" for spec in outputs)
        raise InputError(f"no output of {model} has classes or labels: {kinds}", "use predict")
    place = names.index(asked if asked is not None else (able or names)[0])
    if outputs[place].kind not in NAMED:
        raise _names_nothing(outputs[place], model)
    return place


def admit_row(row: Any, spec: OutputSpec, model: str) -> NDArray[np.float32]:
    """Return a row that an app gives as one of this output, or refuse it.

    Args:
        row: one sample of what `Model.predict` returns.
        spec: the output.
        model: its name, for messages.

    Raises:
        InputError: it is not an array of numbers of the output's dtype and shape, or holds NaN or
            values outside the output's range.
    """
    found = f"got {type(row).__name__}"
    if is_masked(row):
        raise _no_row(spec, model, f"{found}, whose mask would be lost")
    try:
        array = np.asarray(row)
    except Exception as error:  # noqa: BLE001  a ragged list; an object's own conversion, anything
        raise _no_row(spec, model, f"{found}: {error}") from None
    found = f"got {array.dtype} {array.shape}"
    floats = array.dtype.kind == "f" and spec.dtype == "float32"
    if not (floats or array.dtype == spec.dtype) or array.shape != spec.shape[1:]:
        raise _no_row(spec, model, found)
    low, high = spec.range or (-np.inf, np.inf)
    slack = _ROUNDING * (high - low) if spec.range else 0.0
    if not bool(((array >= low - slack) & (array <= high + slack)).all()):  # NaN is neither
        span = f"{float(array.min()):.6g}..{float(array.max()):.6g}"
        raise _no_row(spec, model, f"{found} of {span}")
    return array


def name_row(
    row: NDArray[np.float32], spec: OutputSpec, labels: tuple[str, ...], model: str
) -> Prediction | LabelSet:
    """Name the class or labels of one sample's output.

    Args:
        row: float32, one sample of what `Model.predict` returns.
        spec: the output.
        labels: its labels, as `Model` has them where nobody named them.
        model: its name, for messages.

    Raises:
        InputError: the output has no classes or labels.
        StropError: the row holds NaN.
    """
    if spec.kind not in NAMED:
        raise _names_nothing(spec, model)
    if np.isnan(row).any():
        raise StropError(f"{model} gives NaN for {spec.name}", "check the file: strop check BUNDLE")
    if spec.kind == "class":
        probabilities = _softmax(row) if spec.logits else row
        index = int(row.argmax())
        return Prediction(labels[index], float(probabilities[index]), index, probabilities)
    shares = _sigmoid(row) if spec.logits else row
    above = row > (0.0 if spec.threshold is None else spec.threshold)
    if spec.kind == "multilabel":
        held = tuple(label for label, yes in zip(labels, above.tolist(), strict=True) if yes)
        return LabelSet(held, shares)
    index = int(above.reshape(-1)[0])
    share = float(shares.reshape(-1)[0])
    both = np.array([1 - share, share], np.float32)
    return Prediction(labels[index], share if index else 1 - share, index, both)


def _no_row(spec: OutputSpec, model: str, found: str) -> InputError:
    span = " of {:.6g}..{:.6g}".format(*spec.range) if spec.range else ""
    return InputError(
        f"{model}: prediction takes one row of output {spec.name!r}, {spec.dtype} "
        f"{spec.shape[1:]}{span}; {found}",
        "give a row of what predict returns",
    )


def _names_nothing(spec: OutputSpec, model: str) -> InputError:
    shape = ", ".join(str(size) for size in spec.shape[1:])
    return InputError(
        f"{model}: output {spec.name!r} is a {spec.kind} of shape ({shape}), without classes or "
        "labels",
        "use predict",
    )


def _softmax(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits (classes,) into probabilities, in float64 meanwhile."""
    values = np.clip(row.astype(np.float64), -_LARGEST, _LARGEST)
    powers = np.exp(values - values.max())
    shares: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
    return shares


def _sigmoid(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits into probabilities, each for itself, in float64 meanwhile."""
    with np.errstate(over="ignore"):  # exp(large) is inf, and 1 / inf the right answer
        shares: NDArray[np.float32] = (1 / (1 + np.exp(-row.astype(np.float64)))).astype(np.float32)
    return shares


def _one_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"

"""A metric of the user's own: it decides how much a file may lose, if the user gives one.

>>> asked = load(Path("my_map.py"), "mean_average_precision", 0.01)
>>> check(asked, source).keras
0.93
"""

from __future__ import annotations

import hashlib
import inspect
import math
import reprlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec, is_printable
from strop_export.errors import SourceError, reason
from strop_export.figures import Labels, Values
from strop_export.source import Source
from strop_export.source.own_code import run_file

_SEED: Final = 34
_ROUNDING: Final = 1e-9  # relative to the metric's value: 0.95 - 0.94 is above 0.01


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own, and how far a file may fall below Keras.

    Attributes:
        name: its name in messages and tables.
        function: takes the outputs and the labels, and returns a number: higher is better. Both
            are read-only arrays (N, ...), or dicts by the outputs' names if there are several; None
            stands for labels that were not given. The labels have the form of the output's kind.
        max_loss: the most that it may fall below Keras's value, in its own units.
        digest: SHA-256 of its code, in hex; "" means unknown code: an export is then never fresh.
    """

    name: str
    function: Callable[[Any, Any], Any]
    max_loss: float
    digest: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function) or not self.name or not is_printable(self.name):
            raise SourceError(
                f"the metric {reprlib.repr(self.name)} is no function with a printable name",
                "give a function of outputs and labels that returns a number",
            )
        if not _is_finite(self.max_loss) or self.max_loss < 0:
            raise SourceError(
                f"metric {self.name} may lose {reprlib.repr(self.max_loss)}",
                "give a finite number of 0 or more, in the metric's own units",
            )
        object.__setattr__(self, "max_loss", float(self.max_loss))  # NumPy's are not JSON

    def key(self) -> dict[str, Any]:
        """Return what an export with it depends on, as plain JSON values."""
        return {
            "name": self.name,
            "max_loss": self.max_loss,
            "digest": self.digest or uuid.uuid4().hex,
        }

    def score(
        self, specs: Sequence[OutputSpec], outputs: Sequence[Values], labels: Sequence[Labels]
    ) -> float:
        """Return its value for some outputs.

        Args:
            specs: the model's outputs.
            outputs: the answers, (N, ...) for each.
            labels: the truth, or None, for each.

        Raises:
            SourceError: the function fails, or returns anything but a finite number.
        """
        without = "" if any(known is not None for known in labels) else ", given no labels,"
        try:
            found = self.function(_given(specs, outputs), _given(specs, labels))
        except Exception as error:  # noqa: BLE001  the user's own code
            raise SourceError(
                f"metric {self.name}{without} raised {reason(error)}",
                "give one that takes the outputs and the labels, and returns a number",
            ) from None
        if not _is_finite(found):
            raise SourceError(
                f"metric {self.name}{without} returned {reprlib.repr(found)}",
                "give one that returns a finite number, higher for better outputs",
            )
        return float(found) + 0.0  # an error of 0, made negative, is -0

    def check(
        self, specs: Sequence[OutputSpec], keras: Sequence[Values], labels: Sequence[Labels]
    ) -> float:
        """Return Keras's value, after a check that the metric could condemn a file.

        Keras's answers in another order, and one answer for all samples, are nonsense: the metric
        must fall by more than `max_loss`, or fail.

        Raises:
            SourceError: it fails on Keras's answers, or does not fall on nonsense.
        """
        value = self.score(specs, keras, labels)
        order = _other_order(len(keras[0]))
        nonsense = {
            "the same answers in another order": [array[order] for array in keras],
            "one answer for all samples": [_constant(array) for array in keras],
        }
        for what, outputs in nonsense.items():
            try:
                found = self.score(specs, outputs, labels)
            except SourceError:
                continue  # a file with such outputs does not pass
            if not Measured(self.name, value, found, self.max_loss).fault:
                raise SourceError(
                    f"metric {self.name} is {value:.6g} for Keras's answers and {found:.6g} for "
                    f"{what}: with a loss of {self.max_loss:g} allowed, it could not fail",
                    "give one that compares each output with its label, or allow less",
                )
        return value


class Measured(NamedTuple):
    """The value of a metric for one run, Keras's value, and how far it may fall below that."""

    name: str
    keras: float
    found: float
    max_loss: float

    @property
    def fault(self) -> str:
        """Say that the metric fell too far; "" if it did not."""
        if self.keras - self.found <= self.max_loss + _ROUNDING * max(1.0, abs(self.keras)):
            return ""
        return (
            f"{self.name} {self.found:.6g} against Keras's {self.keras:.6g}, a loss of at most "
            f"{self.max_loss:g} allowed"
        )


@dataclass(frozen=True)
class Checked:
    """A metric that can condemn a file, and Keras's value.

    Attributes:
        metric: the metric.
        keras: Keras's value on the evaluation samples.
        note: why it cannot judge the held-out calibration samples; "" if it can.
    """

    metric: Metric
    keras: float
    note: str = ""


def check(metric: Metric, source: Source) -> Checked:
    """Check that a metric could condemn a file, on the samples that prove and on those that select.

    Raises:
        SourceError: it could not, on the samples that prove.
    """
    specs, note = source.outputs, ""
    keras = metric.check(specs, source.keras, source.labels)
    if source.selection_keras:
        try:
            metric.check(specs, source.selection_keras, source.selection_labels)
        except SourceError as error:
            labelled = any(known is not None for known in source.selection_labels)
            mend = error.mend if labelled else "put labels beside the calibration samples"
            note = (
                f"metric {metric.name} selects no file, the bounds of each output's kind do: on "
                f"the held-out calibration samples, {error.problem}; {mend}"
            )
    return Checked(metric, keras, note)


def load(path: Path, function: str, max_loss: float) -> Metric:
    """Load a metric from a Python file, which is run.

    Args:
        path: the file, which must not need other files.
        function: the function's name.
        max_loss: see `Metric`.

    Raises:
        SourceError: the file cannot be read or fails, or has no such function.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SourceError(
            f"cannot read the metric's file {path}: {error.strerror}",
            "give --metric FILE.py:FUNCTION=LOSS",
        ) from None
    own = vars(run_file(path, "--metric"))
    if not callable(own.get(function)):
        names = ", ".join(name for name, value in own.items() if inspect.isfunction(value))
        raise SourceError(
            f"{path} has no function {function!r}; it has {names or 'none'}",
            f"give --metric {path}:FUNCTION=LOSS",
        )
    return Metric(function, own[function], max_loss, digest)


def of(function: Callable[[Any, Any], Any], max_loss: float) -> Metric:
    """Make a metric of a Python function.

    Nothing tells whether the code that it uses has changed, so its export is never fresh.

    Args:
        function: see `Metric`.
        max_loss: see `Metric`.
    """
    name = getattr(function, "__name__", type(function).__name__)
    return Metric(str(name), function, max_loss)


def _is_finite(value: Any) -> bool:
    """Tell whether a value is a finite number, or an array or tensor of one without axes."""
    is_number = isinstance(value, Real) or getattr(value, "shape", None) == ()
    try:
        return is_number and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _given(specs: Sequence[OutputSpec], arrays: Sequence[Labels]) -> Any:
    """Return arrays as a metric takes them: one, or a dict by the outputs' names."""
    views = [array if array is None else _read_only(array) for array in arrays]
    if len(views) == 1:
        return views[0]
    return {spec.name: view for spec, view in zip(specs, views, strict=True)}


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _other_order(count: int) -> NDArray[np.int64]:
    """Return a fixed permutation that leaves no sample in its place: one cycle."""
    cycle = np.random.Generator(np.random.PCG64(_SEED)).permutation(count)
    order = np.empty(count, np.int64)
    order[cycle] = np.roll(cycle, 1)
    return order


def _constant(answers: NDArray[Any]) -> NDArray[Any]:
    """Return the median answer for all samples, (N, ...)."""
    middle = len(answers) // 2
    return np.broadcast_to(np.partition(answers, middle, axis=0)[middle], answers.shape)

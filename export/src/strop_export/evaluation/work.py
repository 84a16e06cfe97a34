"""What a worker does with one piece of the data: it reads it, runs the model, and counts."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from strop.bundle.manifest import Manifest
from strop.errors import InputError, StropError
from strop.model.model import Model
from strop.model.several import in_order
from strop_export.errors import EvaluationError
from strop_export.evaluation import sources
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, Unit, bad_rows
from strop_export.evaluation.tally import Tally

Arrays = Sequence[NDArray[Any]]


class Job(NamedTuple):
    """All that a worker needs to know; it can be pickled.

    Attributes:
        model: a pickled `strop.Model`, which brings its file and opens the same variant.
        reference: another one, whose answers are compared; or None.
        manifest: the bundle's.
        columns: the columns to read.
        batch: the most samples that the model gets at once.
    """

    model: bytes
    reference: bytes | None
    manifest: Manifest
    columns: Columns
    batch: int

    def tally(self) -> Tally:
        """Make empty counts."""
        return Tally(
            self.manifest.outputs,
            reference=self.reference is not None,
            slices=self.columns.slices,
        )

    def counted(self, value: Any) -> Tally:
        """Read counts, as `Tally.to_json` gives them.

        Raises:
            EvaluationError: they are damaged.
        """
        return Tally.from_json(
            value,
            self.manifest.outputs,
            reference=self.reference is not None,
            slices=self.columns.slices,
        )


class Outcome(NamedTuple):
    """What came of a piece; it can be pickled.

    Attributes:
        unit: the piece's number.
        tally: its counts, as `Tally.to_json` gives them.
        rows: the rows that are in the counts.
        bad: the rows set aside.
        error: what stopped the worker; the other fields are then empty.
    """

    unit: int
    tally: Any = None
    rows: int = 0
    bad: tuple[BadRows, ...] = ()
    error: StropError | None = None


class Worker:
    """Evaluates pieces, one after another."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._models: list[Model] = []

    def evaluate(self, number: int, unit: Unit) -> Outcome:
        """Evaluate a piece. The counts are a function of the piece and the job alone.

        Args:
            number: the piece's number, for the outcome.
            unit: the piece.
        """
        try:
            return self._evaluate(number, unit)
        except StropError as error:
            return Outcome(number, error=error)
        except MemoryError:
            return Outcome(
                number,
                error=EvaluationError(
                    f"there is not enough memory for {unit.path}",
                    "choose a smaller --batch or fewer --workers",
                ),
            )

    def _evaluate(self, number: int, unit: Unit) -> Outcome:
        job = self._job
        # Opened here, so that an engine that this machine lacks is an outcome too.
        models = self._models = self._models or [
            pickle.loads(model)  # noqa: S301  our own
            for model in (job.model, job.reference)
            if model is not None
        ]
        tally, rows = job.tally(), 0
        bad: list[BadRows] = []
        for item in sources.read(unit, job.columns, job.manifest, batch=job.batch):
            if isinstance(item, BadRows):
                bad.append(item)
                continue
            for batch, answers in _answered(item, models, unit.path, bad):
                other = answers[1] if len(answers) > 1 else None
                tally.add(answers[0], batch.labels, batch.slices, other)
                rows += len(batch.rows)
        return Outcome(number, tally.to_json(), rows, tuple(bad))


def _answers(model: Model, inputs: Arrays) -> Arrays:
    """Run a model.

    Args:
        model: the model.
        inputs: (n, ...) for each input, in the manifest's order.

    Returns:
        (n, ...) for each output, in the manifest's order.
    """
    answers = model.predict(inputs[0] if len(inputs) == 1 else list(inputs))
    return (
        [answers] if model.structure == "one" else in_order(answers, model.outputs, model.structure)
    )


def _answered(
    batch: Batch, models: Sequence[Model], path: str, bad: list[BadRows]
) -> Iterator[tuple[Batch, list[Arrays]]]:
    """Yield a batch with each model's answers.

    If a model refuses a sample, because its values make the model overflow to NaN for example, the
    samples are run one by one, and that one is set aside.

    Args:
        batch: the batch.
        models: the model, and the one to compare it with if there is one.
        path: the file, for rows set aside.
        bad: rows set aside are added to it.
    """
    try:
        yield batch, [_answers(model, batch.inputs) for model in models]
        return
    except InputError as error:
        problem = error.problem
    if len(batch.rows) == 1:
        bad.append(bad_rows(path, int(batch.rows[0]), 1, problem))
        return
    for place in range(len(batch.rows)):
        yield from _answered(batch.only(place), models, path, bad)

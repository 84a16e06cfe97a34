"""A model that counts what it meets and answers, on a sample of its calls, in constant memory.

What is counted, and why so: docs/decisions/0057-counting.md.
"""

from __future__ import annotations

import sys
import time
from _thread import RLock  # threading takes a millisecond to import
from bisect import bisect_right
from itertools import accumulate, count, repeat
from operator import add, mod
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from strop.bundle.counts import SAMPLES_OF_A_CALL, SCHEMA, Counts
from strop.bundle.structs import Struct
from strop.errors import (
    BundleError,
    InputError,
    StropError,
    StropWarning,
    let_handlers_raise,
    one_line,
    warn,
)
from strop.model import profile
from strop.model.inputs import admit
from strop.model.model import About, Model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.file import Bundle
    from strop.bundle.manifest import Histogram
    from strop.engines.base import Session
    from strop.model.source import ModelSource

MOST = 10**9  # calls, of which one is counted
_CALLS = 2**62  # more than any process makes
_AHEAD = 256  # counted calls that are chosen in advance: more than threads that are in one at once

_Bins = tuple[tuple[tuple[int, ...], ...], ...]  # of each tensor, of each histogram


class Counted(Struct):
    """What a counting model knows beside what others do."""

    bundle: str  # the identity of the bundle
    every: int


def prepare(bundle: Bundle, every: Any) -> Counted:
    """Check that a bundle's model can count.

    Args:
        bundle: verified.
        every: as `count_every` of `strop.load`.

    Raises:
        InputError: `every` is not an integer from 1 to 1,000,000,000.
        BundleError: the bundle has no profile, or one of other figures than this strop measures.
    """
    if type(every) is not int or not 0 < every <= MOST:
        raise InputError(f"`count_every` must be an integer from 1 to {MOST:,}, got {every!r}")
    manifest = bundle.manifest
    inputs, outputs = manifest.inputs, manifest.outputs
    listed = [
        *(tuple(h.figure for h in spec.profile) for spec in inputs),
        *(tuple(h.figure for h in spec.profile) for spec in outputs),
    ]
    wanted = [
        *(profile.figures_of_inputs(spec, len(inputs)) for spec in inputs),
        *(profile.figures_of_outputs(spec, len(outputs)) for spec in outputs),
    ]
    if listed != wanted:
        what = "a profile of other figures than this strop counts" if any(listed) else "no profile"
        raise BundleError(
            f"{manifest.name}-{manifest.target} has {what}, which `count_every` needs",
            "export it again",
        )
    return Counted(bundle.digest, every)


class CountingModel(Model):
    """A model that counts; `strop.load` makes one if `count_every` is given.

    A forked child process begins at zero, and so does an unpickled model: the counts of processes
    can be added, and no call is in two of them.
    """

    def __init__(
        self, source: ModelSource, about: About, session: Session, counted: Counted
    ) -> None:
        self._counted = counted
        self._begin(about)
        super().__init__(source, about, session)

    def _begin(self, about: About) -> None:
        self._counter = counter = _Counter(about, self._counted.every)
        # What every call needs, bound once.
        self._calls, self._chosen = counter.calls, counter.chosen

    def predict(self, inputs: Any) -> Any:
        """Run the model as `Model.predict` does, and count the call."""
        # The common case is here too: a call of `Model.predict` costs as much as all else.
        try:
            if (checked := self._checked) is None or (answer := checked(inputs)) is None:
                answer = Model.predict(self, inputs)
        except Exception as error:  # noqa: BLE001  it is raised again
            self._fail(error, sys._getframe())
        # Only an answered call has a number. No other has the same: `next` of a range is one step.
        if (number := next(self._calls)) in self._chosen:
            self._counter.count(number, inputs, answer)
        return answer

    def counts(self) -> Counts:
        """Return what was counted so far, also of a closed model."""
        counter, counted = self._counter, self._counted
        samples, inputs, outputs = counter.read()
        return Counts(
            schema=SCHEMA,
            bundle=counted.bundle,
            name=self.name,
            model_version=self.version,
            engine=self.engine,
            precision=self.precision,
            every=counted.every,
            calls=counter.answered(),
            samples=samples,
            since=counter.since,
            until=_now(),
            inputs=inputs,
            outputs=outputs,
        )

    def after_fork(self) -> None:
        """Begin to count anew in a forked process, whose calls are others."""
        self._begin(self._about)
        super().after_fork()

    def __reduce__(self) -> tuple[Any, ...]:
        _, arguments = super().__reduce__()
        return _open, (*arguments, self._counted)


class _State(NamedTuple):
    """What was counted: the samples, and in each bin of the inputs and of the outputs."""

    samples: int
    inputs: _Bins
    outputs: _Bins


class _Counter:
    """Counts of one process: of each histogram, the samples in each bin.

    Attributes:
        calls: the numbers of calls; each is taken once, by the call that has it.
        chosen: the numbers of the calls that will be counted, some way ahead.
        since: when it began.
    """

    def __init__(self, about: About, every: int) -> None:
        self.calls: Iterator[int] = iter(range(_CALLS))
        self._random = Random()  # noqa: S311  seeded by the system, in every process anew
        # Gaps of 1 to 2 every - 1, each as likely: what comes round after so many calls can neither
        # evade nor fill the counts. All of it is C, so that threads can share it without a lock.
        bits = map(self._random.getrandbits, repeat(64))
        gaps = map(mod, bits, repeat(2 * every - 1))
        self._coming: Iterator[int] = map(add, accumulate(gaps), count())
        self.chosen = {next(self._coming) for _ in range(_AHEAD)}
        self.since = _now()
        self._about = about
        self._error = ""
        # The same thread may come again: a signal handler of the app may call the model.
        self._lock = RLock()
        # Replaced as a whole: whatever interrupts a call, each histogram holds all samples.
        self._state = _State(
            0,
            tuple(_zeros(spec.profile) for spec in about.inputs),
            tuple(_zeros(spec.profile) for spec in about.outputs),
        )

    def count(self, number: int, inputs: Any, answer: Any) -> None:
        """Count a call; if that fails, warn, and count no more.

        Args:
            number: the call's.
            inputs: as the app gave them.
            answer: as the app gets it.
        """
        if self._error:
            return
        try:
            self.chosen.add(next(self._coming))
            self.chosen.discard(number)
            self._count(inputs, answer)
        except Exception as error:  # noqa: BLE001  the app must have its answer
            let_handlers_raise(error, sys._getframe())
            self._stop(error)

    def read(self) -> _State:
        """Return what was counted.

        Raises:
            StropError: counting failed, so that these would not be the counts of all calls.
        """
        if self._error:
            raise StropError(self._error, "load the model again")
        return self._state

    def answered(self) -> int:
        """Return the number of calls so far."""
        left: int = self.calls.__length_hint__()  # type: ignore[attr-defined]
        return _CALLS - left

    def _count(self, inputs: Any, answer: Any) -> None:
        about = self._about
        samples, answers = _as_arrays(inputs, answer, about)
        size = len(samples[0])
        if size > SAMPLES_OF_A_CALL:
            rows = sorted(self._random.sample(range(size), SAMPLES_OF_A_CALL))
            samples = [array[rows] for array in samples]
            answers = [array[rows] for array in answers]
            size = SAMPLES_OF_A_CALL
        met = [
            _places(profile.measure_inputs(array, spec, len(samples)), spec.profile)
            for array, spec in zip(samples, about.inputs, strict=True)
        ]
        given = [
            _places(profile.measure_outputs(array, spec, len(answers)), spec.profile)
            for array, spec in zip(answers, about.outputs, strict=True)
        ]
        with self._lock:
            while True:
                old = self._state
                new = _State(
                    old.samples + size, _added(old.inputs, met), _added(old.outputs, given)
                )
                if self._state is old:  # else a signal handler's call came between
                    self._state = new
                    return

    def _stop(self, error: Exception) -> None:
        what = one_line(f"{type(error).__name__}: {error}")
        self._error = f"{self._about.name} stopped counting, which failed: {what}"
        self.chosen.clear()
        try:
            warn(self._error)
        except StropWarning:  # the app turns warnings into errors; `counts` raises one
            return


def _as_arrays(
    inputs: Any, answer: Any, about: About
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return a call's samples and answers, as arrays (N, ...) in the manifest's order."""
    if about.structure == "one" and len(about.inputs) == 1:
        return [admit(inputs, about.inputs[0], about.name)], [answer]
    from strop.model.several import admit_all, in_order

    samples = admit_all(inputs, about.inputs, about.name)
    return [*samples], [*in_order(answer, about.outputs, about.structure)]


def _zeros(histograms: tuple[Histogram, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple((0,) * len(histogram.counts) for histogram in histograms)


def _places(figures: profile.Figures, histograms: tuple[Histogram, ...]) -> list[list[int]]:
    """Return the bins that samples fall into: (N, figures) -> for each histogram, N bins.

    They are those of `profile.bins`, for a few values in less time.
    """
    return [
        [bisect_right(histogram.edges, value) for value in column]
        if histogram.edges
        else [int(value) for value in column]
        for histogram, column in zip(histograms, figures.T.tolist(), strict=True)
    ]


def _added(counts: _Bins, places: list[list[list[int]]]) -> _Bins:
    """Return counts with one more sample at each of the places."""
    return tuple(
        tuple(_one_more(bins, column) for bins, column in zip(histograms, columns, strict=True))
        for histograms, columns in zip(counts, places, strict=True)
    )


def _one_more(bins: tuple[int, ...], places: list[int]) -> tuple[int, ...]:
    counts = [*bins]
    for place in places:
        counts[place] += 1
    return tuple(counts)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _open(source: ModelSource, about: About, counted: Counted) -> CountingModel:
    """Open an unpickled model."""
    return CountingModel(source, about, source.open(), counted)

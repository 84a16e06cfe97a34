"""The models that a server has: bundles, and folders that `strop install` keeps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet, ref

from numpy.typing import NDArray

from strop.bundle.open import open_bundle
from strop.errors import InputError, StropError
from strop.install.watched import Watched
from strop.model.model import Model
from strop.model.select import open_best
from strop.model.several import in_order
from strop.model.tuned import recall_joined
from strop.serve.refusals import Busy, NotFound

_FORGETS = 1.03  # by how much the time of a sample grows with each call that takes longer
_RESERVED = "stats"  # `/v2/models/stats` is about all models
_INTERVAL_S = 1.0  # between two looks at an installed folder


@dataclass
class Counts:
    """The work of one version of a model since the server was started.

    Attributes:
        requests: answered.
        samples: in these requests.
        calls: of the model; one may have several requests.
        failed: requests that failed.
        answered_ns: nanoseconds of the requests; those of one call count each.
        called_ns: nanoseconds of the calls.
        failed_ns: nanoseconds of the failed requests.
        last_ms: the time of the last answer, in milliseconds since 1970.
    """

    requests: int = 0
    samples: int = 0
    calls: int = 0
    failed: int = 0
    answered_ns: int = 0
    called_ns: int = 0
    failed_ns: int = 0
    last_ms: int = 0


class Ran:
    """The models that ran and count, until what they counted is taken from them.

    Any number of threads may add one.
    """

    def __init__(self) -> None:
        self._models: dict[Model, None] = {}
        self._ended: WeakSet[Model] = WeakSet()

    def __iter__(self) -> Iterator[Model]:
        return iter(tuple(self._models))

    def add(self, model: Model) -> None:
        """Add a model, unless it is there, or has ended."""
        if model not in self._models and model not in self._ended:
            self._models[model] = None

    def end(self, model: Model) -> None:
        """Let go a model; a call that it still gets is not counted."""
        self._ended.add(model)
        self._models.pop(model, None)


class Served:
    """A model that answers requests, and what it took so far.

    Attributes:
        name: the name in the manifest, which requests use.
        counts: of each version that ran, by its number.
    """

    def __init__(self, opened: Model | Watched, joins: int = 0, ran: Ran | None = None) -> None:
        self._opened = opened
        self._ran = ran
        if ran is not None:
            ran.add(self.model)
        self._joins, self._tuned = joins, ref(self.model)
        self.name = self.model.name
        self.counts = {self.model.version: Counts()}
        self._call_s = self._sample_s = float("inf")

    @property
    def model(self) -> Model:
        """The model that runs now; a folder's changes when a new bundle is installed."""
        return self._opened.model if isinstance(self._opened, Watched) else self._opened

    @property
    def joins(self) -> int:
        """The samples of waiting requests that one call takes; 0 to run each alone.

        It was measured for the model that was opened first, not for one installed since.
        """
        return self._joins if self._tuned() is self.model else 0

    @property
    def error(self) -> StropError | None:
        """The reason why what is installed in the folder does not run; None if it runs."""
        return self._opened.error if isinstance(self._opened, Watched) else None

    def expected_s(self, samples: int) -> float:
        """Return about how long a call takes by itself, in seconds; infinity before the first."""
        return max(self._call_s, self._sample_s * samples)

    def run(
        self, model: Model, arrays: Sequence[NDArray[Any]], requests: int = 1
    ) -> tuple[NDArray[Any], ...]:
        """Run a model of this name, and count the call.

        Args:
            model: what `model` gave, so that an answer comes from one version.
            arrays: (N, ...) for each input.
            requests: how many these samples are of.

        Returns:
            (N, ...) for each output, in the manifest's order.
        """
        samples = len(arrays[0])
        call = partial(model.predict, arrays[0] if len(arrays) == 1 else list(arrays))
        answers, took_ns = self._counted(model, call, requests, samples)
        # A call with many samples takes less time a sample than a call with one.
        self._call_s = shortest_of_late(self._call_s, took_ns / 1e9)
        self._sample_s = shortest_of_late(self._sample_s, took_ns / samples / 1e9)
        return tuple(in_order(answers, model.outputs, model.structure))

    def classify(self, model: Model, picture: bytes) -> Any:
        """Name what is in a picture, as `Model.classify` does, and count the call."""
        return self._counted(model, partial(model.classify, picture), 1, 1)[0]

    def _counted(
        self, model: Model, call: Callable[[], Any], requests: int, samples: int
    ) -> tuple[Any, int]:
        """Return what a call returns, and its nanoseconds."""
        counts = self.counts.setdefault(model.version, Counts())
        if self._ran is not None:
            self._ran.add(model)
        began_ns = time.perf_counter_ns()
        try:
            answer = call()
        except BaseException as error:
            if requests == 1 or not isinstance(error, InputError):  # else each runs again alone
                counts.failed += requests
                counts.failed_ns += requests * (time.perf_counter_ns() - began_ns)
            raise
        took_ns = time.perf_counter_ns() - began_ns
        counts.requests += requests
        counts.samples += samples
        counts.calls += 1
        counts.answered_ns += requests * took_ns
        counts.called_ns += took_ns
        counts.last_ms = time.time_ns() // 1_000_000
        return answer, took_ns

    def close(self) -> None:
        """Close the model, after the calls that run on it."""
        self._opened.close()


def shortest_of_late(known_s: float, newest_s: float) -> float:
    """Return the time that a call takes when nothing interrupts it.

    On a busy machine a call also waits for a core and for the interpreter's lock. A mean would
    count that, and send calls of microseconds to a thread, where they wait even longer.

    Args:
        known_s: the time so far; infinity before the first call.
        newest_s: what the newest call took.
    """
    return min(newest_s, known_s * _FORGETS)


class Repository:
    """The models by name. Any number of threads may ask; loading and unloading take turns.

    Attributes:
        ran: the models that count, if they do.
    """

    def __init__(self, paths: Sequence[str], options: Mapping[str, Any]) -> None:
        """Open all models.

        Args:
            paths: bundles, and folders that `strop install` keeps.
            options: as `strop.load` takes them.

        Raises:
            InputError: two models have the same name, or one has a name of the protocol.
            StropError: one cannot be opened.
        """
        self._options = options
        self.ran = Ran()
        self._turn = threading.Lock()
        self._paths: dict[str, str] = {}
        self._served: dict[str, Served] = {}
        try:
            for path in paths:
                served = self._open(path)
                try:
                    self._require_free(served.name, path)
                except InputError:
                    served.close()
                    raise
                self._paths[served.name] = path
                self._served[served.name] = served
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[tuple[str, Served | None]]:
        """Yield the name of each model, and the model if it is loaded."""
        return iter([(name, self._served.get(name)) for name in self._paths])

    def get(self, name: str, version: str | None = None) -> Served:
        """Return a loaded model.

        Args:
            name: its name.
            version: the version that must be current; None: any.

        Raises:
            NotFound: there is no such model or version, or it is not loaded.
        """
        served = self._served.get(name)
        if served is None:
            known = ", ".join(repr(loaded) for loaded in [*self._served]) or "none"
            raise NotFound(f"there is no model {name!r} here", f"loaded: {known}")
        if version is not None and version != str(served.model.version):
            raise NotFound(
                f"there is no version {version!r} of {name!r}", f"current: {served.model.version}"
            )
        return served

    def load(self, name: str) -> None:
        """Open a model of the repository again, with its bundle as it is now.

        Raises:
            NotFound: the server was not started with such a model.
            Busy: another model is being loaded.
            StropError: it cannot be opened; the model that was loaded stays.
        """
        path = self._require(name)
        if not self._turn.acquire(blocking=False):
            raise Busy("a model is being loaded", "send it again later")
        try:
            served = self._open(path)
            if served.name != name:
                served.close()
                raise StropError(f"{path} now holds a model {served.name!r}, not {name!r}")
            self._served[name] = served  # the old one is not closed: it ends with its last request
        finally:
            self._turn.release()

    def unload(self, name: str) -> None:
        """Remove a model; the last request that it has releases it.

        Raises:
            NotFound: the server was not started with such a model.
        """
        self._require(name)
        self._served.pop(name, None)

    def close(self) -> None:
        """Close all models."""
        while self._served:
            self._served.popitem()[1].close()

    def _require_free(self, name: str, path: str) -> None:
        """Require a name that neither the protocol nor another model has."""
        if name == _RESERVED:
            raise InputError(
                f"{path} holds a model {name!r}, a name that the protocol reserves",
                "export it under another name",
            )
        if name in self._paths:
            raise InputError(
                f"{self._paths[name]} and {path} both hold a model {name!r}", "serve one of them"
            )

    def _require(self, name: str) -> str:
        path = self._paths.get(name)
        if path is None:
            known = ", ".join(map(repr, self._paths))
            raise NotFound(f"this server has no model {name!r}", f"it has {known}")
        return path

    def _open(self, path: str) -> Served:
        options = dict(self._options)
        bundle = open_bundle(path, options.pop("trusted_keys", None))
        opened: Model | Watched
        if os.path.isdir(path):  # noqa: PTH112
            opened = Watched(path, _INTERVAL_S, **self._options)
            tuned = opened.model.tuned
        else:
            opened = open_best(bundle, **options)
            tuned = opened.tuned
        joined = recall_joined(bundle) if tuned else None
        joins = joined.samples if joined and joined.pays else 0
        return Served(opened, joins, self.ran if options.get("count_every") else None)

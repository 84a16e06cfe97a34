"""A model that follows what is installed in a folder, under a running app."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from os import PathLike
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakSet, ref

from strop.bundle.file import Bundle
from strop.bundle.files import path_of
from strop.bundle.installed import read, record_path
from strop.bundle.open import open_bundle
from strop.engines.blas import opening
from strop.errors import (
    BundleError,
    InputError,
    InstallError,
    StropError,
    StropWarning,
    caller,
    one_line,
    printable,
    warn,
)
from strop.model import forks
from strop.model.ending import Closing
from strop.model.model import Model, labels_of
from strop.model.select import open_best

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from strop.bundle.counts import Counts

_END_S = 5.0  # for a model that is being opened as the interpreter ends
_LONGEST_PAUSE_S = 60.0  # between two tries of what did not open
_STRUCTURES = {"one": "an array", "list": "a list", "dict": "a dict"}
_NEVER_S = float("inf")  # as when to try again
_Stamp = tuple[int, int, int, int]


class Watched(Closing):
    """The current model of a folder; `strop.watch` makes one.

    Any number of threads may call `predict`, `classify` and `prediction`, which are those of the
    current `Model`. A background thread watches the folder, opens a newly installed bundle and runs
    it once; from then on, calls go to it. Calls in flight end on the model that they began on; the
    last of them releases it.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        interval_s: float,
        trusted_keys: str | PathLike[str] | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self._folder = path_of(folder, "folder")
        if type(interval_s) not in (int, float) or not 0 < interval_s <= threading.TIMEOUT_MAX:
            raise InputError(
                f"`interval_s` must be a finite time in seconds above 0, got {interval_s!r}"
            )
        if os.path.isfile(self._folder):  # noqa: PTH113  a text
            raise InputError(
                f"{printable(self._folder)} is a file, which strop.load opens", "watch a folder"
            )
        self._interval_s = interval_s
        self._trusted_keys = trusted_keys
        self._options = options
        self._error: StropError | None = None
        self._called_from = caller()
        self._closed = False
        # Before the model is opened: a bundle installed meanwhile is then seen as new.
        self._seen = _stamp(self._folder)
        self._again_s = _NEVER_S
        self._pause_s = interval_s
        bundle = self._open_bundle()
        self._digest = bundle.digest
        self._model = self._open(bundle)
        self._start()
        _watching.add(self)
        forks.follow(self)

    @property
    def model(self) -> Model:
        """The current model. It stays open while it is held, also when a newer one is current."""
        return self._model

    @property
    def error(self) -> StropError | None:
        """The reason why the installed bundle does not run here; None if it runs."""
        return self._error

    def predict(self, inputs: Any) -> Any:
        """Run the current model, as `Model.predict` does.

        Args:
            inputs: a batch (N, ...) or one sample (...), as `Model.predict` takes it.

        Returns:
            New arrays (N, ...), as `Model.predict` returns them.
        """
        return self._model.predict(inputs)

    def classify(self, image: str | PathLike[str] | Any, *, output: str | None = None) -> Any:
        """Name the class or labels of one sample with the current model, as `Model.classify` does.

        Args:
            image: one sample or a picture, as `Model.classify` takes it.
            output: the name of the output to read; None: the only one with classes or labels.

        Returns:
            A Prediction or a LabelSet.
        """
        return self._model.classify(image, output=output)

    def prediction(self, output: NDArray[np.float32], name: str | None = None) -> Any:
        """Name the class or labels of one row of outputs, as `Model.prediction` does.

        Args:
            output: float32, one sample of an output: (classes,) of a classifier.
            name: the name of that output; None: the only one with classes or labels.

        Returns:
            A Prediction or a LabelSet.
        """
        return self._model.prediction(output, name)

    def counts(self) -> Counts:
        """Return the counts of the current model, as `Model.counts` does.

        Those of a model that was replaced end with it: to have them, hold its `model`.
        """
        return self._model.counts()

    def close(self) -> None:
        """Stop watching, and close the current model; any number of calls are allowed.

        If a new model is being opened meanwhile, `close` waits for it, but at most 5 seconds.
        """
        self._stop.set()
        with self._turn:
            self._closed = True
            self._model.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_END_S)

    def after_fork(self) -> None:
        """Start watching again in a forked process, because the thread stayed with the parent."""
        if not self._closed:
            self._start()

    def __repr__(self) -> str:
        return f"<strop.Watched {self._folder}: {self._model!r}>"

    def _start(self) -> None:
        self._turn = threading.Lock()  # held while the model is replaced, or closed for good
        self._stop = threading.Event()
        # It knows this object weakly, so that one which is dropped takes its thread with it.
        arguments = (ref(self), self._stop, self._interval_s)
        self._thread = threading.Thread(
            target=_watch, args=arguments, name="strop-watch", daemon=True
        )
        self._thread.start()

    def _look(self) -> None:
        """Open the installed bundle, if it is another than the one that runs."""
        stamp = _stamp(self._folder)
        again = stamp == self._seen
        if again and time.monotonic() < self._again_s:
            return
        self._seen, self._again_s = stamp, _NEVER_S
        try:
            if read(self._folder).current.digest != self._digest:
                with opening:
                    self._replace()
            self._error = None
        except Exception as error:  # noqa: BLE001  whatever it is, the current model runs on
            if not _is_lasting(error):
                longer_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
                self._pause_s = longer_s if again else self._interval_s
                self._again_s = time.monotonic() + self._pause_s
            self._complain(error, again=again)

    def _replace(self) -> None:
        bundle = self._open_bundle()
        model = self._open(bundle)
        for new, runs in zip(_traits(model), _traits(self._model), strict=True):
            if new != runs:
                raise InstallError(
                    f"{model.name} v{model.version} {new}, and what runs {runs}",
                    "start the app again",
                )
        with self._turn:
            if self._closed:
                model.close()
                return
            # The old one is not closed: a call may be about to enter it. It ends with the last.
            self._model = model
            self._digest = bundle.digest

    def _open_bundle(self) -> Bundle:
        return open_bundle(self._folder, self._trusted_keys)

    def _open(self, bundle: Bundle) -> Model:
        """Open a bundle, and run one of its samples, because the first call may take longer."""
        model = open_best(bundle, **self._options)
        samples = tuple(bundle.array(ref)[:1] for ref in bundle.manifest.golden.inputs)
        # Not by the model's own method: it would count a sample that the app never met.
        Model.predict(model, samples if len(samples) > 1 else samples[0])
        return model

    def _complain(self, error: Exception, *, again: bool) -> None:
        # A new error: with its traceback, the old one would keep all that was opened.
        if isinstance(error, StropError):
            self._error = type(error)(error.problem, error.mend)
        else:
            self._error = StropError(f"{type(error).__name__}: {one_line(str(error))}")
        if again:
            return
        # An app that turns warnings into errors can look at `error`.
        with contextlib.suppress(StropWarning):
            warn(
                f"the bundle installed in {printable(self._folder)} does not run, and "
                f"{self._model!r} goes on: {self._error}",
                self._called_from,  # this is another thread, which the app did not write
            )


_watching: WeakSet[Watched] = WeakSet()


def _watch(watched: ReferenceType[Watched], stop: threading.Event, interval_s: float) -> None:
    while not stop.wait(interval_s):
        here = watched()
        if here is None:
            return
        here._look()
        del here  # not kept while waiting


def _traits(model: Model) -> Iterator[str]:
    """Yield the properties that a running app relies on, the most telling first.

    The labels are among them: they name the outputs that the app holds.
    """
    yield f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs"
    yield from (f"takes {spec.dtype} {spec.shape[1:]}" for spec in model.inputs)
    yield from (f"gives {spec.shape[1:]}" for spec in model.outputs)
    yield f"gives {_STRUCTURES[model.structure]}"
    for source in model.inputs:
        low, high = source.range or ("any", "any")
        yield f"takes values {low}..{high}"
    for output in model.outputs:
        yield f"gives {output.dtype}, a {output.kind}{' of logits' if output.logits else ''}"
        if output.threshold is not None:
            yield f"says yes above {output.threshold}"
        yield from (f"has class {i} {label!r}" for i, label in enumerate(labels_of(output)))
    # By these an app may name them.
    if len(model.inputs) > 1:
        yield from (f"takes an input {spec.name!r}" for spec in model.inputs)
    if len(model.outputs) > 1 or model.structure == "dict":
        yield from (f"gives an output {spec.name!r}" for spec in model.outputs)


def _is_lasting(error: Exception) -> bool:
    """Tell whether the same bundle would be refused again.

    An error that may pass, such as a lack of memory, is not lasting.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):  # in reading it
            return False
        cause = cause.__context__
    return isinstance(error, BundleError | InstallError)


def _stamp(folder: str) -> _Stamp | None:
    """Return a value that changes whenever installed.json does; None if there is no such file.

    The file is never edited, only replaced. The stamp is its inode, its two times in nanoseconds
    and its size in bytes.
    """
    try:
        found = os.stat(record_path(folder))  # noqa: PTH116  a text
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


@atexit.register
def _end() -> None:
    """Stop all watching threads, so that none is inside an engine as the interpreter ends."""
    for watched in tuple(_watching):
        watched._stop.set()
        watched._thread.join(_END_S)

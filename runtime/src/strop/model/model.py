"""The model an app holds: it checks the input, runs the engine, and names the output."""

from __future__ import annotations

from _thread import allocate_lock, get_ident  # threading takes a millisecond to import
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from strop.bundle.structs import Struct
from strop.errors import InputError, StropError
from strop.model import ending, forks
from strop.model.ending import Closing
from strop.model.inputs import admit, finite, wanted
from strop.model.pool import Pool, Slot

if TYPE_CHECKING:  # importing strop must cost an app next to nothing
    from collections.abc import Callable
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from strop.bundle.manifest import TensorSpec
    from strop.engines.base import Session
    from strop.model.prediction import Prediction
    from strop.model.source import ModelSource


class About(Struct):
    """What is known of a model besides its file."""

    name: str
    version: int
    input: TensorSpec
    output: TensorSpec
    engine_version: str
    tuned: bool = False  # whether what `strop tune` remembered chose any of this
    sessions: int | None = 1  # as `strop.load` has it


class Model(Closing):
    """A variant opened on an engine; `strop.load` makes one.

    Any number of threads may call `predict` at once. If the engine takes one caller at a time, it
    is opened once more when callers meet, up to a limit; beyond it they take turns.

    A process that is forked off has the model too, and opens it again when it first predicts; a
    model on a GPU cannot be used after a fork. Pickle takes a model to another process, its file
    included.
    """

    def __init__(self, source: ModelSource, about: About, session: Session) -> None:
        self.name = about.name
        self.version = about.version
        self.engine = source.engine
        self.engine_version = about.engine_version
        # "cpu", or "gpu (NVIDIA H200, CUDA 12.8)": what really runs it, never just what was asked.
        device = source.device
        self.device = f"{device} ({session.adapter})" if session.adapter else device
        self.adapter = session.adapter  # the GPU, by its driver's name for it; "" on the CPU
        self.threads = source.threads
        self.tuned = about.tuned
        self.precision = source.variant.precision
        self.format = source.variant.format
        self.input = input = about.input
        self.output = output = about.output
        self.labels = output.labels or tuple(str(i) for i in range(output.shape[-1] or 0))
        self._source = source
        self._about = about
        self._opening = allocate_lock()
        self._closed = False
        self._largest = session.largest
        self._sample_shape = input.shape[1:]
        self._one_shape = (1, *self._sample_shape)
        # A dtype that needs no look at the values; real numbers may be infinite, or none.
        self._exact_dtype = None if input.dtype == "float32" else np.dtype(input.dtype)
        self._take(session)
        forks.follow(self)
        ending.follow(self)

    def _take(self, session: Session) -> None:
        """Run calls on this session, and on others like it if it takes one caller at a time."""
        self._held: Session | Pool | None
        # Bound once, so that a call looks nothing up.
        self._run: Callable[[NDArray[Any]], NDArray[Any]]
        # Of a pool, the session that is tried before all others, without a call of Python's.
        self._first: Slot | None = None
        session = self._fit(session)
        if session.thread_safe:
            self._held, self._run = session, session.run
        else:
            self._held = pool = Pool(session, self._another, self._about.sessions)
            self._first, self._run = pool.first, pool.run

    def _another(self) -> Session:
        return self._fit(self._source.open())

    def _fit(self, session: Session) -> Session:
        """Wrap a session, where needed, so that it takes everything that `predict` lets through."""
        if session.batch is None and self._exact_dtype is not None:
            return session
        from strop.engines.batches import InParts

        return InParts(session, self.input.dtype)

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the model.

        Args:
            inputs: a batch (N, ...) or one sample (...), of the dtype the manifest names. An MNIST
                model takes uint8 pixels 0..255, (N, 28, 28) or (28, 28), light digits on dark. A
                float model takes any real dtype, and only finite values.

        Returns:
            float32 (N, classes), a new array; N is 1 for one sample.

        Raises:
            InputError: the inputs have another shape or dtype, are an empty batch, or hold values
                that are not finite; all of this is checked before any sample is run. Or they are
                finite, and so large that the arithmetic of a float model overflows into NaN.
            StropError: the model is closed, or the engine failed.
        """
        # The case of a device first: one sample that is right already costs three comparisons, and
        # a batch two more.
        if (
            type(inputs) is not np.ndarray
            or inputs.dtype is not self._exact_dtype
            or (
                (shape := inputs.shape) != self._one_shape
                and (shape[1:] != self._sample_shape or not shape[0])
            )
        ):
            inputs = admit(inputs, self.input, self.name)
            if self._exact_dtype is None:
                return self._predict_floats(inputs)
        try:
            slot = self._first
            # The lock is looked at and then taken by `with`, never by `acquire`: an exception out
            # of a signal's handler can then not leave it taken. Who comes between the two waits.
            if slot is None or slot.lock.locked():
                return self._run(inputs)
            with slot.lock:
                return slot.run(inputs)
        except StropError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _predict_floats(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Predict real numbers; refuse NaN and infinity in the inputs, and NaN in the outputs.

        Args:
            inputs: (N, ...), of any real dtype.

        Returns:
            float32 (N, classes).

        Raises:
            InputError: an input is not finite, or an output is NaN.
            StropError: the engine failed.
        """
        for start in range(0, len(inputs), self._largest):  # a copy of all might not fit beside it
            finite(inputs[start : start + self._largest], self.input, self.name)
        try:
            outputs = self._run(inputs)
        except StropError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        if np.isnan(outputs).any():
            raise InputError(
                f"{self.name} gives NaN for values of up to {np.abs(inputs).max():.3g}: its "
                f"arithmetic overflows, or its file holds NaN; it takes {wanted(self.input)}",
                "give smaller values",
            )
        return outputs

    def _failure(self, error: Exception) -> StropError:
        """Give the error to raise for what an engine raised, which may be anything."""
        return StropError(
            f"{self.name}: engine {self.engine} {self.engine_version} failed while running "
            f"{self.precision}: {type(error).__name__}: {error}"
        )

    def classify(self, image: str | PathLike[str] | NDArray[Any]) -> Prediction:
        """Name the best class of one sample: an array, or the path of an image or .npy file.

        Image files are prepared as the manifest says (grey, size, polarity) and need the extra
        `[images]`.

        Args:
            image: one sample, (...) or (1, ...), of a dtype that `predict` takes; or a path.

        Raises:
            InputError: it is not one sample, or the file is no image.
            StropError: as `predict`; or Pillow is needed and absent.
        """
        if isinstance(image, str | PathLike):
            from strop.model.images import read_samples

            image = read_samples(image, self.input)
        outputs = self.predict(image)
        if len(outputs) != 1:
            raise InputError(f"classify takes one sample, got {len(outputs)}", "use predict")
        return self.prediction(outputs[0])

    def prediction(self, output: NDArray[np.float32]) -> Prediction:
        """Name the best class of one row of what `predict` returns.

        Args:
            output: float32 (classes,).

        Raises:
            InputError: it has another shape; models that do more than classify have only
                `predict`.
        """
        if output.shape != (len(self.labels),):
            raise InputError(
                f"{self.name} names one of {len(self.labels)} classes, and this output has shape "
                f"{output.shape}",
                "use predict",
            )
        from strop.model.prediction import Prediction  # an app waits for every import

        index = int(output.argmax())
        return Prediction(self.labels[index], float(output[index]), index, output)

    def close(self) -> None:
        """Release the engine. It may be called again, and from anywhere.

        Calls in flight end as usual, and the last of them releases the engine's memory; `close`
        does not wait for it. Later calls raise StropError.
        """
        self._closed = True
        self._run = self._refuse
        held, self._held = self._held, None
        if isinstance(held, Pool):
            held.close(self._refuse)
        elif held is not None:
            held.close()

    def after_fork(self) -> None:
        """Leave what is open to the parent; the next call opens the model again, in this process.

        Python calls it in a process that was forked off.
        """
        if self._closed:
            return
        forks.leave(self._held)
        self._held = self._first = None
        self._opening = allocate_lock()  # a thread that is not here may hold the other
        self._run = self._open_again

    def before_exit(self) -> None:
        """Answer no thread from now on but the one that ends the program."""
        if self._closed:
            return
        run, last = self._run, get_ident()

        def run_or_wait(samples: NDArray[Any]) -> NDArray[Any]:
            if get_ident() != last:
                ending.wait_for_it()
            return run(samples)

        self._first = None
        self._run = run_or_wait

    def is_busy(self) -> bool:
        """Tell whether a call is in flight, as far as it matters to the end of a program."""
        held = self._held
        return held is not None and held.is_busy()

    def _open_again(self, samples: NDArray[Any]) -> NDArray[Any]:
        with self._opening:
            if not self._closed and self._held is None:
                if self.adapter:
                    raise StropError(
                        f"{self.name} was opened on {self.device} before this process was forked "
                        "off, and a GPU does not follow",
                        "load it here, or start the process with multiprocessing's spawn",
                    )
                self._take(self._source.open())
                if self._closed:  # while it was opened
                    self.close()
        return self._run(samples)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._closed:
            self._refuse()
        return _open, (self._source, self._about)

    def __repr__(self) -> str:
        return (
            f"<strop.Model {self.name} v{self.version}: {self.precision} on {self.engine} "
            f"{self.engine_version}, {self.device}, threads={self.threads}"
            f"{', tuned' if self.tuned else ''}>"
        )

    def _refuse(self, *_: object) -> NoReturn:
        raise StropError(f"model {self.name} is closed", "load it again")


def _open(source: ModelSource, about: About) -> Model:
    """Open a model that came by pickle."""
    return Model(source, about, source.open())

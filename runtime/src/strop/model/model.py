"""The model an app holds: it checks the input, runs the engine, and names the output."""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident  # threading takes a millisecond to import
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from strop.bundle.structs import Struct
from strop.errors import InputError, StropError, let_handlers_raise, one_line
from strop.model import ending, forks
from strop.model.ending import Closing
from strop.model.inputs import admit, finite
from strop.model.pool import Pool, Slot

if TYPE_CHECKING:  # importing strop must cost an app next to nothing
    from collections.abc import Callable
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec, OutputSpec
    from strop.engines.base import Session
    from strop.model.source import ModelSource

# Dtypes whose every value a model takes as it is; real numbers may be infinite, or none, and
# large integers may make a model's arithmetic overflow.
_LONGEST = 300  # characters of what an engine said: LiteRT says all that it ever said again
_EXACT = ("uint8", "int8", "bool")


class About(Struct):
    """What is known of a model besides its file."""

    name: str
    version: int
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    engine_version: str
    structure: str = "one"  # of what `predict` returns, as the manifest has it
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
        self.inputs = about.inputs
        self.outputs = about.outputs
        self.structure = about.structure  # of what `predict` returns: "one", "list" or "dict"
        self.input = input = about.inputs[0]  # the first, which for most models is all there is
        self.output = about.outputs[0]
        self.labels = labels_of(self.output)
        self._source = source
        self._about = about
        self._opening = allocate_lock()
        self._closed = False
        self._largest = session.largest
        self._sample_shape = input.shape[1:]
        self._one_shape = (1, *self._sample_shape)
        plain = len(about.inputs) == len(about.outputs) == 1 and about.structure == "one"
        # What needs no look at the values, and no names: None where something does.
        exact = plain and input.dtype in _EXACT
        self._exact_dtype = np.dtype(input.dtype) if exact else None
        self._takes_floats = input.dtype == "float32"
        # A function, not a method of this model's: it would keep the model from going.
        self._predict_carefully = Model._predict_checked if plain else Model._predict_several
        self._take(session)
        forks.follow(self)
        ending.follow(self)

    def _take(self, session: Session) -> None:
        """Run calls on this session, and on others like it if it takes one caller at a time."""
        self._held: Session | Pool | None
        # Bound once, so that a call looks nothing up.
        self._run: Callable[[Any], Any]
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
        from strop.engines.batches import InParts, SeveralInParts

        if len(self.inputs) > 1:
            return SeveralInParts(session, [spec.dtype for spec in self.inputs])
        return InParts(session, self.input.dtype)

    def predict(self, inputs: Any) -> Any:
        """Run the model.

        Args:
            inputs: a batch (N, ...) or one sample (...), of the dtype the manifest names. An MNIST
                model takes uint8 pixels 0..255, (N, 28, 28) or (28, 28), light digits on dark. A
                float model takes any real dtype but integers, and only finite values; a model of
                int32 or int64 takes any integers that fit. For several inputs, an array for each:
                a list or tuple in the manifest's order, or a dict by name; all have the same N.

        Returns:
            What Keras returns, as `Model.structure` says: one array (N, ...); or a list of them, or
            a dict by name. Each is a new array, of most models float32 (N, classes); N is 1 for one
            sample.

        Raises:
            InputError: the inputs have another shape or dtype, are an empty batch, or hold values
                that are not finite; or one is missing or unknown; all of this is checked before any
                sample is run. Or they are finite, and so large that the model's arithmetic
                overflows into NaN.
            StropError: the model is closed, or the engine failed.
            Exception: what a signal handler of the app raised meanwhile, unchanged.
        """
        # The case of a device first: one sample that is right already costs three comparisons, and
        # a batch two more.
        try:
            if (
                type(inputs) is not np.ndarray
                or inputs.dtype is not self._exact_dtype
                or (
                    (shape := inputs.shape) != self._one_shape
                    and (shape[1:] != self._sample_shape or not shape[0])
                )
            ):
                if self._exact_dtype is None:
                    return self._predict_carefully(self, inputs)
                inputs = admit(inputs, self.input, self.name)
            slot = self._first
            # The lock is looked at and then taken by `with`, never by `acquire`: an exception out
            # of a signal's handler can then not leave it taken. Who comes between the two waits.
            if slot is None or slot.lock.locked():
                return self._run(inputs)
            with slot.lock:
                return slot.run(inputs)
        except Exception as error:
            let_handlers_raise(error, sys._getframe())
            if isinstance(error, StropError):
                raise
            raise self._failure(error) from error

    def _predict_checked(self, inputs: Any) -> Any:
        """Predict numbers; refuse NaN and infinity in the inputs, and NaN in the outputs.

        Args:
            inputs: as `predict` takes them, of a model with one input and one output.

        Returns:
            (N, ...).

        Raises:
            InputError: the model does not take it, or an output is NaN.
            Exception: what the engine raises.
        """
        inputs = admit(inputs, self.input, self.name)
        if self._takes_floats:
            # A copy of all might not fit beside it.
            for start in range(0, len(inputs), self._largest):
                finite(inputs[start : start + self._largest], self.input, self.name)
        outputs = self._run(inputs)
        if np.isnan(outputs).any():
            from strop.model.several import require_numbers

            require_numbers(outputs, self.outputs, inputs, self.inputs, self.name)
        return outputs

    def _predict_several(self, inputs: Any) -> Any:
        """Predict as `predict` does, of a model with several inputs or outputs, or names for them.

        Args:
            inputs: an array for each, by name or in the manifest's order.

        Returns:
            An array, a list or a dict, as the manifest's structure says.
        """
        from strop.model import several

        arrays = several.admit_all(inputs, self.inputs, self.name)
        several.require_finite(arrays, self.inputs, self.name, self._largest)
        outputs = self._run(arrays if len(arrays) > 1 else arrays[0])
        several.require_numbers(outputs, self.outputs, arrays, self.inputs, self.name)
        return several.shaped(outputs, self.outputs, self.structure)

    def _failure(self, error: Exception) -> StropError:
        """Give the error to raise for what an engine raised, which may be anything."""
        return StropError(
            f"{self.name}: engine {self.engine} {self.engine_version} failed while running "
            f"{self.precision}: {type(error).__name__}: {one_line(str(error))[-_LONGEST:]}"
        )

    def classify(self, image: str | PathLike[str] | Any, *, output: str | None = None) -> Any:
        """Name what one sample shows: an array, or the path of an image, .npy or .npz file.

        Image files are prepared as the manifest says and need the extra `[images]`.

        Args:
            image: one sample, (...) or (1, ...), of a dtype that `predict` takes; or a path. For
                several inputs, one sample of each, by name or in the manifest's order.
            output: the name of the output that counts; None: the only one that names something.

        Returns:
            A Prediction, the best class or the answer yes or no; of a model of many labels at once
            a LabelSet.

        Raises:
            InputError: it is not one sample, or the file is no image; or the output names nothing,
                as that of a regression, or it must be said which.
            StropError: as `predict`; or Pillow is needed and absent.
        """
        from strop.model.naming import choose_output, name_row  # an app waits for every import

        place = choose_output(self.outputs, output, self.name)
        if isinstance(image, str | PathLike):
            from strop.model.arrays import read_inputs

            try:
                image = read_inputs(image, self.inputs)
            except StropError as error:
                let_handlers_raise(error, sys._getframe())
                raise
        answers = self.predict(image)
        if self.structure != "one":
            from strop.model.several import in_order

            answers = in_order(answers, self.outputs, self.structure)[place]
        if len(answers) != 1:
            raise InputError(f"classify takes one sample, got {len(answers)}", "use predict")
        spec = self.outputs[place]
        return name_row(answers[0], spec, labels_of(spec), self.name)

    def prediction(self, output: NDArray[np.float32], name: str | None = None) -> Any:
        """Name what one row of what `predict` returns says, as `classify` does.

        Args:
            output: float32, one sample of an output: (classes,) of a classifier.
            name: of the output that it is of; None: the only one that names something.

        Raises:
            InputError: it has another shape, or that output names nothing.
        """
        from strop.model.naming import choose_output, name_row

        spec = self.outputs[choose_output(self.outputs, name, self.name)]
        return name_row(output, spec, labels_of(spec), self.name)

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

        def run_or_wait(samples: Any) -> Any:
            if get_ident() != last:
                ending.wait_for_it()
            return run(samples)

        self._first = None
        self._run = run_or_wait

    def is_busy(self) -> bool:
        """Tell whether a call is in flight, as far as it matters to the end of a program."""
        held = self._held
        return held is not None and held.is_busy()

    def _open_again(self, samples: Any) -> Any:
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


def labels_of(spec: OutputSpec) -> tuple[str, ...]:
    """Return an output's labels; where nobody named them, the numbers of its classes."""
    if spec.labels:
        return spec.labels
    last = spec.shape[-1] if len(spec.shape) > 1 else 1
    classes = 2 if last == 1 and spec.kind in ("binary", "segmentation") else last or 0
    return tuple(str(i) for i in range(classes))


def _open(source: ModelSource, about: About) -> Model:
    """Open a model that came by pickle."""
    return Model(source, about, source.open())

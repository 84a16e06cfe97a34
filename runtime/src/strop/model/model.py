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
    from types import FrameType
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from strop.bundle.counts import Counts
    from strop.bundle.manifest import InputSpec, OutputSpec
    from strop.engines.base import Session
    from strop.model.source import ModelSource

_LONGEST = 300  # characters of an engine's message: LiteRT repeats all its earlier ones
# Dtypes whose values need no check. Floats may be infinite or NaN, and large integers may make the
# model's arithmetic overflow.
_EXACT = ("uint8", "int8", "bool")


class About(Struct):
    """The facts about a model, apart from its file."""

    name: str
    version: int
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    engine_version: str
    structure: str = "one"  # of what `predict` returns, from the manifest
    tuned: bool = False  # whether the record of `strop tune` had a part in the choice
    sessions: int | None = 1  # as in `strop.load`


class Model(Closing):
    """A variant opened on an engine; `strop.load` makes one.

    Any number of threads may call `predict` at once. If the engine takes one caller at a time, the
    model opens more sessions when calls overlap, up to a limit; beyond it callers take turns.

    A forked child process has the model too, and opens it again on its first call; a model on a GPU
    cannot be used after a fork. A pickled model includes its file, so another process can load it.

    Attributes:
        name: the model's name.
        version: the model's version, an integer.
        engine: the engine that runs the model, such as "litert".
        engine_version: the release of the engine's package.
        device: the device that runs the model: "cpu", or "gpu (NVIDIA H200, CUDA 12.8)".
        adapter: the driver's name of the GPU; "" on the CPU.
        threads: the threads that the engine uses for one call.
        tuned: whether the result of `strop tune` had a part in the choice of the variant.
        precision: the precision of the variant, such as "int8".
        format: the format of the variant: "plan", "tflite", "onnx" or "weights".
        inputs: a description of each input: its `name`, `shape`, `dtype` and `range`. Axis 0 of a
            shape is the batch; None is any size.
        outputs: a description of each output: also its `kind`, `labels`, `logits` and `threshold`.
        structure: the structure that `predict` returns: "one" array, a "list" or a "dict".
        input: the first of `inputs`; most models have one.
        output: the first of `outputs`.
        labels: the labels of `output`; without any, the numbers of its classes.
    """

    def __init__(self, source: ModelSource, about: About, session: Session) -> None:
        self.name = about.name
        self.version = about.version
        self.engine = source.engine
        self.engine_version = about.engine_version
        device = source.device
        self.device = f"{device} ({session.adapter})" if session.adapter else device
        self.adapter = session.adapter
        self.threads = source.threads
        self.tuned = about.tuned
        self.precision = source.variant.precision
        self.format = source.variant.format
        self.inputs = about.inputs
        self.outputs = about.outputs
        self.structure = about.structure
        self.input = input = about.inputs[0]
        self.output = about.outputs[0]
        self.labels = labels_of(self.output)
        self._source = source
        self._about = about
        self._opening = allocate_lock()
        self._closed = False
        self._largest = session.largest
        self._sample_shape = input.shape[1:]
        self._one_shape = (1, *self._sample_shape)
        self._is_plain = plain = (
            len(about.inputs) == len(about.outputs) == 1 and about.structure == "one"
        )
        # The dtype of inputs that need no check of their values; None where they need one.
        exact = plain and input.dtype in _EXACT
        self._exact_dtype = np.dtype(input.dtype) if exact else None
        self._takes_floats = input.dtype == "float32"
        # A function: a bound method would be a cycle that keeps the model alive.
        self._predict_carefully = Model._predict_checked if plain else Model._predict_several
        self._take(session)
        forks.follow(self)
        ending.follow(self)

    def _take(self, session: Session) -> None:
        """Run calls on this session; on a pool of them if it takes one caller at a time."""
        self._held: Session | Pool | None
        # Bound once, to save each call the lookup.
        self._run: Callable[[Any], Any]
        # The pool's first session: a call tries it before it asks the pool.
        self._first: Slot | None = None
        # The engine's own call for valid inputs, if it has one; it does the checks as well, for the
        # dtype that the file takes.
        self._checked: Callable[[Any], Any] | None
        same = self._is_plain and self._source.variant.inputs[0].dtype == self.input.dtype
        self._checked = getattr(session, "checked", None) if same else None
        session = self._fit(session)
        if session.thread_safe:
            self._held, self._run = session, session.run
        else:
            self._held = pool = Pool(session, self._another, self._about.sessions)
            self._first, self._run = pool.first, pool.run

    def _another(self) -> Session:
        return self._fit(self._source.open())

    def _fit(self, session: Session) -> Session:
        """Wrap a session, where needed, so that it takes all that `predict` admits."""
        if session.batch is None and self._exact_dtype is not None:
            return session
        from strop.engines.batches import InParts, SeveralInParts

        if len(self.inputs) > 1:
            return SeveralInParts(session, [spec.dtype for spec in self.inputs])
        return InParts(session, self.input.dtype)

    def predict(self, inputs: Any) -> Any:
        """Run the model.

        Args:
            inputs: a batch (N, ...) or one sample (...), of the manifest's dtype. An MNIST model
                takes uint8 pixels 0..255, (N, 28, 28) or (28, 28), light digits on dark. A float
                model takes any real dtype but integers, and only finite values. A model of int32 or
                int64 takes any integers that fit. For several inputs, give an array for each: a
                list or tuple in the manifest's order, or a dict by name. All have the same N.

        Returns:
            The outputs in Keras's structure, which `Model.structure` names: one array (N, ...), a
            list of them, or a dict by name. Each is a new array, of most models float32
            (N, classes); N is 1 for one sample.

        Raises:
            InputError: the inputs have another shape or dtype, are an empty batch, or hold values
                that are not finite; or one is missing or unknown. All of this is checked before any
                sample is run. Or the values are finite, but so large that the model's arithmetic
                overflows to NaN.
            StropError: the model is closed, or the engine failed.
            Exception: a signal handler of the app raised it meanwhile.
        """
        # The common case first: one valid sample costs three comparisons, a batch two more.
        try:
            if (checked := self._checked) is not None and (answer := checked(inputs)) is not None:
                return answer
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
            # `with` takes the lock, never `acquire`: an exception from a signal handler then cannot
            # leave it locked. A call that gets in between waits.
            if slot is None or slot.lock.locked():
                return self._run(inputs)
            with slot.lock:
                return slot.run(inputs)
        except Exception as error:  # noqa: BLE001  it is raised again
            self._fail(error, sys._getframe())

    def _predict_checked(self, inputs: Any) -> Any:
        """Predict; refuse NaN and infinity in the inputs, and NaN in the outputs.

        Args:
            inputs: as `predict` takes them, of a model with one input and one output.

        Returns:
            (N, ...).

        Raises:
            InputError: the model does not take these inputs, or an output is NaN.
            Exception: what the engine raises.
        """
        inputs = admit(inputs, self.input, self.name)
        if self._takes_floats:
            # In parts: a copy of the whole batch might not fit in memory.
            for start in range(0, len(inputs), self._largest):
                finite(inputs[start : start + self._largest], self.input, self.name)
        outputs = self._run(inputs)
        if np.isnan(outputs).any():
            from strop.model.several import require_numbers

            require_numbers(outputs, self.outputs, inputs, self.inputs, self.name)
        return outputs

    def _predict_several(self, inputs: Any) -> Any:
        """Predict with a model that has several inputs or outputs, or returns them by name.

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

    def _fail(self, error: Exception, below: FrameType) -> NoReturn:
        """Raise the error of a call that failed.

        Args:
            error: what was caught: an error of ours, or of an engine.
            below: the frame of the call.

        Raises:
            StropError: an error of ours as it is; what an engine raised as the cause of a new one.
            Exception: what a signal handler of the app raised meanwhile.
        """
        let_handlers_raise(error, below)
        if isinstance(error, StropError):
            raise error
        raise StropError(
            f"{self.name}: engine {self.engine} {self.engine_version} failed while running "
            f"{self.precision}: {type(error).__name__}: {one_line(str(error))[-_LONGEST:]}"
        ) from error

    def classify(self, image: str | PathLike[str] | Any, *, output: str | None = None) -> Any:
        """Name the class or labels of one sample: an array, a file or a picture.

        Pictures are prepared as the manifest says and need the extra `[images]`.

        Args:
            image: one sample, (...) or (1, ...), of a dtype that `predict` takes; the path of a
                picture, .npy or .npz file; or a picture: the bytes of its file, an open binary
                file, or a Pillow image. For several inputs, one sample of each, by name or in the
                manifest's order.
            output: the name of the output to read; None: the only one with classes or labels.

        Returns:
            A Prediction, the best class or the answer yes or no; a LabelSet if the output affirms
            any number of labels.

        Raises:
            InputError: `image` is not one sample, or not a picture; or the output has no classes or
                labels, like a regression; or several outputs have, and `output` names none of them.
            BlankPicture: the picture shows nothing.
            StropError: Pillow is needed and absent; or the model is closed, or the engine failed.
        """
        from strop.model.naming import choose_output, name_row  # an app waits for every import

        place = choose_output(self.outputs, output, self.name)
        if not isinstance(image, np.ndarray):
            from strop.model.given import as_inputs

            try:
                image = as_inputs(image, self.inputs)
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
        """Name the class or labels of one row of what `predict` returns, as `classify` does.

        Args:
            output: float32, one sample of an output: (classes,) of a classifier.
            name: the name of that output; None: the only one with classes or labels.

        Returns:
            A Prediction or a LabelSet, as `classify` returns it.

        Raises:
            InputError: the output has no classes or labels; or the row has another type, shape or
                range than the output, or holds NaN.
        """
        from strop.model.naming import admit_row, choose_output, name_row

        spec = self.outputs[choose_output(self.outputs, name, self.name)]
        row = admit_row(output, spec, self.name)
        return name_row(row, spec, labels_of(spec), self.name)

    def counts(self) -> Counts:
        """Return what the model has met and answered since it was loaded, in bins.

        The model counts if it was loaded with `count_every`. Counts of a closed model stay.

        Returns:
            The counts, which `Counts.save` writes to a file.

        Raises:
            StropError: the model does not count; or counting failed, of which a StropWarning said
                why.
        """
        raise StropError(f"{self.name} does not count", "load it with count_every=1000")

    def close(self) -> None:
        """Release the engine; any thread may call it, any number of times.

        Calls in flight end as usual, and the last one releases the engine's memory; `close` does
        not wait for them. Later calls raise StropError.
        """
        self._closed = True
        self._run, self._checked = self._refuse, None
        held, self._held = self._held, None
        if isinstance(held, Pool):
            held.close(self._refuse)
        elif held is not None:
            held.close()

    def after_fork(self) -> None:
        """Leave the open sessions to the parent; the next call opens the model again here.

        Python calls it in a forked child process.
        """
        if self._closed:
            return
        forks.leave(self._held)
        self._held = self._first = self._checked = None
        self._opening = allocate_lock()  # a thread of the parent may hold the old one
        self._run = self._open_again

    def before_exit(self) -> None:
        """Answer only the thread that ends the program from now on."""
        if self._closed:
            return
        run, last = self._run, get_ident()

        def run_or_wait(samples: Any) -> Any:
            if get_ident() != last:
                ending.wait_for_it()
            return run(samples)

        self._first = self._checked = None
        self._run = run_or_wait

    def is_busy(self) -> bool:
        """Return whether a call is in flight that the end of the program must wait for."""
        held = self._held
        return held is not None and held.is_busy()

    def _open_again(self, samples: Any) -> Any:
        with self._opening:
            if not self._closed and self._held is None:
                if self.adapter:
                    raise StropError(
                        f"{self.name} was opened on {self.device} before this process was forked, "
                        "and a GPU session cannot be used after a fork",
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
    """Return an output's labels; without any, the numbers of its classes."""
    if spec.labels:
        return spec.labels
    last = spec.shape[-1] if len(spec.shape) > 1 else 1
    classes = 2 if last == 1 and spec.kind in ("binary", "segmentation") else last or 0
    return tuple(str(i) for i in range(classes))


def _open(source: ModelSource, about: About) -> Model:
    """Open an unpickled model."""
    return Model(source, about, source.open())

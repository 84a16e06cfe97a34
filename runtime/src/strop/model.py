"""The model an app holds: checks what goes in, runs the engine, names what comes out."""

from __future__ import annotations

from _thread import allocate_lock  # threading takes a millisecond to import
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from strop.errors import InputError, StropError

if TYPE_CHECKING:  # importing strop must cost an app next to nothing
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from strop.engines.base import Session
    from strop.manifest import TensorSpec, Variant


class Prediction(NamedTuple):
    """The best class of one sample."""

    label: str
    probability: float  # the model's output for that class; 0..1 for sigmoid and softmax heads
    class_index: int
    probabilities: NDArray[np.float32]  # (classes,), all of them, in the order of `Model.labels`


class Model:
    """A variant opened on an engine; `strop.load` makes one.

    `predict` may be called from any number of threads at once. Sessions that are not thread-safe
    take turns behind a lock.
    """

    def __init__(
        self,
        session: Session,
        variant: Variant,
        *,
        input: TensorSpec,
        output: TensorSpec,
        name: str,
        version: int,
        engine: str,
        engine_version: str,
        device: str,
        threads: int,
        tuned: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.engine = engine
        self.engine_version = engine_version
        # "cpu", or "gpu (NVIDIA H200, CUDA 12.8)": what really runs it, never just what was asked.
        self.device = f"{device} ({session.adapter})" if session.adapter else device
        self.adapter = session.adapter  # the GPU, by its driver's name for it; "" on the CPU
        self.threads = threads
        self.tuned = tuned  # whether what `strop tune` remembered chose any of this
        self.precision = variant.precision
        self.format = variant.format
        self.input = input
        self.output = output
        self.labels = output.labels or tuple(str(i) for i in range(output.shape[-1] or 0))
        self._session: Session | None = session
        self._lock = allocate_lock()
        # Bound once, so that a call looks nothing up.
        self._run: Callable[[NDArray[Any]], NDArray[Any]] = session.run
        self._takes_turns = not session.thread_safe
        self._one_by_one = session.batch == 1
        self._sample_shape = input.shape[1:]
        self._one_shape = (1, *self._sample_shape)
        self._dtype = np.dtype(input.dtype)  # what the app gives
        self._may_be_infinite = self._dtype.kind == "f"
        # A dtype that needs no look at the values; None is none.
        self._exact_dtype = None if self._may_be_infinite else self._dtype

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the model.

        Args:
            inputs: (N, ...) or one sample (...), of the dtype the manifest names; an MNIST model
                takes uint8 pixels 0..255, (N, 28, 28) or (28, 28), light digits on dark. A float
                model takes any real dtype, and only finite values.

        Returns:
            float32 (N, classes), a new array; N is 1 for one sample.

        Raises:
            InputError: another shape or dtype, an empty batch, or values that are not finite.
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
            inputs = self._admit(inputs)
        if self._one_by_one and len(inputs) > 1:
            return np.concatenate([self.predict(sample[np.newaxis]) for sample in inputs])
        try:
            if self._takes_turns:
                with self._lock:
                    return self._run(inputs)
            return self._run(inputs)
        except StropError:
            raise
        except Exception as error:  # an engine may raise anything
            raise StropError(
                f"{self.name}: engine {self.engine} {self.engine_version} failed while running "
                f"{self.precision}: {type(error).__name__}: {error}"
            ) from error

    def classify(self, image: str | PathLike[str] | NDArray[Any]) -> Prediction:
        """Name the best class of one sample: an array, or the path of an image or .npy file.

        Image files are prepared as the manifest says (grey, size, polarity) and need the extra
        `[images]`.

        Raises:
            InputError: not one sample, or a file that is no image.
            StropError: as `predict`; or Pillow is needed and absent.
        """
        if isinstance(image, str | PathLike):
            from strop.images import read_samples

            image = read_samples(image, self.input)
        outputs = self.predict(image)
        if len(outputs) != 1:
            raise InputError(f"classify takes one sample, got {len(outputs)}; use predict")
        return self.prediction(outputs[0])

    def prediction(self, output: NDArray[np.float32]) -> Prediction:
        """Name the best class of one row of `predict`'s output, float32 (classes,).

        Raises:
            InputError: it is not that; models that do more than classify have only `predict`.
        """
        if output.shape != (len(self.labels),):
            raise InputError(
                f"{self.name} names one of {len(self.labels)} classes, and this output has shape "
                f"{output.shape}; use predict"
            )
        index = int(output.argmax())
        return Prediction(self.labels[index], float(output[index]), index, output)

    def close(self) -> None:
        """Let go of the engine: calls in flight finish, later ones raise. May be called again."""
        with self._lock:
            session, self._session = self._session, None
            self._run = self._refuse
        if session is not None:
            session.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<strop.Model {self.name} v{self.version}: {self.precision} on {self.engine} "
            f"{self.engine_version}, {self.device}, threads={self.threads}"
            f"{', tuned' if self.tuned else ''}>"
        )

    def _refuse(self, samples: NDArray[Any]) -> NDArray[Any]:
        raise StropError(f"model {self.name} is closed; load it again")

    def _admit(self, inputs: Any) -> NDArray[Any]:
        """A batch of the dtype the manifest names, made from what loses nothing in the making."""
        try:
            array = np.asarray(inputs)
        except (ValueError, TypeError, OverflowError) as error:  # a ragged list, say
            raise InputError(f"{self.name} takes {self._wanted()}; {error}") from None
        if array.dtype != self._dtype and not (
            self._dtype.kind == "f" and array.dtype.kind in "fiu"
        ):
            raise InputError(
                f"{self.name} takes {self._wanted()}; got {array.dtype} {array.shape}"
                + self._hint(array)
            )
        if array.shape == self._sample_shape:
            array = array[np.newaxis]
        elif array.shape[1:] != self._sample_shape or not len(array):
            empty = array.shape[1:] == self._sample_shape
            found = "an empty batch" if empty else f"shape {array.shape}"
            raise InputError(f"{self.name} takes {self._wanted()}; got {found}")
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused
            array = array.astype(self._dtype, copy=False)
        if self._may_be_infinite and not np.isfinite(array).all():
            raise InputError(f"{self.name} takes finite values; got NaN or infinity")
        return array

    def _wanted(self) -> str:
        sample = ", ".join(str(size) for size in self._sample_shape)
        low, high = self.input.range or ("any", "any")
        return f"{self._dtype} ({low}..{high}) of shape (N, {sample}) or ({sample})"

    def _hint(self, array: NDArray[Any]) -> str:
        """The likely mistake behind a wrong dtype."""
        if self._dtype != np.uint8 or array.dtype.kind not in "fiu" or not array.size:
            return ""
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return " with values that are not finite"
        if array.dtype.kind == "f" and array.max() <= 1:
            return " in 0..1: give raw pixels, (x * 255).round().astype(np.uint8)"
        return ": give raw pixels, x.astype(np.uint8)"

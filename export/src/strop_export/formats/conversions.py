"""All conversions of one model, which share what is expensive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import CalibrationError, ConversionError
from strop_export.formats.base import Converted, Names, Ranked, VariantSpec
from strop_export.formats.quiet import quiet
from strop_export.formats.reasons import reason
from strop_export.formats.samples import fault

if TYPE_CHECKING:
    import keras

    from strop_export.formats.onnx import Onnx
    from strop_export.formats.tflite import TFLite

_T = TypeVar("_T")


class Conversions:
    """The conversions of a Keras model.

    The same arguments give the same bytes, in any process and any order.

    Args:
        model: its inputs and outputs have fixed shapes, except for the batch.
        calibration: for each input, samples as the device's sensor gives them, (N, *input).
            Quantized files take their ranges from these samples alone, and their input is uint8 if
            the samples are uint8.
        names: the names of the file's inputs and outputs.
        held_out: samples like `calibration`, which say how good a file is; by default
            `calibration`.
        unseen: the number of samples at the start of `held_out` that do not calibrate; by default
            all.

    Raises:
        CalibrationError: the samples do not fit the model.
        ConversionError: the model's inputs or outputs have free axes.
    """

    def __init__(
        self,
        model: keras.Model,
        calibration: Sequence[np.ndarray],
        names: Names | None = None,
        held_out: Sequence[np.ndarray] | None = None,
        unseen: int | None = None,
    ) -> None:
        with quiet():  # importing TensorFlow is as noisy as using it
            from strop_export.formats.byte_inputs import with_float_inputs
            from strop_export.formats.graph import check_borders

        check_borders(model)
        try:
            with quiet():
                self.model = with_float_inputs(model)
        except Exception as error:
            raise ConversionError(
                f"the model's layers cannot be called again: {reason(error, model)}"
            ) from error
        self.calibration = calibration
        self.names = names or Names()
        self.held_out = calibration if held_out is None else held_out
        self.unseen = [array[:unseen] for array in self.held_out]
        for samples in (self.calibration, self.held_out):
            for tensor, array in zip(model.inputs, samples, strict=True):
                if wrong := fault(array, tuple(tensor.shape[1:])):
                    raise CalibrationError(*wrong).within("calibration samples")
        self._files: dict[VariantSpec, Converted] = {}

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model to the format and precision of `spec`.

        Raises:
            ConversionError: the model cannot be written in this format and precision.
        """
        if spec not in self._files:
            self._files[spec] = self._try(spec, lambda: self._convert(spec))
        return self._files[spec]

    def twin(self, spec: VariantSpec) -> Converted:
        """Write the graph of a file in float32: its float twin.

        Raises:
            ConversionError: the model cannot be written in this format.
        """
        return self._try(spec, lambda: self._of(spec.format).convert(spec, as_float=True))

    def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
        """Run the file of `spec` over the held-out samples, on LiteRT or onnxruntime.

        Returns:
            For each output, (N, *output).

        Raises:
            ConversionError: the file cannot be written or run, or its format has no engine here.
        """
        from strop_export.formats.trial import run

        file = self.convert(spec)
        return self._try(spec, lambda: run(file, spec.format, self.held_out))

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        """Return the layers of a quantized file, those first that lose most in integers.

        Args:
            spec: an int8 or mixed file; its `float_layers` do not count.

        Raises:
            ConversionError: the file is of another precision, or cannot be written or run.
        """
        from strop_export.formats.ranking import rank

        if spec.precision not in ("int8", "mixed"):
            raise ConversionError(
                f"layers are ranked for int8 and mixed files, not for {spec.precision}"
            )
        made = self._try(spec, lambda: self._of(spec.format))
        return self._try(spec, lambda: rank(made, spec, self.model, self.held_out))

    def _try(self, spec: VariantSpec, act: Callable[[], _T]) -> _T:
        try:
            with quiet():
                return act()
        except ConversionError:
            raise
        except Exception as error:
            raise ConversionError(
                f"the model cannot be written as {spec.precision} {spec.format}: "
                f"{reason(error, self.model)}"
            ) from error

    def _convert(self, spec: VariantSpec) -> Converted:
        if spec.format == "weights":
            from strop_export.formats.weights import convert_weights

            return convert_weights(self.model, self.names)
        if spec.format == "plan":
            from strop_export.formats.layers import last_layers
            from strop_export.formats.plan_tflite import convert_plan

            file = self.convert(spec.source)
            takes_bytes = [samples.dtype == np.uint8 for samples in self.calibration]
            return convert_plan(file, last_layers(self.model), spec.rounding, takes_bytes)
        file = self._of(spec.format).convert(spec)
        if spec.precision == "mixed" and file.integer_share == 0:
            raise ConversionError(
                f"no layer of the mixed {spec.format} file multiplies integers",
                "leave fewer layers in float",
            )
        return file

    def _of(self, format: str) -> TFLite | Onnx:
        if format not in ("tflite", "onnx"):
            raise ConversionError(
                f"a {format} file has no float twin and no ranking of layers",
                "choose tflite or onnx",
            )
        return self._tflite if format == "tflite" else self._onnx

    @cached_property
    def _tflite(self) -> TFLite:
        from strop_export.formats.tflite import TFLite

        return TFLite(self.model, self.calibration, self.names, self._equalizer)

    @cached_property
    def _onnx(self) -> Onnx:
        from strop_export.formats.onnx import Onnx

        return Onnx(self.model, self.calibration, self.names, self._equalizer)

    @cached_property
    def _equalizer(self) -> Any:
        from strop_export.formats.equalize import Equalizer

        return Equalizer(self.model, self.calibration)

"""The errors of a file that a Keras model was converted to, measured where the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import ConversionError
from strop_export.formats import Conversions, Converted, Names, VariantSpec, quiet
from strop_export.formats.layers import innermost_layer
from strop_export.layer_errors.matching import Files
from strop_export.layer_errors.measure import TensorError, measure, opened

if TYPE_CHECKING:
    import keras

_MOST_SAMPLES: Final = 64


def layer_errors(made: Conversions, spec: VariantSpec) -> tuple[TensorError, ...]:
    """Measure the error that each tensor of a file has against its float twin.

    The samples are held-out ones: those that calibrate would show no value outside of a range.

    Args:
        made: the conversions of a model.
        spec: the file.

    Raises:
        ConversionError: the file or its float twin cannot be made or run.
    """
    file, twin = made.convert(spec), made.twin(spec)
    return errors_of(made.model, spec, file, twin, made.unseen, made.names)


def errors_of(
    model: keras.Model,
    spec: VariantSpec,
    converted: Converted,
    twin: Converted,
    samples: Sequence[NDArray[Any]],
    names: Names,
) -> tuple[TensorError, ...]:
    """Measure the error of each tensor of a file.

    Args:
        model: the Keras model.
        spec: the format and precision of the file.
        converted: the file.
        twin: its float twin.
        samples: (N, *input) for each input; at most 64, spread evenly, are used.
        names: the names of the file's inputs and outputs.

    Raises:
        ConversionError: the file or its float twin cannot be run.
    """
    titles = (*names.inputs, *names.outputs)
    layers = map(innermost_layer, (*model.inputs, *model.outputs))
    count = len(samples[0])
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_SAMPLES)).astype(int))
    try:
        with quiet():
            return measure(
                Files(
                    opened(converted, spec.format),
                    opened(twin, spec.format),
                    converted.origins,
                    twin.origins,
                ),
                [[array[i] for array in samples] for i in chosen],
                dict(zip(titles, layers, strict=True)),
            )
    except Exception as error:
        raise ConversionError(
            f"the error of each tensor of {spec.format} {spec.precision} cannot be measured: "
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        ) from error

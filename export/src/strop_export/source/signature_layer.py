"""A signature of a SavedModel as a Keras model, which calls the signature itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from strop_export.source.files import Loading
from strop_export.source.functional import AUTOMATIC, fixed
from strop_export.source.saved_model import Signature


class SignatureLayer(keras.layers.Layer):  # type: ignore[misc]
    """A layer that calls a signature with lists, in the order of its names.

    Attributes:
        heads: the activation that makes each output; see `kinds.activation`.
    """

    def __init__(self, path: str, signature: Signature) -> None:
        super().__init__(name="signature", trainable=False, autocast=False)
        self._saved = tf.saved_model.load(path)  # kept: it owns the variables
        self._signature = signature
        self._function = self._saved.signatures[signature.name]
        self._sizes: list[tuple[int, ...]] = []
        self.heads = signature.heads

    def probe(self, samples: Sequence[NDArray[Any]]) -> None:
        """Find the sizes of the outputs, which the signature may leave open.

        Args:
            samples: (1, ...) for each input.
        """
        answers = self.call([tf.constant(each) for each in samples])
        self._sizes = [tuple(answer.shape[1:]) for answer in answers]

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Call the signature."""
        names = [each.name for each in self._signature.inputs]
        answers = self._function(**dict(zip(names, inputs, strict=True)))
        given = [answers[each.name] for each in self._signature.outputs]
        if tf.executing_eagerly():
            return given
        given = [tf.identity(answer) for answer in given]
        for answer, sizes in zip(given, self._sizes, strict=True):
            answer.set_shape((None, *sizes))
        return given


def model(
    loading: Loading, signature: Signature, samples: Mapping[str, NDArray[Any]]
) -> keras.Model:
    """Load a SavedModel as a Keras model of fixed sizes, except for the batch.

    Args:
        loading: the folder, checked by `saved_model.check`, and the shapes that are given.
        signature: from `saved_model.check`.
        samples: (N, ...) by input name; they set free sizes.

    Raises:
        SourceError: the shapes that are given do not fit.
    """
    layer = SignatureLayer(str(loading.path), signature)
    alone = len(signature.inputs) == 1
    inputs, probes = {}, []
    for each in signature.inputs:
        known = "" if alone and AUTOMATIC.fullmatch(each.name) else each.name
        shape = fixed(each, known, loading, samples)
        inputs[each.name] = keras.Input(shape, dtype=each.dtype, name=each.name)
        probes.append(np.zeros((1, *shape), each.dtype))
    layer.probe(probes)
    answers = dict(
        zip([each.name for each in signature.outputs], layer(list(inputs.values())), strict=True)
    )
    return keras.Model(
        next(iter(inputs.values())) if alone else inputs,
        next(iter(answers.values())) if len(answers) == 1 else answers,
    )

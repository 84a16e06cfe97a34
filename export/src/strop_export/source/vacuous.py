"""The refusal of proofs that could not fail: the model is constant, or no better than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.errors import SourceError
from strop_export.figures import auc, decisions
from strop_export.rules import paired_loss
from strop_export.source import keras_model

if TYPE_CHECKING:
    import keras

_SCALING = ("Rescaling", "Normalization", "BatchNormalization", "LayerNormalization")
_WAYS = {"x / 255": (1 / 255, 0.0), "x / 127.5 - 1": (1 / 127.5, -1.0)}


def refuse(
    outputs: Sequence[OutputSpec],
    answers: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[Any] | None],
    model: str,
) -> None:
    """Refuse a model whose outputs say nothing: any file would agree with it.

    Args:
        outputs: the model's outputs.
        answers: Keras's answers, (N, ...) each.
        labels: the truth, or None, for each.
        model: the model's file, for messages.

    Raises:
        SourceError: an output never varies, or is no better than chance.
    """
    for spec, keras, known in zip(outputs, answers, labels, strict=True):
        what = f"{model}, output {spec.name!r}" if len(outputs) > 1 else model
        if not np.isfinite(keras).all():
            raise SourceError(f"{what} gives NaN or infinity for the samples", "train it again")
        if np.ptp(keras.astype(np.float64), axis=0).max(initial=0.0) == 0:
            raise SourceError(
                f"{what} gives the same outputs for all {len(keras)} samples: no comparison with "
                "it could fail",
                "train it, or give samples that differ",
            )
        if known is None:
            continue
        if spec.kind == "class":
            accuracy = float((decisions(spec, keras) == known).mean())
            chance = 1 / keras.shape[-1]
            if accuracy <= chance:
                raise SourceError(
                    f"{what} has an accuracy of {accuracy:.4f} on the labels given, not above "
                    f"chance ({chance:.4f})",
                    "train it, or check the labels and the scale of the samples",
                )
        elif spec.kind in ("binary", "multilabel"):
            area = auc(keras, known)
            if area is not None and area <= 0.5:
                raise SourceError(
                    f"{what} has an AUC of {area:.4f} on the labels given, not above chance (0.5)",
                    "train it, or check the labels and the scale of the samples",
                )


def check_scaling(
    model: keras.Model,
    names: Sequence[str],
    samples: Sequence[NDArray[Any]],
    outputs: Sequence[OutputSpec],
    answers: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[Any] | None],
) -> tuple[str, ...]:
    """Look for a model that was trained on scaled pixels and is given bytes.

    Args:
        model: a model that takes and returns lists.
        names: the names of its inputs.
        samples: the samples that judge it, (N, ...) for each input.
        outputs: the model's outputs.
        answers: Keras's answers, (N, ...) each.
        labels: the truth, or None, for each.

    Returns:
        Notes for the user.

    Raises:
        SourceError: with labels, the model is clearly better on scaled samples.
    """
    own = [i for i, array in enumerate(samples) if array.dtype == np.uint8]
    layers = {type(layer).__name__ for layer in model._flatten_layers(include_self=False)}
    if not own or layers & set(_SCALING[:2]) or "float" not in model.inputs[own[0]].dtype:
        return ()
    name = names[own[0]]
    for i, (spec, known) in enumerate(zip(outputs, labels, strict=True)):
        if known is None or spec.kind not in ("class", "binary"):
            continue
        right = decisions(spec, answers[i]) == known
        for way, (scale, offset) in _WAYS.items():
            scaled = [
                array.astype(np.float32) * scale + offset if k in own else array
                for k, array in enumerate(samples)
            ]
            better = decisions(spec, keras_model.predict(model, scaled)[i]) == known
            if paired_loss(better, right).low > 0:
                raise SourceError(
                    f"input {name!r} has bytes, 0..255, and the model needs {way}: its accuracy "
                    f"is {right.mean():.4f} on bytes and {better.mean():.4f} on these",
                    "put a keras.layers.Rescaling first into the model, or give float32 samples "
                    "scaled as in training",
                )
    if layers & {*_SCALING, "SignatureLayer"}:  # a signature may scale inside
        return ()
    return (
        f"input {name!r} is given bytes, 0..255, and no layer scales them: if the model was "
        "trained on 0..1, put keras.layers.Rescaling(1 / 255) first",
    )

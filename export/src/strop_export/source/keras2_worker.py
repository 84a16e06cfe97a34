"""`python -m strop_export.source.keras2_worker FOLDER`: run a model of Keras 2 with tf-keras.

The folder has request.json and, in samples/, an .npz for each set of samples. This writes
model.json (the config, and where each layer's weights are), weights.npz, and answers/, an .npz of
the same name for each set; or error.json, if tf-keras cannot load or run the model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from strop.model.arrays import npz
from strop_export.errors import SourceError, reason
from strop_export.source import batches, mixed_precision
from strop_export.source.arrays import read_arrays
from strop_export.source.leaves import leaves


def main(folder: Path) -> None:
    """Do what the folder asks."""
    try:
        import tf_keras

        request = json.loads((folder / "request.json").read_text(encoding="ascii"))
        # tf-keras takes `safe_mode` for a ZIP alone; the config of the file was checked before.
        safe = {"safe_mode": not request["trust"]}
        model = mixed = tf_keras.models.load_model(
            request["path"], compile=False, **({} if request["is_hdf5"] else safe)
        )
        dtype = mixed_precision.computes_in(model)
        if dtype != "float32":
            model = mixed_precision.in_float32(mixed, tf_keras, **safe)
        saved = {"model": tf_keras.saving.serialize_keras_object(model), "weights": {}}
        arrays: dict[str, NDArray[Any]] = {}
        for name, layer in leaves(model):
            own = layer.get_weights()
            saved["weights"][name] = [f"{len(arrays) + i:06}" for i in range(len(own))]
            arrays |= dict(zip(saved["weights"][name], own, strict=True))
        (folder / "weights.npz").write_bytes(npz(arrays))
        (folder / "model.json").write_text(json.dumps(saved), encoding="ascii")
        for file in sorted((folder / "samples").iterdir()):
            samples = read_arrays(file)
            if model is not mixed:
                few = {name: array[: batches.FEW] for name, array in samples.items()}
                before, after = (list(_run(each, few).values()) for each in (mixed, model))
                mixed_precision.check(before, after, dtype)
            (folder / "answers" / file.name).write_bytes(npz(_run(model, samples)))
    except SourceError as error:
        _write_error(folder, error.problem)
    except Exception as error:  # noqa: BLE001  hostile files make Keras raise anything
        _write_error(folder, reason(error))


def _write_error(folder: Path, problem: str) -> None:
    (folder / "error.json").write_text(json.dumps(problem), encoding="ascii")


def _run(model: Any, samples: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the answers to samples, by their numbers in the order in which Keras flattens them."""
    import tensorflow as tf

    arrays = arranged(samples, model.input, model.input_names)
    tensors = tf.nest.flatten(model.input)
    arrays = [a.astype(t.dtype.as_numpy_dtype) for a, t in zip(arrays, tensors, strict=True)]

    def call(batch: list[NDArray[Any]]) -> list[Any]:
        answer = model(tf.nest.pack_sequence_as(model.input, batch), training=False)
        answers: list[Any] = tf.nest.flatten(answer)
        return answers

    return {f"{i:03}": answer for i, answer in enumerate(batches.run(call, arrays))}


def arranged(
    samples: Mapping[str, NDArray[Any]], own: Any, layers: list[str]
) -> list[NDArray[Any]]:
    """Return samples in the order in which TensorFlow flattens a model's input.

    Args:
        samples: (N, ...) by name; a single one may have any name.
        own: the model's input: a tensor, a list or a dict.
        layers: the names of its input layers.

    Raises:
        SourceError: the model has other inputs.
    """
    names = sorted(own) if isinstance(own, dict) else layers
    if len(names) == len(samples) == 1:
        return list(samples.values())
    if not set(names) <= samples.keys():
        raise SourceError(
            f"the model's inputs are {', '.join(names)}, and the samples are of "
            f"{', '.join(samples)}",
            "name the arrays as the inputs",
        )
    return [samples[name] for name in names]


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.dup2(2, 1)
    main(Path(sys.argv[1]))

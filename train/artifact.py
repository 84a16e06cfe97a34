"""The artifact directory: the output of this stage, complete or not there at all.

model.keras        float32 (N, 28, 28) raw pixels 0..255 -> float32 (N, 10) probabilities
calibration.npz    inputs uint8 (1000, 28, 28), from the training images
evaluation.npz     inputs uint8 (10000, 28, 28), labels int64 (10000,), outputs float32
                   (10000, 10): the whole test set, and the outputs for it of model.keras as read
                   back
training.json      recipe, seed, versions, checksums of the data, history, accuracy
*.png              learning curves, confusion matrix, the worst mistakes
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from train import pictures
from train.checkpoints import History
from train.evaluate import Evaluation, evaluate
from train.mnist import Bytes, Mnist, Samples
from train.storage import npz_bytes, put_in_place, writing
from train.target import RECORD

_CALIBRATION_PER_DIGIT = 100


def write(
    target: Path,
    model: Any,
    mnist: Mnist,
    history: History,
    facts: Mapping[str, Any],
    clock: Callable[[], float],
) -> Evaluation:
    """Write the artifact directory beside ``target``, then rename it into place.

    Args:
        target: the folder to become; an earlier artifact there is replaced.
        model: the finished Keras model.
        mnist: the data; only this function uses the test set.
        history: figures of the training, for the learning curves.
        facts: the content of ``training.json`` besides accuracy, history and seconds.
        clock: returns the seconds spent; called when all else is written.

    Returns:
        The evaluation of the saved model, read back from disk.

    Raises:
        OutputError: if anything cannot be written; ``target`` is then unchanged.
    """
    partial = target.with_name(f".{target.name}.writing")
    with writing(target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            evaluation = _fill(partial, model, mnist, history, facts, clock)
            put_in_place(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return evaluation


def _fill(
    folder: Path,
    model: Any,
    mnist: Mnist,
    history: History,
    facts: Mapping[str, Any],
    clock: Callable[[], float],
) -> Evaluation:
    model.save(folder / "model.keras")
    # Everything below comes from the file, not from the model in memory.
    saved = keras.models.load_model(folder / "model.keras", compile=False)
    evaluation = evaluate(saved, mnist)

    _save_npz(folder / "calibration.npz", inputs=calibration_images(mnist.train))
    _save_npz(
        folder / "evaluation.npz",
        inputs=mnist.test.images,
        labels=mnist.test.labels,
        outputs=evaluation.outputs,
    )
    pictures.learning_curves(history, evaluation, folder / "learning-curves.png")
    pictures.confusion_matrix(mnist.test, evaluation, folder / "confusion-matrix.png")
    pictures.worst_mistakes(mnist.test, evaluation, folder / "mistakes.png")
    record = {
        **facts,
        "accuracy": {
            "train": evaluation.train,
            "validation": evaluation.validation,
            "test": evaluation.test,
        },
        "parameters": int(saved.count_params()),
        "seconds": round(clock(), 1),
        "history": history,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return evaluation


def calibration_images(samples: Samples) -> Bytes:
    """Choose 100 images of each digit, evenly spaced over ``samples``, with the digits mixed.

    Quantization reads value ranges from these; they are training images, never test images.

    Args:
        samples: the training images.

    Returns:
        uint8 (1000, 28, 28), 0..255; fewer images if a digit has fewer than 100.
    """
    chosen = []
    for digit in range(10):
        places = np.flatnonzero(samples.labels == digit)
        count = min(_CALIBRATION_PER_DIGIT, len(places))
        chosen.append(places[np.linspace(0, len(places) - 1, count).astype(np.int64)])
    return samples.images[np.sort(np.concatenate(chosen))]


def _save_npz(path: Path, **arrays: NDArray[Any]) -> None:
    path.write_bytes(npz_bytes(arrays))

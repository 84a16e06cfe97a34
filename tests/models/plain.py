"""TensorFlow's own int8 conversion, and the test whether another file is worse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.models.zoo.figures import auc

Right = NDArray[np.bool_]
Scores = NDArray[np.float64]


def int8(model: Any, calibration: NDArray[Any]) -> bytes:
    """Convert as TensorFlow's guide does: int8 throughout, with inputs and outputs."""
    import tensorflow as tf

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for sample in calibration:
            yield [sample[None].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def run(file: bytes, samples: NDArray[Any]) -> NDArray[np.float32]:
    """Run a .tflite file of one input and one output on LiteRT, sample by sample.

    Args:
        file: its bytes.
        samples: (N, ...), in the model's own units.

    Returns:
        (N, ...), in the model's own units.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for sample in samples:
        stored = _quantized(sample[None].astype(np.float32), source)
        interpreter.set_tensor(source["index"], stored.reshape(source["shape"]))
        interpreter.invoke()
        answers.append(_real(interpreter.get_tensor(sink["index"])[0], sink))
    return np.stack(answers)


def _quantized(real: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    scale, zero_point = tensor["quantization"]
    if np.issubdtype(tensor["dtype"], np.floating) or not scale:
        return real.astype(tensor["dtype"])
    limits = np.iinfo(tensor["dtype"])
    stored = np.rint(real / scale) + zero_point
    within: NDArray[Any] = stored.clip(limits.min, limits.max).astype(tensor["dtype"])
    return within


def _real(stored: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    scale, zero_point = tensor["quantization"]
    if np.issubdtype(tensor["dtype"], np.floating) or not scale:
        return stored.astype(np.float32)
    real: NDArray[np.float32] = (stored.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def is_worse(ours: Right, theirs: Right) -> bool:
    """Tell whether ours is right on fewer samples than chance explains (95 %, two-sided).

    This is the exact sign test: of the samples that only one file has right, an equal file would
    have half.

    Args:
        ours: (N,), the samples that our file has right.
        theirs: (N,), those of the other file.
    """
    lost, won = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
    as_bad = sum(math.comb(lost + won, k) for k in range(won + 1))
    return bool(as_bad < 0.025 * 2 ** (lost + won))


def auc_is_worse(ours: Scores, theirs: Scores, faults: Right) -> bool:
    """Tell whether ours finds faults less well than chance explains (95 %, paired bootstrap).

    Args:
        ours: (N,), our file's score for each sample, high for a fault.
        theirs: (N,), those of the other file.
        faults: (N,), which samples are faults.
    """
    random = np.random.default_rng(0)
    good, bad = np.flatnonzero(~faults), np.flatnonzero(faults)
    gains = []
    for _ in range(1000):
        drawn = np.concatenate([random.choice(good, len(good)), random.choice(bad, len(bad))])
        gains.append(auc(ours[drawn], faults[drawn]) - auc(theirs[drawn], faults[drawn]))
    return float(np.quantile(gains, 0.975)) < 0

"""What a model says of one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Prediction(NamedTuple):
    """The best class of one sample."""

    label: str
    probability: float  # the model's output for that class; 0..1 for sigmoid and softmax heads
    class_index: int
    probabilities: NDArray[np.float32]  # (classes,), all of them, in the order of the labels


class LabelSet(NamedTuple):
    """The labels that hold of one sample: any number of them, and perhaps none."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]  # (labels,), of all of them, in their order

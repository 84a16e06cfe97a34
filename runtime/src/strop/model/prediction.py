"""The answers of `Model.classify` for one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray


class Prediction(NamedTuple):
    """The best class of one sample.

    Attributes:
        label: the label of the class.
        probability: the model's output for that class; 0..1 for sigmoid and softmax heads.
        class_index: the index of the class, from 0.
        probabilities: the outputs for all classes, float32 (classes,), in the order of the labels.
    """

    label: str
    probability: float
    class_index: int
    probabilities: NDArray[np.float32]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name as plain Python values, for JSON."""
        return {**self._asdict(), "probabilities": self.probabilities.tolist()}


class LabelSet(NamedTuple):
    """The labels of one sample that the model affirms: any number of them, or none.

    Attributes:
        labels: the labels that the model affirms.
        probabilities: the outputs for all labels, float32 (labels,), in their order.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name as plain Python values, for JSON."""
        return {"labels": list(self.labels), "probabilities": self.probabilities.tolist()}

"""Batches for evaluations: answers of each kind, with labels, slices and a reference's answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.tally import Tally

CLASSES = ("class", "many", "logits")
RAW = ("picture", "integers")  # of more columns than are kept apart, and of integers
LABELS = ("binary", "multilabel", "tags")
KINDS = (*CLASSES, *LABELS, "segmentation", "mask", "regression", *RAW)


class Samples(NamedTuple):
    """All samples of one output."""

    spec: OutputSpec
    outputs: NDArray[Any]
    labels: NDArray[Any]
    reference: NDArray[Any]
    site: list[str]

    def tally(self, *parts: NDArray[np.intp], labels: bool = True) -> Tally:
        """Count some of the samples, in batches."""
        made = self.empty()
        for part in parts:
            made.add(
                [self.outputs[part]],
                [self.labels[part] if labels else None],
                {"site": [self.site[i] for i in part]},
                [self.reference[part]],
            )
        return made

    def empty(self) -> Tally:
        return Tally([self.spec], reference=True, slices=["site"])

    def all(self, *, labels: bool = True) -> Tally:
        return self.tally(np.arange(len(self.outputs)), labels=labels)

    def figures(self, *, labels: bool = True) -> dict[str, Any]:
        return dict(self.all(labels=labels).figures()["outputs"][self.spec.name])


def samples(kind: str, count: int = 60, seed: int = 1, *, odd: bool = False) -> Samples:
    """Make samples of an output.

    Args:
        kind: one of `KINDS`.
        count: how many.
        seed: of the random numbers.
        odd: some answers are NaN, infinite, equal, huge or tiny.
    """
    random = np.random.default_rng(seed)
    shape, real, logits, threshold = _FORMS[kind]
    scores = random.normal(size=(count, *shape)) * 3
    labels: NDArray[Any]
    if threshold is not None:
        labels = (random.random(scores.shape) < 1 / (1 + np.exp(-scores))).astype(np.int64)
        labels = labels if real == "multilabel" else labels[..., 0]
        outputs = scores if logits else 1 / (1 + np.exp(-scores))
    elif real in ("class", "segmentation"):
        noisy = scores + random.gumbel(size=scores.shape)
        labels = noisy.argmax(axis=-1)
        outputs = scores if logits else np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    else:
        outputs, labels = scores, scores + random.normal(size=scores.shape) / 7
    if odd:
        _spoil(outputs, random, real)
        if real in ("regression", "raw"):
            _spoil(labels, random, real)
    integers = kind == "integers"
    dtype = np.int64 if integers else np.float32
    with np.errstate(all="ignore"):
        own = np.nan_to_num(outputs, posinf=9, neginf=9).clip(-9, 9) if integers else outputs
        outputs = own.astype(dtype)
    reference = outputs.copy()
    moved = random.random(count) < 0.3
    reference[moved] = np.roll(outputs, 1, axis=0)[moved]
    spec = OutputSpec(
        "scores", (None, *shape), str(outputs.dtype), None, (), real, logits, threshold
    )
    site = [f"s{i}" for i in random.integers(0, 4, count)]
    return Samples(spec, outputs, labels, reference, site)


def _spoil(values: NDArray[np.float64], random: np.random.Generator, kind: str) -> None:
    """Make some values as odd as they come."""
    strange = [np.nan, np.inf, -np.inf, 0.0, 1.0, 0.5]
    if kind in ("regression", "raw"):
        strange += [1e30, -1e30, 1e-30, 1e-45, 3e38, 1e-320, 1e150]
    some = random.random(values.shape) < 0.2
    values[some] = random.choice(strange, int(some.sum()))


_FORMS: dict[str, tuple[tuple[int, ...], str, bool, float | None]] = {
    "class": ((7,), "class", False, None),
    "many": ((230,), "class", False, None),
    "logits": ((4,), "class", True, None),
    "binary": ((1,), "binary", False, 0.5),
    "multilabel": ((3,), "multilabel", True, 0.0),
    "tags": ((230,), "multilabel", False, 0.5),
    "segmentation": ((3, 2, 4), "segmentation", False, None),
    "mask": ((3, 2, 1), "segmentation", False, 0.5),
    "regression": ((3,), "regression", False, None),
    "picture": ((9, 9, 1), "raw", False, None),
    "integers": ((2, 3), "raw", False, None),
}

"""docs/evaluation.md explains every figure of metrics.json, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.tally import Tally
from tests.environments import ROOT

PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
N = 60


def test_it_has_every_figure_and_no_other() -> None:
    made = {name for spec, answers, labels in _cases() for name in _names(spec, answers, labels)}
    tables = PAGE.partition("## Every output")[2]
    explained = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", tables, re.M)
        for name in re.findall(r"`(\w+)`", cell)
    }
    assert explained == made


def _cases() -> Iterator[tuple[OutputSpec, NDArray[Any], NDArray[Any]]]:
    random = np.random.default_rng(0)

    def output(kind: str, *shape: int, threshold: float | None = None) -> OutputSpec:
        return OutputSpec("it", (None, *shape), "float32", None, (), kind, False, threshold)

    scores = random.random((N, 7), np.float32)
    yield output("class", 7), scores / scores.sum(1, keepdims=True), random.integers(0, 7, N)
    yes = random.random((N, 1), np.float32)
    yield output("binary", 1, threshold=0.5), yes, random.integers(0, 2, N)
    yield output("multilabel", 7, threshold=0.5), scores, random.integers(0, 2, (N, 7))
    pixels = random.random((N, 4, 4, 3), np.float32)
    yield output("segmentation", 4, 4, 3), pixels, random.integers(0, 3, (N, 4, 4))
    yield output("regression", 7), scores, random.random((N, 7))
    yield output("raw", 7), scores, random.random((N, 7))


def _names(spec: OutputSpec, answers: NDArray[Any], labels: NDArray[Any]) -> Iterator[str]:
    tally = Tally([spec], reference=True, slices=[])
    tally.add([answers], [labels], {}, [answers])
    for name, figure in tally.figures()["outputs"]["it"].items():
        yield name
        if name in ("by_class", "by_label"):
            yield from figure

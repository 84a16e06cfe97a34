"""A deep model is exported with float32 bounds for its depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras import layers

import strop_export
from strop.bundle.open import open_bundle
from tests.unit.export import source_kit as kit


@pytest.mark.parametrize(
    ("stack", "kernels"),
    [
        ([kit.dense(3, "softmax")], 1),
        ([layers.Reshape((4, 1)), layers.Conv1D(2, 3), layers.BatchNormalization()], 1),
        ([layers.Reshape((4, 1)), layers.LSTM(2)], 2),
        ([layers.ReLU()], 0),
    ],
)
def test_kernels_are_counted(stack: list[layers.Layer], kernels: int, tmp_path: Path) -> None:
    assert kit.read(tmp_path, kit.chain((4,), *stack), {"inputs": kit.floats(4)}).kernels == kernels


def test_the_bounds_of_the_bundle_are_wider(tmp_path: Path) -> None:
    model = kit.chain((4,), *(kit.dense(6, "tanh") for _ in range(15)), kit.dense(3, "softmax"))
    rows = np.random.default_rng(1).normal(size=(400, 4)).astype(np.float32)
    made = strop_export.export(
        model, rows, target="cpu", precision="float32", tasks="class", out=tmp_path, progress=None
    )
    manifest = open_bundle(made.bundles["cpu"]).manifest
    found = {variant.format: variant.proofs[0].outputs[0].bounds for variant in manifest.variants}
    assert {name: bounds["max_abs_error"] for name, bounds in found.items()} == dict.fromkeys(
        ("tflite", "onnx", "plan"), 2e-5
    )
    assert found["tflite"]["golden"] == 2e-5
    assert found["plan"]["golden"] == 0

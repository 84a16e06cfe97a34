"""Pictures through export: convolutions of many forms, masks, boxes, vectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import trial, zoo

FAMILIES = {
    "vision": (
        "cnn_batchnorm",
        "separable",
        "uint8_input",
        "mixed_float16",
        "augmentation",
        "activations",
        "lambda_layer",
        "subclassed",
        "nested",
        "free_size",
        "unet",
        "detection",
        "embedding",
    ),
}
MODELS = [(family, name) for family, names in FAMILIES.items() for name in names]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_its_bundle_gives_what_keras_gives(family: str, name: str, tmp_path: Path) -> None:
    trial.finish(trial.begin(family, name, tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_none_of_the_family_is_forgotten(family: str) -> None:
    assert zoo.names(family) == FAMILIES[family]

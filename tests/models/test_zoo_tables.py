"""Tables through export: numbers, flags, codes; classes, probabilities, regressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import trial, zoo

FAMILIES = {
    "tabular": (
        "dense_normalized",
        "logits_head",
        "binary_sigmoid",
        "multilabel_sigmoid",
        "regression_one_column",
        "regression_two_columns",
        "outlier_weights",
        "bool_input",
        "int64_input",
        "autoencoder",
    ),
}
MODELS = [(family, name) for family, names in FAMILIES.items() for name in names]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_its_bundle_gives_what_keras_gives(family: str, name: str, tmp_path: Path) -> None:
    trial.finish(trial.begin(family, name, tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_none_of_the_family_is_forgotten(family: str) -> None:
    assert zoo.names(family) == FAMILIES[family]

"""Signals, text and series through export; several inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import trial, zoo

FAMILIES = {
    "sequence": (
        "gru",
        "lstm",
        "bidirectional_lstm",
        "gru_of_any_length",
        "text_embedding",
        "audio_conv1d",
        "transformer",
        "per_step_softmax",
    ),
    "several": (
        "two_inputs",
        "inputs_by_name",
        "two_outputs",
        "two_in_two_out",
        "series_of_any_length",
    ),
}
MODELS = [(family, name) for family, names in FAMILIES.items() for name in names]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_its_bundle_gives_what_keras_gives(family: str, name: str, tmp_path: Path) -> None:
    trial.finish(trial.begin(family, name, tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_none_of_the_family_is_forgotten(family: str) -> None:
    assert zoo.names(family) == FAMILIES[family]

"""The zoo's trial notices where plain int8 gets worse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.trial import Trial, require_variants
from tests.models.zoo.specimen import FLOATS, Specimen


def _trial(guarded: set[str], chosen: str, *, holds: bool, differ: int = 20) -> Trial:
    """Make the trial of a model with one int8 file.

    Args:
        guarded: the formats that may ship another file.
        chosen: the precision that ships.
        holds: whether the guard's first step holds.
        differ: its decisions that are not Keras's, of 75.
    """
    specimen = Specimen(None, {}, {}, {}, 0, guarded=frozenset(guarded))
    made = sorted(FLOATS | {("tflite", chosen)})
    figures = {"figures": {"disagreements": differ}, "bounds": {"disagreements": 0.02}}
    reason = f"{differ} of 75 samples get another class"
    step = {"holds": holds, "reason": reason, "samples": 75, "outputs": [figures]}
    entry = {"format": "tflite", "asked": "int8", "chosen": chosen, "shipped": True}
    report = {
        "variants": [{"format": format, "precision": precision} for format, precision in made],
        "guard": [{**entry, "steps": [step]}],
        "left_out": [],
        "refused": [],
    }
    return Trial(specimen, Path(), report)


def test_plain_int8_that_holds_will_do() -> None:
    require_variants(_trial(set(), "int8", holds=True))


def test_another_file_will_do_where_the_format_is_guarded() -> None:
    require_variants(_trial({"tflite"}, "mixed", holds=False))


@pytest.mark.parametrize("chosen", ["int8", "mixed"])
def test_any_other_way_to_quantize_is_noticed(chosen: str) -> None:
    with pytest.raises(AssertionError, match="20 of 75"):
        require_variants(_trial(set(), chosen, holds=False))
    with pytest.raises(AssertionError, match="20 of 75"):
        require_variants(_trial({"onnx"}, chosen, holds=False))


def test_a_miss_by_chance_is_none() -> None:
    require_variants(_trial(set(), "int8", holds=False, differ=3))
    with pytest.raises(AssertionError):  # another precision still is
        require_variants(_trial(set(), "mixed", holds=False, differ=3))


def test_a_float_file_will_not_do() -> None:
    with pytest.raises(AssertionError):
        require_variants(_trial({"tflite"}, "float16", holds=False))

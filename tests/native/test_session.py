"""A bundle whose manifest describes another plan than it holds is refused when it is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.errors import EngineUnavailable
from strop_export.formats.plan import Plan, Step, Tensor
from tests import bundles, plans


def _floats(*dims: int, name: str = "") -> Tensor:
    return Tensor("float32", dims, name=name)


IMAGE = Tensor("uint8", (4, 4), 1.0, name="image")
WEIGHTS = Tensor("float32", (3, 16), values=np.ones((3, 16), np.float32))
STEPS = [Step("dequantize", (0,), 1), Step("fully_connected", (1, 2), 3)]
SOUND = Plan([IMAGE, _floats(4, 4), WEIGHTS, _floats(3, name="probabilities")], STEPS, [0], [3])


def _load(folder: Path, plan: Plan, rounding: str | None = None) -> strop.Model:
    draft = plans.native(bundles.image())
    draft.put(draft.variant, plan.to_bytes())
    draft.variant["rounding"] = rounding
    return strop.load(draft.write(folder / "a.strop"), engine="native")


@pytest.mark.parametrize("rounding", [None, "reference", "float"])
def test_the_plan_that_the_manifest_describes_is_taken(
    rounding: str | None, tmp_path: Path
) -> None:
    assert _load(tmp_path, replace(SOUND, rounding=rounding), rounding).format == "plan"


def _with(place: int, **changes: Any) -> Plan:
    tensors = list(SOUND.tensors)
    tensors[place] = replace(tensors[place], **changes)
    return replace(SOUND, tensors=tensors)


MORE = [*SOUND.tensors, _floats(3, name="more")]
OTHERS = {
    "image is called picture": _with(0, name="picture"),
    "image is uint8 .*2, 8.* in the file": _with(0, dims=(2, 8)),
    "image is int8 ": _with(0, dtype="int8"),
    "probabilities is float32 .*1, 3.* in the file": _with(3, dims=(1, 3)),
    "it has 2 inputs, 1 in the manifest": replace(SOUND, tensors=MORE, inputs=[0, 4]),
    "it has 2 outputs, 1 in the manifest": replace(
        SOUND, tensors=MORE, steps=[*STEPS, Step("relu", (3,), 4)], outputs=[3, 4]
    ),
    "it rounds as float, in the manifest as None": replace(SOUND, rounding="float"),
}


@pytest.mark.parametrize("problem", OTHERS)
def test_another_plan_is_refused(problem: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=problem):
        _load(tmp_path, OTHERS[problem])

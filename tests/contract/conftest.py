"""Fixtures that the tests of plans share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import tflite_kit
from tests.contract.tflite_kit import Kernels


@pytest.fixture
def kernels(rounding: str, request: pytest.FixtureRequest, tmp_path: Path) -> Kernels:
    """The kernels that have a rounding, "float" or "reference"."""
    if rounding == "float":
        return tflite_kit.run_xnnpack
    python = request.getfixturevalue("tflite_python")
    return lambda cases: tflite_kit.run_tflite_runtime(cases, "BUILTIN_REF", python, tmp_path)

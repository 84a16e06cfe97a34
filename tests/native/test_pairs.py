"""Products, sums and differences of int8: the C core gives the bits of the referee."""

from __future__ import annotations

import numpy as np
import pytest

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import operator_files
from tests.native.engine import Engine
from tests.native.test_parity import compare


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["MUL", "ADD", "SUB"])
def test_all_pairs_of_bytes(kind: str, rounding: str, engine: Engine) -> None:
    samples = np.repeat(operator_files.BYTES, 256, axis=1)
    for file in operator_files.pairs(kind):
        compare(engine, convert_plan(file, ["layer"], rounding).data, samples)

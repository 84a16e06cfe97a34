"""Firmware that does not fit is refused with what takes the room."""

from __future__ import annotations

import re

import numpy as np
import pytest

from strop_export.errors import DoesNotFit
from strop_export.firmware import fit
from strop_export.firmware.options import Options
from strop_export.firmware.sizes import Sizes
from strop_export.formats.plan import Plan, Step, Tensor

WIDE, NARROW = np.zeros((50, 784), np.float32), np.zeros((10, 50), np.float32)
PLAN = Plan(
    [
        Tensor("float32", (784,), name="x"),
        Tensor("float32", (50, 784), values=WIDE),
        Tensor("float32", (50,)),
        Tensor("float32", (10, 50), values=NARROW),
        Tensor("float32", (10,), name="y"),
    ],
    [Step("fully_connected", (0, 1), 2), Step("fully_connected", (2, 3), 4)],
    [0],
    [4],
)
WEIGHTS = WIDE.nbytes + NARROW.nbytes
LAYERS = ["hidden", ""]
SIZES = {
    "Cortex-M0+": Sizes(
        flash_bytes=WEIGHTS + 1500,
        ram_bytes=3500,
        arena_bytes=3336,
        stack_bytes=160,
        code_bytes=1400,
    ),
    "RV32IMAC": Sizes(
        flash_bytes=WEIGHTS + 2000,
        ram_bytes=3450,
        arena_bytes=3336,
        stack_bytes=110,
        code_bytes=1900,
    ),
}


@pytest.mark.parametrize("options", [Options(), Options(WEIGHTS + 2000, 3500), Options(golden=3)])
def test_what_fits_is_not_refused(options: Options) -> None:
    fit.check(SIZES, PLAN, LAYERS, options)


def test_flash_is_weights_or_code() -> None:
    with pytest.raises(DoesNotFit) as caught:
        fit.check(SIZES, PLAN, LAYERS, Options(max_flash_bytes=WEIGHTS + 1500))
    assert caught.value.problem == (
        "the model needs 160,800 bytes of flash on RV32IMAC, and --max-flash allows 160,300: "
        "158,800 are weights, 2,000 code and tables; layer hidden (fully_connected) has the "
        "largest weights, (50, 784), 156,800"
    )
    assert caught.value.mend


def test_ram_is_arena_or_stack() -> None:
    with pytest.raises(DoesNotFit) as caught:
        fit.check(SIZES, PLAN, LAYERS, Options(max_ram_bytes=1024))
    assert caught.value.problem == (
        "the model needs 3,500 bytes of RAM on Cortex-M0+, 3,450 bytes of RAM on RV32IMAC, and "
        "--max-ram allows 1,024: 3,336 are the arena, 160 the stack; layer hidden "
        "(fully_connected) needs the most at once, (784) to (50)"
    )


def test_both_are_said_at_once() -> None:
    with pytest.raises(DoesNotFit, match=re.compile("--max-flash allows 1:.*--max-ram allows 1:")):
        fit.check(SIZES, PLAN, LAYERS, Options(1, 1))


def test_without_layers_a_step_has_its_number() -> None:
    with pytest.raises(DoesNotFit, match=r"step 1 \(fully_connected\) needs the most"):
        fit.check(SIZES, PLAN, (), Options(max_ram_bytes=1024))

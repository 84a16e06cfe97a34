"""The proof of firmware: the C gives the native engine's bits, or the plan is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop.model.arrays import npz
from strop_export import targets
from strop_export.errors import DoesNotFit, EngineMissing, ProofError, TargetError
from strop_export.firmware.cpus import CPUS
from strop_export.firmware.folder import files as folder_files
from strop_export.firmware.options import Options
from strop_export.proof import firmware
from strop_export.proof.prove import Run
from strop_export.targets import Target
from tests import bundles
from tests.contract import plan_referee, plan_sample
from tests.web import plans

pytestmark = pytest.mark.usefixtures("zig_cache")

SAMPLES = 150
MCU = targets.load("mcu")
Change = Callable[[dict[str, bytes]], None]


def here() -> Run:
    """The referee's answers for the samples of `plans.several`."""
    samples = plan_sample.inputs(SAMPLES)
    outputs = plan_referee.outputs(plans.pair("reference").to_bytes(), *samples)
    return Run("native", "0.1.0", tuple(outputs))


def proven(folder: Path, run: Run, rounding: str = "reference") -> Run:
    draft, samples = plans.several(rounding).write(folder / "small.strop"), folder / "samples.npz"
    pixels, numbers = plan_sample.inputs(SAMPLES)
    samples.write_bytes(npz({"bytes": pixels, "Zahlen für später": numbers}))
    return firmware.find_firmware().run(draft, samples, run)


def written(folder: Path) -> Path:
    return plans.several("reference").write(folder / "m-mcu.strop")


def with_options(**options: int) -> Target:
    return replace(MCU, firmware=Options(**options))


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes, bytes], None]:
    """Replace a text in one of the files that are generated."""

    def change(name: str, old: bytes, new: bytes) -> None:
        def files(*given: object) -> dict[str, bytes]:
            made = folder_files(*given)  # type: ignore[arg-type]
            assert made[name].count(old) == 1, made[name].decode()
            return {**made, name: made[name].replace(old, new)}

        monkeypatch.setattr(firmware, "files", files)

    return change


@pytest.fixture
def one_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure on the first CPU alone: what a test asks is the same on each."""
    monkeypatch.setattr(firmware, "CPUS", CPUS[:1])


def test_a_run_with_the_same_bits_is_that_of_the_c(tmp_path: Path) -> None:
    run = proven(tmp_path, here())

    assert (run.engine, run.version) == ("native", "0.1.0 (C)")
    assert [array.shape for array in run.outputs] == [(150, 2, 3), (150, 6), (150, 6)]


def test_one_other_bit_is_no_proof(tmp_path: Path) -> None:
    run = here()
    shares = run.outputs[0].copy()
    shares[149, 1, 2] = np.nextafter(shares[149, 1, 2], np.float32(2))
    run = replace(run, outputs=(shares, *run.outputs[1:]))
    with pytest.raises(ProofError, match="for shares.*: other bits in 1 of 900 values"):
        proven(tmp_path, run)


def test_another_weight_is_no_proof(
    tmp_path: Path, change: Callable[[str, bytes, bytes], None]
) -> None:
    weights = plans.pair("reference").tensors[3].values
    assert weights is not None
    first = ", ".join(map(str, weights.ravel()[:4])).encode()
    other = ", ".join(map(str, [weights.ravel()[0] ^ 1, *weights.ravel()[1:4]])).encode()
    change("src/small.c", first, other)
    with pytest.raises(ProofError, match="the generated C gives for shares, against native 0.1.0"):
        proven(tmp_path, here())


def test_another_kernel_is_no_proof(
    tmp_path: Path, change: Callable[[str, bytes, bytes], None]
) -> None:
    change("src/strop/int8_requantize.h", b"multiply_reference(sum", b"multiply_reference(sum + 9")
    with pytest.raises(ProofError, match="for steps, against native 0.1.0: other bits|for shares"):
        proven(tmp_path, here())


def test_c_that_does_not_compile_is_no_proof(
    tmp_path: Path, change: Callable[[str, bytes, bytes], None]
) -> None:
    change("src/strop/moves.c", b'#include "kernels.h"', b'#include "none.h"')
    with pytest.raises(ProofError, match="does not compile: .*moves.c.*'none.h' file not found"):
        proven(tmp_path, here())


def test_a_plan_that_rounds_by_floats_has_no_c(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="rounding 'float' cannot be written as C"):
        proven(tmp_path, here(), "float")


def test_the_folder_is_measured_on_every_cpu(tmp_path: Path) -> None:
    folder = firmware.find_firmware().folder(written(tmp_path), MCU, {"int8": ["", "hidden"]})

    assert not folder.fallen
    assert {"main.c", "src/small.c", "src/small.h", "README.md"} <= folder.files.keys()
    assert not any(name.endswith("_golden.c") or "tflm" in name for name in folder.files)
    assert b"hidden" in folder.files["src/small.c"]
    assert list(folder.sizes) == [cpu.name for cpu in CPUS]
    for sizes in folder.sizes.values():
        assert sizes.ram_bytes >= sizes.arena_bytes + sizes.stack_bytes > 0
        assert sizes.flash_bytes > sizes.code_bytes > 0


@pytest.mark.usefixtures("one_cpu")
def test_golden_samples_are_compiled_in_if_there_are_as_many(tmp_path: Path) -> None:
    bundle, found = written(tmp_path), firmware.find_firmware()
    with_all = found.folder(bundle, with_options(golden=bundles.SAMPLES), {"int8": ()})
    assert b"6 golden samples" in with_all.files["src/small_golden.c"]
    without = found.folder(bundle, MCU, {"int8": ()})
    assert with_all.sizes == without.sizes  # they are no part of the model
    with pytest.raises(TargetError, match="--golden 7: the bundle has 6 golden samples"):
        found.folder(bundle, with_options(golden=7), {"int8": ()})


@pytest.mark.usefixtures("one_cpu")
@pytest.mark.parametrize(("precision", "is_there"), [("int8", True), ("dynamic", False)])
def test_the_folder_has_the_tflite_file_that_the_plan_was_made_from(
    precision: str, is_there: bool, tmp_path: Path
) -> None:
    draft = plans.several("reference")
    draft.add_variant("tflite", precision, ["tflite"])["rounding"] = None
    bundle = draft.write(tmp_path / "m-mcu.strop")
    folder = firmware.find_firmware().folder(bundle, MCU, {"int8": ()})
    assert ("tflm/small_model.cc" in folder.files) == is_there


@pytest.mark.usefixtures("one_cpu")
def test_a_model_that_is_too_large_is_refused(tmp_path: Path) -> None:
    layers = {"int8": ["", "hidden"]}
    with pytest.raises(DoesNotFit, match="bytes of flash on .* --max-flash allows 300: 288 are w"):
        firmware.find_firmware().folder(
            written(tmp_path), with_options(max_flash_bytes=300), layers
        )


def test_a_finished_plan_with_other_golden_outputs_falls(tmp_path: Path) -> None:
    draft = plans.several("reference")
    draft.put(draft.variant["golden"][1], bundles.npy(np.zeros((6, 6), np.int8)))
    bundle = draft.write(tmp_path / "m-mcu.strop")
    folder = firmware.find_firmware().folder(bundle, MCU, {"int8": ()})
    assert list(folder.fallen) == [("plan", "int8")]
    (said,) = folder.fallen.values()
    assert said.startswith("plan int8 as C: the generated C gives for steps")


def test_a_bundle_without_plans_has_no_firmware(tmp_path: Path) -> None:
    bundle = bundles.image().write(tmp_path / "m-mcu.strop")
    with pytest.raises(ProofError, match="no plan is left, and the firmware is made of one"):
        firmware.find_firmware().folder(bundle, MCU, {})


def test_without_a_compiler_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match="ziglang is not installed") as caught:
        firmware.find_firmware()
    assert caught.value.mend == "pip install ziglang"

"""Five models on five CPUs: the native engine's bits, memory, and other tools beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.firmware.cpus import CPUS, Cpu
from strop_export.formats.plan_reader import read_plan
from tests.mcu import emulator
from tests.mcu.laboratory import WHOLE, Laboratory
from tests.mcu.models import MODELS, SAMPLES
from tests.native.test_parity import differing

# By how much the deepest stack that is computed may exceed the one that is seen, in bytes: frames
# of two functions of which the deeper path takes one.
SLACK_BYTES = 32


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
@pytest.mark.parametrize("name", MODELS)
def test_firmware_gives_the_native_engine_s_bits(
    name: str, cpu: Cpu, laboratory: Laboratory, cells: dict[tuple[str, str], dict[str, Any]]
) -> None:
    cell, tflm = laboratory.cell(name, cpu), laboratory.tflm(name)
    peer = laboratory.emlearn(name).get(cpu.name)
    cells[name, cpu.name] = {
        "model": name,
        "cpu": cpu.name,
        **cell.sizes._asdict(),
        "measured_stack_bytes": cell.ran.stack_bytes,
        "differing_bytes": cell.differing_bytes,
        "samples": cell.samples,
        "instructions": cell.instructions,
        "tflm_arena_bytes": tflm.arena_bytes,
        "tflm_head_bytes": tflm.head_bytes,
        "emlearn_flash_bytes": peer.flash_bytes if peer else None,
        "emlearn_ram_bytes": peer.ram_bytes if peer else None,
    }
    assert cell.samples == SAMPLES or cpu.name not in WHOLE
    assert cell.differing_bytes == 0
    varied = [np.ptp(output, axis=0).max() for output in cell.ran.outputs]
    assert min(varied) > 0, "the outputs do not depend on the input"
    computed, seen = cell.sizes.stack_bytes, cell.ran.stack_bytes
    assert seen <= computed <= seen + SLACK_BYTES


@pytest.mark.parametrize("name", ["mnist-mlp"])
def test_firmware_of_other_weights_gives_other_bits(
    name: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    model, cpu = laboratory.model(name), CPUS[1]
    plan = read_plan(model.plan)
    tensors, number = list(plan.tensors), plan.steps[1].inputs[1]
    weights = np.array(tensors[number].values)
    weights[0] = -weights[0]
    tensors[number] = replace(tensors[number], values=weights)
    folder = emulator.write_folder(tmp_path, replace(plan, tensors=tensors).to_bytes(), name)
    firmware = emulator.build_runner(folder, name, cpu)
    (found,) = emulator.run(firmware, cpu, model.plan, [model.samples[:20]]).outputs
    (expected,) = laboratory.cell(name, cpu).ran.outputs
    assert differing(found, expected[:20]) > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_last_int8_values_are_those_of_tensorflow_lite(
    name: str, laboratory: Laboratory
) -> None:
    heads = laboratory.heads(name)
    assert len(heads.ours) == SAMPLES
    assert heads.ours.std(axis=0).max() > 0
    assert differing(heads.ours, heads.theirs) == 0


@pytest.mark.parametrize("name", MODELS)
def test_the_arena_is_no_larger_than_that_of_tflm(name: str, laboratory: Laboratory) -> None:
    """Not even than the share of TFLM's that has no pointers, which are larger on a PC."""
    tflm = laboratory.tflm(name)
    for cpu in CPUS:
        assert laboratory.cell(name, cpu).sizes.arena_bytes <= tflm.head_bytes < tflm.arena_bytes


@pytest.mark.parametrize("name", MODELS)
def test_tflm_computes_the_same_model(name: str, laboratory: Laboratory) -> None:
    found = laboratory.tflm(name).outputs
    (ours,) = laboratory.cell(name, CPUS[1]).ran.outputs
    np.testing.assert_allclose(found, ours[: len(found)], atol=1e-6)


@pytest.mark.parametrize("name", ["mnist-mlp", "autoencoder"])
def test_less_memory_than_emlearn_s_floats(name: str, laboratory: Laboratory) -> None:
    for cpu in CPUS:
        ours, theirs = laboratory.cell(name, cpu).sizes, laboratory.emlearn(name)[cpu.name]
        assert ours.flash_bytes < theirs.flash_bytes
        assert ours.ram_bytes < theirs.ram_bytes


@pytest.mark.parametrize("name", ["mnist-mlp"])
def test_it_fits_a_small_microcontroller(name: str, laboratory: Laboratory) -> None:
    sizes = laboratory.cell(name, CPUS[2]).sizes
    assert sizes.arena_bytes <= 1024
    assert sizes.flash_bytes <= 48 * 1024

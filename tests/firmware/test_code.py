"""Generated C gives the bits of the referee and of the native engine, by every compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.errors import ConversionError
from strop_export.firmware import source
from strop_export.firmware.arena import Arena
from strop_export.firmware.folder import Golden, files
from strop_export.formats import Quantization, VariantSpec
from strop_export.formats.plan import Plan, Step, Tensor, Window
from strop_export.formats.plan_reader import read_plan
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import operator_files, plan_referee, plan_sample
from tests.contract.trained import conversions, images
from tests.firmware.kit import Compiler, compare, run, write
from tests.native import networks, spatial
from tests.native.test_parity import differing
from tests.needs import strop_native, unavailable

Array = NDArray[Any]
INT8 = VariantSpec("plan", "int8", quantization=Quantization(samples=50), rounding="reference")
FLOAT32 = VariantSpec("plan", "float32")
COMPILERS = ["gcc", "zig", "fusing"]


@pytest.fixture
def compiler(request: pytest.FixtureRequest) -> Compiler:
    found: Compiler = request.getfixturevalue(request.param)
    return found


def in_reference(file: bytes) -> bytes:
    """Return a plan with the rounding `reference`."""
    return file[:12] + bytes(4) + file[16:]


@pytest.mark.parametrize("compiler", COMPILERS, indirect=True)
@pytest.mark.parametrize("spec", [INT8, FLOAT32], ids=["int8", "float32"])
def test_the_trained_model_has_the_bits_of_the_referee_and_of_the_engine(
    spec: VariantSpec, compiler: Compiler, edge_artifact: Path, tmp_path: Path
) -> None:
    file = conversions(edge_artifact).convert(spec).data
    program = compiler.program(write(tmp_path, file))
    samples = images(edge_artifact)[:2000].astype(np.uint8)
    (ours,) = compare(program, file, samples)

    (theirs,) = strop_native().Model(file).run((samples,))
    assert differing(ours, theirs) == 0
    assert len({row.tobytes() for row in ours}) > 100


def test_the_trained_model_needs_less_than_a_kilobyte(edge_artifact: Path) -> None:
    file = conversions(edge_artifact).convert(INT8).data

    assert source.model_of(read_plan(file), file, "edge").arena.size <= 1024


@pytest.mark.parametrize("compiler", COMPILERS, indirect=True)
@pytest.mark.parametrize("kind", ["int8", "float32", "dense"])
def test_random_networks_have_the_bits_of_the_referee(
    kind: str, compiler: Compiler, tmp_path: Path
) -> None:
    """Inputs are often NaN, infinite or denormal."""
    random = np.random.default_rng(29)
    for i in range(12 if compiler.finds_faults else 4):
        made = (
            networks.float_plan(random) if kind == "dense" else spatial.spatial_plan(random, kind)
        )
        file = in_reference(made)
        program = compiler.program(write(tmp_path / str(i), file))
        compare(program, file, *networks.samples(random, file, 7))


@pytest.mark.parametrize("compiler", ["gcc", "fusing"], indirect=True)
def test_every_operator_and_dtype_has_the_bits_of_the_referee(
    compiler: Compiler, tmp_path: Path
) -> None:
    file = in_reference(plan_sample.whole().to_bytes())
    program = compiler.program(write(tmp_path, file))
    compare(program, file, *plan_sample.inputs(300))
    compare(program, file, *networks.samples(np.random.default_rng(5), file, 100))


@pytest.mark.parametrize("kind", ["MUL", "ADD", "SUB"])
def test_pairs_of_int8_have_the_bits_of_the_referee(
    kind: str, gcc: Compiler, tmp_path: Path
) -> None:
    """Each file gives the results of all pairs of bytes; the four have all fused activations."""
    samples = np.repeat(operator_files.BYTES, 256, axis=1)
    for i, made in enumerate(operator_files.pairs(kind)[:4]):
        file = convert_plan(made, ["layer"], "reference").data
        compare(gcc.program(write(tmp_path / str(i), file)), file, samples)


class Windows(NamedTuple):
    """How the windows of a convolution lie over its input, and how many there are."""

    window: Window
    outputs: tuple[int, int]
    size: tuple[int, int] = (3, 2)


def convolutions(operator: str, dtype: str, wanted: Sequence[Windows]) -> Plan:
    """Make a plan of convolutions of one input of 3 channels; each result is an output."""
    random = np.random.default_rng(3)
    is_int8 = dtype == "int8"
    scale, zero_point = (0.05, 17) if is_int8 else (0.0, 0)
    tensors = [Tensor(dtype, (6, 5, 3), scale, zero_point, name="x")]
    steps = []
    for i, (window, outputs, size) in enumerate(wanted):
        shape = (6, *size, 3) if operator == "conv_2d" else (6, *size)
        if is_int8:
            weights = random.integers(-127, 128, shape).astype(np.int8)
            scales = np.linspace(1e-3, 9e-3, 6, dtype=np.float32)
            bias = random.integers(-900, 900, 6).astype(np.int32)
            constants = [Tensor("int8", shape, values=weights, scales=scales)]
            constants.append(Tensor("int32", (6,), values=bias))
        else:
            constants = [
                Tensor("float32", dims, values=plan_sample.floats(random, *dims))
                for dims in (shape, (6,))
            ]
        scale, zero_point = (0.06, -9) if is_int8 else (0.0, 0)
        y = Tensor(dtype, (*outputs, 6), scale, zero_point, name=f"y{i}")
        first = len(tensors)
        tensors += [*constants, y]
        inputs = (0, first, first + 1)
        steps.append(Step(operator, inputs, first + 2, "relu6", window=window))
    results = [step.output for step in steps]
    return Plan(tensors, steps, [0], results, "reference" if is_int8 else None)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("operator", ["conv_2d", "depthwise_conv_2d"])
def test_windows_may_lie_outside_their_input(
    operator: str, dtype: str, gcc: Compiler, tmp_path: Path
) -> None:
    wanted = [
        Windows(Window((1, 1), (1, 1), (2, 1)), (9, 8)),
        Windows(Window((2, 3), (2, 1), (0, 4)), (5, 6)),
        Windows(Window((1, 2), (3, 4), (7, 9)), (12, 11)),
        Windows(Window((4, 1), (1, 1), (200, 0)), (70, 3)),  # most windows have nothing inside
        Windows(Window((1, 1), (2, 2), (2, 3)), (9, 11), size=(1, 1)),
    ]
    file = convolutions(operator, dtype, wanted).to_bytes()
    program = gcc.program(write(tmp_path, file))
    compare(program, file, *networks.samples(np.random.default_rng(1), file, 9))


def test_a_tensor_in_a_wrong_place_is_seen(
    gcc: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: tensors that overlap give other bits."""
    random = np.random.default_rng(4)
    weights = [plan_sample.floats(random, 6, 6) for _ in range(2)]
    tensors = [
        Tensor("float32", (6,), name="x"),
        *(Tensor("float32", (6, 6), values=values) for values in weights),
        Tensor("float32", (6,)),
        Tensor("float32", (6,), name="y"),
    ]
    steps = [Step("fully_connected", (0, 1), 3), Step("fully_connected", (3, 2), 4)]
    file = Plan(tensors, steps, [0], [4]).to_bytes()
    samples = plan_sample.floats(random, 5, 6)
    compare(gcc.program(write(tmp_path / "right", file)), file, samples)

    monkeypatch.setattr(source, "place", lambda _: Arena({0: 0, 3: 4, 4: 24}, 48, 0))
    program = gcc.program(write(tmp_path / "wrong", file))
    with pytest.raises(AssertionError):
        compare(program, file, samples)


def test_a_memory_that_is_too_small_is_seen(
    gcc: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ASan watches the end of the arena."""
    tensors = [Tensor("float32", (4,), name="x"), Tensor("float32", (4,), name="y")]
    file = Plan(tensors, [Step("tanh", (0,), 1)], [0], [1]).to_bytes()
    monkeypatch.setattr(source, "place", lambda _: Arena({0: 0, 1: 16}, 28, 0))
    program = gcc.program(write(tmp_path, file))

    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        run(program, file, np.zeros((1, 4), np.float32))


def test_a_plan_that_needs_floats_for_int8_is_refused(edge_artifact: Path) -> None:
    spec = VariantSpec("plan", "int8", quantization=Quantization(samples=50), rounding="float")
    file = conversions(edge_artifact).convert(spec).data

    with pytest.raises(ConversionError, match="rounding 'float'"):
        files(read_plan(file), file, "edge", None, None)


def test_damaged_weights_are_refused() -> None:
    plan = convolutions("conv_2d", "float32", [Windows(Window((1, 1), (1, 1)), (4, 4))])
    weights = np.array(plan.tensors[1].values)
    weights[0, 0, 0, 0] = np.nan
    damaged = replace(plan.tensors[1], values=weights)
    plan = replace(plan, tensors=[plan.tensors[0], damaged, *plan.tensors[2:]])

    with pytest.raises(ConversionError, match="not finite"):
        files(plan, plan.to_bytes(), "edge", None, None)


def test_kernels_need_no_library(tmp_path: Path, fusing: Compiler) -> None:
    """Compilers turn loops into memcpy and memset, which every C library for CPUs has."""
    if not shutil.which("nm"):
        unavailable("nm is missing", "apt install binutils")
    listed = subprocess.run(
        ["nm", "-u", *fusing.kernels], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    undefined = {line.split()[-1] for line in listed if line.startswith(" ")}
    assert undefined <= {"memcpy", "memmove", "memset"}


def test_lines_are_short_and_the_folder_is_the_same_again(edge_artifact: Path) -> None:
    file = conversions(edge_artifact).convert(INT8).data
    samples = images(edge_artifact)[:2]
    golden = Golden([samples], plan_referee.outputs(file, samples))

    made = files(read_plan(file), file, "edge net", b"TFL3", golden)

    assert made == files(read_plan(file), file, "edge net", b"TFL3", golden)
    for path, content in made.items():
        for line in content.decode().splitlines():
            assert len(line) <= 110, (path, line)
            assert line == line.rstrip()

"""The native engine on each kind of CPU: every set of kernels gives the workstation's bits."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lab import boards, native
from native.build import HERE, compile_programs
from strop.bundle.open import open_bundle
from tests.devices.laboratory import Laboratory, differing_bits

PRECISIONS = ("int8", "float32")
IMAGES = 1000
# Board, CPU ("": the board's own), and the kernels that it runs, the fastest first.
CASES = [
    ("pc", "", ["avx2", "plain"]),
    ("pc", "core2duo", ["plain"]),
    ("pi2", "", ["neon", "plain"]),
    ("pi2", "cortex-a8", ["neon", "plain"]),
    ("pi3", "", ["neon", "plain"]),
    ("pi4", "", ["neon", "plain"]),
    ("pi5", "", ["dotprod", "neon", "plain"]),
    ("zero", "", ["plain"]),
]
WORKER = Path(__file__).with_name("kernels_worker.py")


def plans_of(board: str, laboratory: Laboratory, folder: Path) -> dict[str, Path]:
    """Write the plans of the board's bundle to files, by their precision."""
    bundle = open_bundle(laboratory.exported.bundle(boards.load(board).bundles[0]))
    found = {}
    for variant in bundle.manifest.variants:
        if variant.format == "plan":
            found[variant.precision] = folder / f"{variant.precision}.plan"
            found[variant.precision].write_bytes(bundle.read(variant))
    assert set(found) == set(PRECISIONS)
    return found


def expected(board: str, laboratory: Laboratory, precision: str) -> NDArray[np.float32]:
    """The workstation's outputs for the first images."""
    bundle = laboratory.exported.bundle(boards.load(board).bundles[0])
    return laboratory.on_workstation(bundle, precision)[:IMAGES]


def kernels_on(
    board: str, laboratory: Laboratory, folder: Path, **options: object
) -> dict[str, dict[str, int]]:
    """Run the plans with every set of kernels: kernels -> precision -> differing bits."""
    images = folder / "images.npy"
    np.save(images, np.load(laboratory.samples)[:IMAGES])
    plans = plans_of(board, laboratory, folder)
    done = laboratory.run(board, ["python3", WORKER, images, *plans.values()], **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        kernels: {
            precision: differing_bits(
                np.load(f"{plan}-{kernels}.npy"), expected(board, laboratory, precision)
            )
            for precision, plan in plans.items()
        }
        for kernels in done.stdout.split()
    }


@pytest.mark.parametrize(("board", "cpu", "kernels"), CASES)
def test_each_set_of_kernels_gives_the_bits_of_the_workstation(
    board: str, cpu: str, kernels: list[str], laboratory: Laboratory, tmp_path: Path
) -> None:
    found = kernels_on(board, laboratory, tmp_path, cpu=cpu or None)
    assert list(found) == kernels
    assert found == dict.fromkeys(kernels, dict.fromkeys(PRECISIONS, 0))


def test_the_wheel_for_a_pi_zero_loads_in_a_hard_float_python(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """The lab's Zero is soft-float: on the Pi 2 the wheel's calls and bits are seen."""
    wheel = native.build("armv6l")
    assert wheel
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    place = {"PYTHONPATH": str(tmp_path / "site")}
    found = kernels_on("pi2", laboratory, tmp_path, variables=place)
    assert found == {"plain": dict.fromkeys(PRECISIONS, 0)}


@pytest.fixture(scope="module")
def armv6_programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Static programs of the core for a Pi Zero with its floating point unit."""
    files = [HERE / "tests" / f"{name}.c" for name in ("run_plan", "test_networks")]
    target, cpu = "arm-linux-musleabihf", "arm1176jzf_s"
    built = compile_programs(files, tmp_path_factory.mktemp("armv6"), target, cpu)
    return {program.name: program for program in built}


def emulate(laboratory: Laboratory, *command: str | Path) -> str:
    """Run a static program on the Zero's CPU, and return its output."""
    machine = laboratory.machine("zero")
    words = [machine.emulator, "-cpu", machine.board.cpu, *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_pi_zero_with_hard_floats_gives_the_bits_of_the_workstation(
    precision: str, armv6_programs: dict[str, Path], laboratory: Laboratory, tmp_path: Path
) -> None:
    plan = plans_of("zero", laboratory, tmp_path)[precision]
    images, outputs = tmp_path / "images", tmp_path / "outputs"
    images.write_bytes(np.load(laboratory.samples)[:IMAGES].tobytes())
    said = emulate(laboratory, armv6_programs["run_plan"], plan, images, outputs)
    assert said == f"{IMAGES} rows, kernels plain\n"
    reference = expected("zero", laboratory, precision)
    found = np.fromfile(outputs, np.float32).reshape(reference.shape)
    assert differing_bits(found, reference) == 0


def test_random_networks_have_the_same_bits_on_a_pi_zero_with_hard_floats(
    armv6_programs: dict[str, Path], laboratory: Laboratory, tmp_path: Path
) -> None:
    [here] = compile_programs([HERE / "tests" / "test_networks.c"], tmp_path)
    wanted = subprocess.run([here, "40"], capture_output=True, text=True, check=True).stdout
    found = emulate(laboratory, armv6_programs["test_networks"], "40")
    assert found.split(", kernels")[0] == wanted.split(", kernels")[0]
    assert found.endswith(" plain: 0 values differ\n")

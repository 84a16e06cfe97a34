"""The measured files are those of `make export` at the start of the run."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from benchmarks import files, sizes
from benchmarks.cases import cases
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.files import NotMeasurable
from benchmarks.peers import Absent
from strop.bundle.open import open_bundle
from tests import bundles


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Path, Path]:
    """An artifact and its dist/, with only the CPU's bundle."""
    artifact, dist = tmp_path / "shapes", tmp_path / "dist"
    artifact.mkdir()
    dist.mkdir()
    (artifact / "model.keras").touch()
    (artifact / "calibration.npz").touch()
    images = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
    answers, labels = np.eye(3, 10), np.arange(3)
    np.savez(artifact / "evaluation.npz", inputs=images, outputs=answers, labels=labels)
    (dist / "shapes-cpu.strop").write_bytes(bundles.image().pack())
    (dist / "strop-0.1.0-py3-none-any.whl").touch()
    return artifact, dist


def test_bundles_are_copied_and_taken_apart(exported: tuple[Path, Path], tmp_path: Path) -> None:
    artifact, dist = exported
    prepared = files.prepare(artifact, dist, tmp_path / "files")
    bundle = open_bundle(dist / "shapes-cpu.strop")
    variant = next(v for v in bundle.manifest.variants if v.format == "weights")
    expected = bundle.read(variant)
    (dist / "shapes-cpu.strop").unlink()  # an export during a run changes nothing
    path = prepared.path("weights", "reference", variant.precision)
    assert path.read_bytes() == expected
    assert prepared.path("bundle", "reference", variant.precision).is_file()
    assert prepared.path("keras", "", "float32") == artifact / "model.keras"
    assert prepared.one_image.read_bytes() == bytes(range(256)) * 3 + bytes(range(16))


def test_a_bundle_that_was_refused_is_a_reason(exported: tuple[Path, Path], tmp_path: Path) -> None:
    prepared = files.prepare(*exported, tmp_path / "files")
    with pytest.raises(Absent, match=r"no shapes-rpi\.strop: see what `make export` says of it"):
        prepared.path("tflite", "tflite", "int8")


@pytest.mark.parametrize(
    "gone", ["shapes/model.keras", "shapes/evaluation.npz", "dist/shapes-cpu.strop"]
)
def test_what_is_not_exported_is_named(
    exported: tuple[Path, Path], tmp_path: Path, gone: str
) -> None:
    (tmp_path / gone).unlink()
    with pytest.raises(NotMeasurable, match=f"there is no .*{gone}: run `make export`"):
        files.prepare(*exported, tmp_path / "files")


def test_the_native_engine_s_wheel_is_that_of_this_machine(exported: tuple[Path, Path]) -> None:
    _, dist = exported
    for machine in (platform.machine(), "vax"):
        (dist / f"strop_native-0.1.0-cp311-abi3-linux_{machine}.whl").touch()
    names = [wheel.name for wheel in files.wheels(dist)]
    assert names == [
        "strop-0.1.0-py3-none-any.whl",
        f"strop_native-0.1.0-cp311-abi3-linux_{platform.machine()}.whl",
    ]


def test_dense_images_have_no_group_of_zeros(exported: tuple[Path, Path], tmp_path: Path) -> None:
    dense = np.load(files.prepare(*exported, tmp_path / "files").dense)
    assert (dense.shape, dense.dtype) == ((4096, 28, 28), np.uint8)
    assert dense.reshape(-1, 4).any(axis=1).all()


def test_a_row_of_the_bundle_s_size_has_the_files_in_it(
    exported: tuple[Path, Path], tmp_path: Path
) -> None:
    prepared = files.prepare(*exported, tmp_path / "files")
    (ours,) = cases("Strop reference float32")
    with Crew(Environments({}, tmp_path, tmp_path), prepared) as crew:
        row = sizes.model_size(crew, ours)
    kilobytes = prepared.path("weights", "reference", "float32").stat().st_size / 1000
    assert row.parts == {"weights-float32": kilobytes}
    assert row.value == prepared.bundle("").stat().st_size / 1000


def test_the_wheel_is_needed_too(exported: tuple[Path, Path], tmp_path: Path) -> None:
    (exported[1] / "strop-0.1.0-py3-none-any.whl").unlink()
    with pytest.raises(NotMeasurable, match=r"there is no strop-\*\.whl in .*: run `make export`"):
        files.prepare(*exported, tmp_path / "files")

"""`make export TARGET=mcu`: proven C for microcontrollers, its sizes, and its refusals."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop_export
from strop.bundle.file import parse_bundle
from tests.environments import ROOT, run
from tests.unit.export.source_kit import chain, dense

pytestmark = pytest.mark.usefixtures("zig_cache")


@pytest.fixture(scope="module")
def made(edge_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MNIST MLP, exported once."""
    out = tmp_path_factory.mktemp("mcu")
    done = run(*command(edge_artifact, out), cwd=ROOT)
    assert "Cortex-M4F" in done.stdout
    return out


def command(artifact: Path, out: Path, *more: str) -> tuple[str, ...]:
    options = ("TARGET=mcu", "GOLDEN=4", "MAX_FLASH=64k", "MAX_RAM=4KiB", *more)
    return ("make", "export", f"ARTIFACT={artifact}", f"OUT={out}", *options)


def test_every_sample_is_proven_on_the_c(made: Path) -> None:
    bundle = parse_bundle((made / "mnist-mlp-mcu.strop").read_bytes())
    plans = [v for v in bundle.manifest.variants if v.format == "plan"]
    assert [(v.precision, v.rounding) for v in plans] == [("int8", "reference"), ("float32", None)]
    for variant in plans:
        (proof,) = variant.proofs
        assert (proof.engine, proof.samples) == ("native", 10_000)
        assert proof.version.endswith(" (C)")
    (tflite,) = (v for v in bundle.manifest.variants if v.format == "tflite")
    assert [proof.engine for proof in tflite.proofs] == ["tflite"]


def test_the_model_is_as_small_as_the_readme_says(made: Path) -> None:
    report = json.loads((made / "report.json").read_bytes())
    sizes = {entry["cpu"]: entry for entry in report["footprints"]}
    assert {"cortex-m0plus", "cortex-m4", "cortex-m33", "rv32imac"} <= sizes.keys()
    assert sizes["cortex-m4"]["flash_bytes"] <= 48 * 1024
    assert all(entry["arena_bytes"] <= 1024 for entry in report["footprints"])
    assert "## Firmware" in (made / "report.md").read_text()


def test_the_folder_is_the_report_s_to_the_byte(made: Path) -> None:
    report = json.loads((made / "report.json").read_bytes())
    listed = {entry["file"] for entry in report["bundles"][0]["folder"]}
    there = {
        path.relative_to(made).as_posix()
        for path in (made / "mnist-mlp-mcu").rglob("*")
        if path.is_file()
    }
    assert there == listed
    prefix = "mnist-mlp-mcu"
    assert {f"{prefix}/src/mnist_mlp_golden.c", f"{prefix}/tflm/mnist_mlp_model.cc"} <= there
    source = (made / prefix / "src/mnist_mlp.c").read_text()
    assert "hidden_1" in source  # the Keras layer's name


def test_a_second_export_does_nothing(made: Path, edge_artifact: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert "up to date" in run(*command(edge_artifact, made), cwd=ROOT).stdout
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


class TestRefusals:
    """A small model, whose firmware is refused by its size."""

    def export(self, out: Path, **options: Any) -> strop_export.Result:
        random = np.random.default_rng(1)
        x = random.normal(size=(600, 16)).astype(np.float32)
        model = chain((16,), dense(40, "relu"), dense(3, "softmax"))
        return strop_export.export(
            model, x, target="mcu", out=out, name="small", progress=None, **options
        )

    def test_what_is_too_large_leaves_nothing(self, tmp_path: Path) -> None:
        made = self.export(tmp_path, golden=2)
        assert made.bundles["mcu"] == tmp_path / "small-mcu.strop"
        assert "Cortex-M0+" in str(made)
        assert (tmp_path / "small-mcu" / "main.c").is_file()

        with pytest.raises(strop_export.TargetRefused) as caught:
            self.export(tmp_path, max_flash_bytes=2000, max_ram_bytes=100)
        said = str(caught.value)
        assert "bytes of flash on" in said
        assert re.search(r"--max-flash allows 2,000: [0-9,]+ are weights, [0-9,]+ code", said)
        assert "has the largest weights, (40, 16), 640" in said
        assert "--max-ram allows 100: " in said
        assert not (tmp_path / "small-mcu").exists()
        assert not (tmp_path / "small-mcu.strop").exists()

    def test_without_a_compiler_the_target_is_refused_by_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "ziglang", None)
        with pytest.raises(strop_export.TargetRefused, match="ziglang is not installed") as caught:
            self.export(tmp_path)
        assert "pip install ziglang" in caught.value.mend
        assert not list(tmp_path.glob("*.strop"))

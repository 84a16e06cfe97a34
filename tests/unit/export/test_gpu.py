"""The workstation's GPUs, and the results without a GPU, or without one that an engine can use."""

from __future__ import annotations

import _ctypes
import shutil
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from strop_export import freshness, pipeline, report, targets
from strop_export.errors import DeviceMissing
from strop_export.formats import VariantSpec
from strop_export.proof import environments, gpu
from strop_export.proof.runs import Job, jobs_of, run_all
from strop_export.wheels import Wheels
from tests.unit.export.formats_kit import converted
from tests.unit.runtime import gpus

ONE = ("A GPU, Vulkan 1.3",)


class TestAdapters:
    def set(self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    def test_there_may_be_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set(monkeypatch, gpus.NONE)
        assert gpu.adapters() == ()

    def test_they_have_their_drivers_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set(monkeypatch, gpus.software())
        (name,) = gpu.adapters()
        assert "SwiftShader" in name
        assert name.endswith(", software")

    def test_a_driver_that_fails_is_none(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A library of that name without Vulkan's functions."""
        shutil.copy(_ctypes.__file__, tmp_path / "libvulkan.so.1")
        self.set(monkeypatch, {**gpus.NONE, "LD_LIBRARY_PATH": str(tmp_path)})
        assert gpu.adapters() == ()


class TestWorkstation:
    @pytest.fixture
    def no_index(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A workstation that cannot install ONNX Runtime's build for GPUs."""
        monkeypatch.setattr(environments, "cache", lambda part: tmp_path)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", "")

    def test_without_a_gpu_no_engine_is_made_for_one(self) -> None:
        target, steps = targets.load("gpu"), list[str]()
        workstation, refused = pipeline.find_engines("m", [target], (), steps.append)
        assert not refused
        assert steps == ["engine onnx", "engine litert", "engine reference"]
        jobs = [job for s in target.variants for job in jobs_of(target, s, workstation)]
        assert {job.device for job in jobs} == {"cpu"}

    @pytest.mark.usefixtures("no_index")
    def test_an_engine_that_cannot_be_had_for_one_refuses_nothing(self, tmp_path: Path) -> None:
        target, steps = targets.load("gpu"), list[str]()
        workstation, refused = pipeline.find_engines("m", [target], ONE, steps.append)
        assert not refused
        assert steps[3:] == ["engine onnx gpu", "engine litert gpu"]
        spec = VariantSpec("onnx", "float32", gpu=True)
        named = [types.SimpleNamespace(name="image")]
        samples = (np.zeros((2, 6, 5), np.uint8),)
        source = cast(Any, types.SimpleNamespace(samples=samples, inputs=named, outputs=named))
        job = Job(spec, "onnx", "gpu")
        assert job in jobs_of(target, spec, workstation)
        files = {spec: converted("mlp", "onnx", "float32", gpu=True)}
        wheels = Wheels(tmp_path, {}, ())
        outcomes = run_all([job], files, source, workstation, wheels, tmp_path, steps.append)
        assert isinstance(outcomes[job], DeviceMissing)
        assert "engine onnx: `-m pip install` failed" in str(outcomes[job])

    def test_a_file_that_is_for_the_cpu_runs_on_no_gpu(self) -> None:
        target = targets.load("gpu")
        workstation, _ = pipeline.find_engines("m", [], ONE, list[str]().append)
        (reference,) = jobs_of(target, VariantSpec("weights", "float32"), workstation)
        assert reference.device == "cpu"
        _, on_gpu = jobs_of(target, target.variants[0], workstation)
        assert on_gpu == Job(target.variants[0], "onnx", "gpu")


class TestFreshness:
    def test_another_gpu_is_another_bundle_where_it_has_files_for_one(self) -> None:
        target = targets.load("gpu")
        keys = {freshness.target_key(target, found) for found in ((), ONE, ("Another",))}
        assert len(keys) == 3

    @pytest.mark.parametrize("name", ["cpu", "rpi", "rpi32"])
    def test_the_others_do_not_care(self, name: str) -> None:
        target = targets.load(name)
        assert freshness.target_key(target, ()) == freshness.target_key(target, ONE)


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (gpu.NotOnGpu(gpu.NO_ADAPTER), "no GPU adapter here: proven on the CPU path alone"),
        (
            gpu.NotOnGpu("no shader-f16", "onnx", "float16", "onnx"),
            "onnx float16 not proven on the GPU by onnx: no shader-f16",
        ),
    ],
)
def test_what_is_not_proven_is_one_line(note: gpu.NotOnGpu, said: str) -> None:
    content: dict[str, Any] = {
        "without_native": "",
        "keras": {"self_evaluated": False, "metric": None},
        "variants": [],
        "left_out": [],
        "guard": [],
        "footprints": [],
        "not_on_gpu": [{"bundle": "m-gpu.strop", "target": "gpu", **asdict(note)}],
    }
    device = "on the device: strop check m-gpu.strop --device gpu"
    assert [str(text) for text in report.notes(content)] == [f"m-gpu.strop: {said}; {device}"]

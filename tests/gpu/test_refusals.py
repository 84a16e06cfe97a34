"""The requested GPU, or DeviceUnavailable: never a silent fallback to the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lab import vulkan
from strop.bundle.open import open_bundle
from tests.conftest import Exported
from tests.environments import installed, python_of
from tests.gpu.conftest import place_of
from tests.gpu.paths import MODERN, VULKAN_PATHS, engine, has_cuda, python, run, strop

LIMIT_S = 5


@pytest.fixture(scope="module")
def one(edge: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one") / "one.npy"
    np.save(path, edge.evaluation()["inputs"][0])
    return path


@pytest.fixture(scope="module")
def onnx_cuda(edge: Exported) -> Path:
    """onnxruntime-gpu without NVIDIA's libraries, as on many machines."""
    return installed(
        "gpu-onnx-without-cuda", python_of(*MODERN), str(edge.wheel), "onnxruntime-gpu==1.31.1"
    )


class TestWithoutAdapter:
    """Vulkan's loader is installed, but no driver."""

    @pytest.mark.parametrize("path", VULKAN_PATHS)
    def test_the_command_exits_2_with_one_line(
        self, path: str, edge: Exported, one: Path, no_adapter: dict[str, str]
    ) -> None:
        command = ("run", edge.bundle("gpu"), one, "--engine", engine(path), "--device", "gpu")
        interpreter = python(path, edge)
        started = time.monotonic()
        done = strop(interpreter, command, no_adapter)
        assert time.monotonic() - started < LIMIT_S
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"strop: {engine(path)} found no")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("path", VULKAN_PATHS)
    def test_load_raises(self, path: str, edge: Exported, no_adapter: dict[str, str]) -> None:
        script = (
            "import strop, sys, time\n"
            "started = time.monotonic()\n"
            "try: strop.load(sys.argv[1], device='gpu')\n"
            "except strop.DeviceUnavailable: print(time.monotonic() - started)"
        )
        done = run(python(path, edge), ["-c", script, edge.bundle("gpu")], no_adapter)
        assert 0 < float(done.stdout) < LIMIT_S

    @pytest.mark.parametrize("path", VULKAN_PATHS)
    def test_auto_works_and_says_that_it_chose_the_cpu(
        self, path: str, edge: Exported, one: Path, no_adapter: dict[str, str], tmp_path: Path
    ) -> None:
        command = ("run", edge.bundle("gpu"), one, "--device", "auto")
        variables = {**no_adapter, "XDG_CACHE_HOME": str(tmp_path)}
        done = strop(python(path, edge), command, variables)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[1] == "7"
        assert "\ndevice auto: cpu, the default until strop tune has measured" in done.stderr

    def test_check_says_that_the_gpu_is_absent_and_passes(
        self, edge: Exported, no_adapter: dict[str, str]
    ) -> None:
        done = strop(python("litert", edge), ["check", edge.bundle("gpu")], no_adapter)
        assert done.returncode == 0
        assert "litert gpu  float32    tflite   absent" in done.stdout
        insisting = ["check", edge.bundle("gpu"), "--device", "gpu"]
        assert strop(python("litert", edge), insisting, no_adapter).returncode == 2

    def test_the_doctor_says_so(self, no_adapter: dict[str, str], edge: Exported) -> None:
        done = strop(python("litert", edge), ["doctor"], no_adapter)
        assert done.returncode == 0
        assert "GPU         none" in done.stdout

    @pytest.mark.skipif(has_cuda(), reason="needs a machine without an NVIDIA GPU")
    def test_cuda(self, onnx_cuda: Path, edge: Exported, one: Path) -> None:
        command = ("run", edge.bundle("gpu"), one, "--engine", "onnx", "--device", "gpu")
        done = strop(onnx_cuda, command, {})
        assert done.returncode == 2
        assert "onnx found no GPU for CUDAExecutionProvider" in done.stderr


# Plain ONNX Runtime, then Strop, in a process whose drivers claim to have an adapter.
FALLS_BACK = """
import sys
import onnxruntime
import strop
from strop.device import adapters
from strop.engines import onnx_gpu

path, provider = sys.argv[1:]
found = (adapters.Adapter("Acme", "Phantom", "Vulkan 1.3", "discrete"),)
entry = onnx_gpu.PROVIDERS[provider]
onnx_gpu.PROVIDERS[provider] = entry._replace(adapters=lambda: found)

from strop.bundle.open import open_bundle
bundle = open_bundle(path)
(variant,) = (v for v in bundle.manifest.variants if v.file.endswith("float32.onnx"))
try:
    session = onnxruntime.InferenceSession(
        bundle.read(variant), providers=[provider, "CPUExecutionProvider"])
    print("plain:", session.get_providers()[0])
except Exception as error:
    print("plain:", type(error).__name__)
try:
    print("strop:", strop.load(path, engine="onnx", device="gpu").device)
except strop.DeviceUnavailable as error:
    print("strop:", error)
"""


class TestProviderThatFails:
    """The driver claims an adapter, but the provider does not start."""

    @pytest.mark.skipif(has_cuda(), reason="needs a machine without an NVIDIA GPU")
    def test_cuda_without_its_libraries(self, onnx_cuda: Path, edge: Exported) -> None:
        """ONNX Runtime prints, and runs on the CPU."""
        provider = "CUDAExecutionProvider"
        done = run(onnx_cuda, ["-c", FALLS_BACK, edge.bundle("gpu"), provider], {})
        plain, ours = done.stdout.splitlines()
        assert plain == "plain: CPUExecutionProvider"  # the fallback is real
        assert ours.startswith("strop: onnx found no CUDA: lib")
        assert ".so" in ours
        assert "[onnx-gpu]'" in ours

    def test_webgpu_without_an_adapter(self, edge: Exported, no_adapter: dict[str, str]) -> None:
        provider = "WebGpuExecutionProvider"
        interpreter = python("onnx-webgpu", edge)
        done = run(interpreter, ["-c", FALLS_BACK, edge.bundle("gpu"), provider], no_adapter)
        assert "plain: CPUExecutionProvider" in done.stdout.splitlines()
        assert done.stdout.splitlines()[-1].startswith("strop: onnx")


class TestSoftwareBesideAnother:
    """An adapter that is not software, and that WebGPU cannot use, comes before SwiftShader."""

    @pytest.mark.parametrize("path", VULKAN_PATHS)
    def test_the_program_is_not_taken_for_it(self, path: str, edge: Exported, one: Path) -> None:
        place_of("software")
        both = vulkan.beside_another()
        command = ("run", edge.bundle("gpu"), one, "--engine", engine(path), "--device", "gpu")
        done = strop(python(path, edge), command, both)
        assert (done.returncode, done.stdout) == (2, "")
        refusal = next(line for line in done.stderr.splitlines() if line.startswith("strop: "))
        assert "Vulkan Mock Device" in refusal
        assert "SwiftShader" not in refusal

    @pytest.mark.parametrize("path", VULKAN_PATHS)
    def test_what_the_app_had_hidden_stays_hidden_and_nothing_else(
        self, path: str, edge: Exported
    ) -> None:
        script = (
            "import os, strop, sys\n"
            "try: strop.load(sys.argv[1], device='gpu')\n"
            "except strop.DeviceUnavailable: pass\n"
            "print(os.environ.get('VK_LOADER_DRIVERS_DISABLE'))"
        )
        place_of("software")
        for before in (None, "*nouveau*"):
            variables = vulkan.beside_another()
            if before:
                variables["VK_LOADER_DRIVERS_DISABLE"] = before
            done = run(python(path, edge), ["-c", script, edge.bundle("gpu")], variables)
            assert done.stdout.splitlines()[-1] == str(before), done.stderr


# A file that is not the manifest's, opened on the GPU.
PART_OF_IT = """
import sys
from pathlib import Path
import strop
from strop import engines
from strop.bundle.open import open_bundle

path, engine, file = sys.argv[1:]
variant = next(v for v in open_bundle(path).manifest.variants if engine in v.engines)
try:
    engines.get(engine).open(Path(file).read_bytes(), variant, device="gpu", threads=1)
except strop.DeviceUnavailable as error:
    print(error)
"""


def _quantized_onnx(edge: Exported) -> bytes:
    bundle = open_bundle(edge.bundle("cpu"))
    (variant,) = (v for v in bundle.manifest.variants if v.file.endswith("int8.onnx"))
    return bundle.read(variant)


def _tflite_in_space(edge: Exported) -> bytes:
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(1, 28, 28))
    voxels = keras.layers.Reshape((1, 28, 28, 1))(inputs)
    outputs = keras.layers.Flatten()(keras.layers.Conv3D(1, (1, 28, 28))(voxels))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, outputs))
    return bytes(converter.convert())


@pytest.mark.parametrize(
    ("path", "make"), [("onnx-webgpu", _quantized_onnx), ("litert", _tflite_in_space)]
)
def test_a_graph_that_does_not_go_there_whole_is_refused(
    path: str, make: Callable[[Exported], bytes], edge: Exported, tmp_path: Path
) -> None:
    """WebGPU has no integer layers, LiteRT's GPU no CONV_3D."""
    file = tmp_path / "model"
    file.write_bytes(make(edge))
    command = ["-c", PART_OF_IT, edge.bundle("gpu"), engine(path), file]
    done = run(python(path, edge), command, place_of("software").variables)
    assert "operator of this model" in " ".join(done.stdout.split()), done.stdout + done.stderr


def test_a_bundle_for_cpus_is_refused(edge: Exported, one: Path) -> None:
    variables = place_of("software").variables
    command = ("run", edge.bundle("cpu"), one, "--device", "gpu")
    done = strop(python("litert", edge), command, variables)
    assert done.returncode == 2
    assert "mnist-mlp-cpu has no variant made for the GPU" in done.stderr


def test_an_onnxruntime_built_without_a_gpu_says_what_to_install(edge: Exported, one: Path) -> None:
    interpreter = installed(
        "onnx", python_of((3, 11), (3, 12), (3, 13), (3, 10)), f"{edge.wheel}[onnx]"
    )
    command = ("run", edge.bundle("gpu"), one, "--engine", "onnx", "--device", "gpu")
    done = strop(interpreter, command, place_of("software").variables)
    assert done.returncode == 2
    assert "was built without a GPU" in done.stderr
    assert "[onnx-webgpu]'" in done.stderr

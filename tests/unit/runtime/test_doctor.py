"""strop doctor: engines that work, are broken in every way, or are absent.

Engines are broken by packages of the same names put before the real ones on the path.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.commands.terminal import lay_out
from strop.device import board
from strop.diagnostics import doctor
from strop.diagnostics.probe import ProbeResult
from strop_export.runtime import copy_wheel
from tests.environments import ROOT, installed, python_of, run
from tests.needs import unavailable
from tests.unit.runtime import boards, gpus

SOURCE = ROOT / "runtime" / "src"
TIMEOUT_S = 10  # where something hangs: the others answer in less
COMMAND = Path(sys.executable).with_name("strop")  # unlike -m, it does not import from the cwd

# A LiteRT in Python, right or wrong.
INTERPRETER = """
    import numpy as np
    import io
    from strop.diagnostics import probe_models

    WEIGHTS = np.load(io.BytesIO(probe_models.model("weights")[0]))
    KERNEL, BIAS = WEIGHTS["kernel_0"], WEIGHTS["bias_0"]

    class Interpreter:
        def __init__(self, model_content, num_threads): self._interpreter = self
        def allocate_tensors(self): pass
        def get_input_details(self):
            return [{"name": "input", "shape": [1, 16], "dtype": np.float32, "index": 0}]
        def get_output_details(self):
            return [{"name": "output", "shape": [1, 8], "dtype": np.float32, "index": 1}]
        value = np.zeros((1, 16), np.float32)
        def tensor(self, native, index): return self.value
        def SetTensor(self, index, value): self.value = value
        def Invoke(self): pass
        def GetTensor(self, index): return self.value @ KERNEL + BIAS
"""


def _run(
    *arguments: str,
    path: Path | None = None,
    python: Path | None = None,
    gpu: dict[str, str] = gpus.NONE,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run the command in a separate process, with a folder of fakes and strop's on its path."""
    paths = ":".join(str(folder) for folder in (path, SOURCE) if folder)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **gpu}
    command = [str(python), "-m", "strop"] if python else [str(COMMAND)]
    return run(*command, *arguments, check=False, env=environment, **options)


def _doctor(*arguments: str, **options: Any) -> dict[str, Any]:
    """Return its JSON output, with engines by name; those on the GPU are "litert gpu"."""
    done = _run("doctor", "--json", *arguments, **options)
    assert done.stderr == ""
    content: dict[str, Any] = json.loads(done.stdout)
    assert set(content) == {
        *("board", "os", "machine", "bits", "python", "glibc", "numpy", "cpu"),
        *("adapters", "driver_troubles", "engines"),
    }
    content["engines"] = {
        f"{finding['engine']} {finding['device']}".removesuffix(" cpu"): finding
        for finding in content["engines"]
    }
    on_cpu = [name for name in content["engines"] if not name.endswith(" gpu")]
    assert on_cpu == list(doctor.ENGINES)
    return {**content, "status": done.returncode}


def _litert(folder: Path, module: str, interpreter: str = INTERPRETER) -> Path:
    """A folder with a replacement of LiteRT's package."""
    package = folder / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text(
        '__version__ = "9.9"\n' + textwrap.dedent(module), encoding="utf-8"
    )
    (package / "interpreter.py").write_text(textwrap.dedent(interpreter), encoding="utf-8")
    return folder


class TestWhatWorks:
    def test_the_engines_here_work_and_the_absent_one_has_its_line(self) -> None:
        found = _doctor()
        assert found["status"] == 0
        for engine in ("litert", "onnx", "reference"):
            finding = found["engines"][engine]
            assert (finding["status"], finding["reason"], finding["mend"]) == ("works", "", "")
            assert (finding["device"], finding["adapter"]) == ("cpu", "")
            assert finding["version"]
        assert found["engines"]["reference"]["version"] == found["numpy"] == np.__version__
        tflite = found["engines"]["tflite"]
        assert (tflite["status"], tflite["version"]) == ("absent", "")

    def test_tflite_runtime_works(self, tflite_python: Path) -> None:
        found = _doctor(python=tflite_python)
        assert found["status"] == 0
        tflite = found["engines"]["tflite"]
        assert (tflite["status"], tflite["version"]) == ("works", "2.14.0")
        litert = found["engines"]["litert"]
        assert (litert["status"], litert["reason"]) == ("absent", "not installed")
        assert litert["mend"] == "pip install './strop-0.1.0-py3-none-any.whl[litert]'"

    def test_the_machine_is_described(self) -> None:
        found, here = _doctor(), board.read()
        for name in ("board", "os", "machine", "bits", "glibc", "numpy"):
            assert found[name] == getattr(here, name)
        assert found["cpu"] == {
            "model": here.cpu.model,
            "cores": here.cpu.cores,
            "features": list(here.cpu.features),
        }

    def test_what_lies_in_the_current_directory_is_nobody_s_engine(self, tmp_path: Path) -> None:
        _litert(tmp_path, "raise RuntimeError('a stranger')")
        assert _doctor(cwd=tmp_path)["engines"]["litert"]["status"] == "works"

    def test_a_noisy_engine_works(self, tmp_path: Path) -> None:
        noise = """
            import os, sys
            print('{"version": "noise", "error": ""}', flush=True)
            print("to stderr", file=sys.stderr)
            os.write(1, b"from native code" * 10000)
        """
        litert = _doctor(path=_litert(tmp_path, noise))["engines"]["litert"]
        assert (litert["status"], litert["version"]) == ("works", "9.9")


BROKEN = {
    "a newer CPU's code": (
        "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        "died of SIGILL (illegal instruction): this wheel was built for a newer CPU",
        "use another engine",
    ),
    "a crash": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "died of SIGSEGV (bad memory access)",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
    "a signal without a name": (
        "import os; os.kill(os.getpid(), 40)",
        "died of signal 40",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
    "last words": (
        "import os; os.write(2, b'terminating\\nwhat(): no luck\\n'); os.abort()",
        "died of SIGABRT (it gave up); its last output: what(): no luck",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
    "an end": ("import os; os._exit(3)", "ended with exit 3 and no answer", ""),
    "an exit": ("raise SystemExit('enough')", "SystemExit: enough", ""),
    "a newer glibc": (
        'raise ImportError("/lib/libc.so.6: version `GLIBC_2.38\' not found (required by a.so)")',
        "the package needs GLIBC_2.38, and what this OS has is older: engine 'litert' is installed",
        "update the OS, or use another engine",
    ),
    "a library that is not there": (
        "import ctypes; ctypes.CDLL('libstrop-has-none.so.7')",
        "the OS has no libstrop-has-none.so.7, which the package needs: ",
        "libstrop-has-none",
    ),
    "a library of its own that is gone": (
        "raise ImportError('libgomp-a34b3233.so.1.0.0: cannot open shared object file')",
        "the package lacks one of its own libraries: engine 'litert' is installed and broken: ",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
    "a symbol that is not there": (
        "raise ImportError('/a/_wrap.so: undefined symbol: _ZN6tflite3opsE')",
        "the package misses _ZN6tflite3opsE in another library's version here: ",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
    "another machine's code": (
        "raise ImportError('/a/_wrap.so: wrong ELF class: ELFCLASS32')",
        "the package is damaged, or was made for another machine: ",
        "pip install --force-reinstall --no-deps ai-edge-litert",
    ),
}


class TestWhereStropIs:
    def test_it_may_be_the_very_wheel(self, tmp_path: Path) -> None:
        wheel = copy_wheel(tmp_path)
        done = run(
            *(sys.executable, "-m", "strop", "doctor", "--json"),
            env={**os.environ, "PYTHONPATH": str(wheel), **gpus.NONE},
            cwd=tmp_path,
        )
        statuses = {row["engine"]: row["status"] for row in json.loads(done.stdout)["engines"]}
        assert statuses == {**dict.fromkeys(doctor.ENGINES, "works"), "tflite": "absent"}


class TestWhatIsBroken:
    @pytest.mark.parametrize("name", BROKEN)
    def test_it_is_named_with_its_mend_and_the_others_go_on(
        self, name: str, tmp_path: Path
    ) -> None:
        module, reason, mend = BROKEN[name]
        found = _doctor(path=_litert(tmp_path, module))
        litert = found["engines"]["litert"]
        assert litert["status"] == "broken"
        assert litert["reason"].startswith(reason)
        assert mend in litert["mend"]
        assert found["status"] == 1
        assert {found["engines"][engine]["status"] for engine in ("onnx", "reference")} == {"works"}

    def test_the_engine_s_own_words_are_kept(self, tmp_path: Path) -> None:
        module = "raise ImportError('_wrap.so: undefined symbol: _ZN6tflite3opsE')"
        reason = _doctor(path=_litert(tmp_path, module))["engines"]["litert"]["reason"]
        assert "importing ai_edge_litert gives ImportError: _wrap.so: undefined symbol" in reason

    def test_a_hang_ends_with_all_that_it_started(self, tmp_path: Path) -> None:
        path = _litert(tmp_path, _hangs(tmp_path / "child"))
        start = time.monotonic()
        found = _doctor("--timeout", str(TIMEOUT_S), path=path)
        assert time.monotonic() - start < 300
        assert found["status"] == 1
        litert = found["engines"]["litert"]
        assert litert["status"] == "broken"
        assert litert["reason"] == f"did not answer in {TIMEOUT_S} s"
        assert "--timeout" in litert["mend"]
        assert found["engines"]["onnx"]["status"] == "works"
        _gone(int((tmp_path / "child").read_text(encoding="ascii")))

    def test_stopping_the_doctor_stops_what_it_tries(self, tmp_path: Path) -> None:
        child = tmp_path / "child"
        paths = f"{_litert(tmp_path, _hangs(child))}:{SOURCE}"
        doctor = subprocess.Popen(
            [COMMAND, "doctor"],
            env={**os.environ, "PYTHONPATH": paths, **gpus.NONE},
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (child.exists() and child.read_text(encoding="ascii")):
            assert doctor.poll() is None
            time.sleep(0.05)
        doctor.send_signal(signal.SIGINT)
        assert doctor.communicate(timeout=60)[1] == "strop: stopped\n"
        assert doctor.returncode == 130
        _gone(int(child.read_text(encoding="ascii")))

    def test_a_wrong_answer_is_told_from_the_right_one(self, tmp_path: Path) -> None:
        wrong = INTERPRETER.replace("+ BIAS", "- BIAS")
        found = _doctor(path=_litert(tmp_path, "", wrong))
        litert = found["engines"]["litert"]
        assert (litert["status"], litert["version"]) == ("broken", "9.9")
        assert litert["reason"].startswith("computes wrongly: [")
        assert found["status"] == 1

    def test_tflite_runtime_under_numpy_2_says_exactly_that(self) -> None:
        python = python_of((3, 11), (3, 10))
        python = installed("tflite-numpy-2", python, "tflite-runtime==2.14.0", "numpy>=2,<3")
        found = _doctor(python=python)
        tflite = found["engines"]["tflite"]
        assert (tflite["status"], tflite["version"]) == ("broken", "2.14.0")
        assert tflite["reason"].startswith(
            f"tflite-runtime 2.14 was built for numpy 1 and this is numpy {found['numpy']}: "
        )
        assert "Error" in tflite["reason"].partition(found["numpy"])[2]
        assert tflite["mend"] == "pip install 'numpy<2'"
        assert found["engines"]["reference"]["status"] == "works"
        assert found["status"] == 1


def _hangs(note: Path) -> str:
    """A module that starts a process, records its number, and never ends."""
    return f"""
        import pathlib, subprocess, time
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path({str(note)!r}).write_text(str(child.pid))
        time.sleep(600)
    """


def _gone(process: int) -> None:
    for _ in range(1200):
        stat = Path(f"/proc/{process}/stat")
        try:
            if stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} goes on")


def test_a_missing_library_of_debian_s_has_its_package_named() -> None:
    said = "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory"
    for debian, mend in ((True, "sudo apt install libgomp1"), (False, "install what has libgomp")):
        here = boards.board("aarch64", "3.11.2", debian=debian)
        reason, found = doctor.explain("onnx", ProbeResult(error=said), here)
        assert reason.startswith("the OS has no libgomp.so.1, ")
        assert found.startswith(mend)


def test_the_onnxruntime_that_is_installed_is_the_one_that_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"onnxruntime-webgpu": "1.27.0"}
    monkeypatch.setattr(doctor, "_installed", lambda package: there.get(package, ""))
    assert doctor._version("onnx") == "1.27.0"
    _, mend = doctor.explain("onnx", ProbeResult(error="no luck"), boards.PC)
    assert mend == "pip install --force-reinstall --no-deps onnxruntime-webgpu"
    there.clear()
    assert doctor._version("onnx") == ""
    _, mend = doctor.explain("onnx", ProbeResult(error="no luck"), boards.PC)
    assert mend == "pip install --force-reinstall --no-deps onnxruntime"


# LiteRT on the GPU, in place of strop's own module.
ON_GPU = """
    import os, signal, time
    from strop.errors import DeviceUnavailable
    from strop.diagnostics.probe_models import ANSWER

    class Session:
        adapter = "AMD Radeon, Vulkan 1.3"
        def run(self, inputs): return ANSWER
        def close(self): pass

    def open_on_gpu(model, variant):
        {}
"""
# Start-up code: it sets the drivers' answers, and gives LiteRT the module above.
FIRST = """
    import os, signal, sys, time
    import strop.device.adapters as adapters
    sys.modules["strop.engines.litert_gpu"] = None
    radeon = adapters.Adapter("AMD", "Radeon", "Vulkan 1.3", "discrete")
    h200 = adapters.Adapter("NVIDIA", "NVIDIA H200", "CUDA 12.8", "discrete")
    adapters.vulkan, adapters.cuda = {}
    import importlib.util
    spec = importlib.util.spec_from_file_location("on_gpu", {!r})
    sys.modules["strop.engines.litert_gpu"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
"""
RADEON = "lambda: [radeon], lambda: []"


def _gpu(folder: Path, drivers: str = RADEON, on_gpu: str = "return Session()") -> Path:
    """A folder with a LiteRT in Python, and drivers and a GPU that run given code."""
    (folder / "on_gpu.py").write_text(
        textwrap.dedent(ON_GPU).format(on_gpu) if on_gpu else "", encoding="utf-8"
    )
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(FIRST).format(drivers, str(folder / "on_gpu.py")), encoding="utf-8"
    )
    return _litert(folder, "")


# the code that opens a model on the GPU, the status, the reason, the mend
GPUS = {
    "a refusal": (
        "raise DeviceUnavailable('it lacks shader-f16;\\nuse float32')",
        "absent",
        "it lacks shader-f16;\\nuse float32",
        "",
    ),
    "a wrong answer": (
        "s = Session(); s.run = lambda inputs: (ANSWER + 1,); return s",
        "broken",
        "computes wrongly: [",
        "update the GPU's driver, or use device='cpu'",
    ),
    "an error": (
        "raise OSError('no memory')",
        "broken",
        "OSError: no memory",
        "update the GPU's driver, or use device='cpu'",
    ),
    "a crash": (
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "broken",
        "died of SIGSEGV (bad memory access)",
        "update the GPU's driver, or use device='cpu'",
    ),
    "a hang": (
        "time.sleep(600)",
        "broken",
        f"did not answer in {TIMEOUT_S} s",
        "give a slow board more time with --timeout; or update the GPU's driver",
    ),
}


class TestGpus:
    def test_an_engine_that_works_on_one_says_on_which(self, tmp_path: Path) -> None:
        found = _doctor(path=_gpu(tmp_path))
        assert found["adapters"] == [
            {"vendor": "AMD", "name": "Radeon", "api": "Vulkan 1.3", "kind": "discrete"}
        ]
        assert found["status"] == 0
        on_gpu = [name for name in found["engines"] if name.endswith(" gpu")]
        assert on_gpu == ["litert gpu", "onnx gpu"]
        assert found["engines"]["litert gpu"] == {
            "engine": "litert",
            "device": "gpu",
            "status": "works",
            "version": "9.9",
            "reason": "",
            "mend": "",
            "adapter": "AMD Radeon, Vulkan 1.3",
        }

    @pytest.mark.parametrize("name", GPUS)
    def test_what_does_not_work_is_named_with_its_mend(self, name: str, tmp_path: Path) -> None:
        on_gpu, status, reason, mend = GPUS[name]
        limit = ("--timeout", str(TIMEOUT_S)) if name == "a hang" else ()
        found = _doctor(*limit, path=_gpu(tmp_path, on_gpu=on_gpu))
        gpu = found["engines"]["litert gpu"]
        assert gpu["status"] == status
        assert gpu["reason"].startswith(reason)
        assert gpu["mend"].startswith(mend)
        assert bool(gpu["mend"]) == bool(mend)
        assert gpu["adapter"] == ""
        assert found["engines"]["litert"]["status"] == "works"
        assert found["status"] == (status == "broken")

    @pytest.mark.parametrize(
        ("drivers", "line"),
        [
            (RADEON, "[onnx-webgpu]'"),
            ("lambda: [], lambda: [h200]", "[onnx-gpu]' 'onnxruntime-gpu==1.26.0'"),
            ("lambda: [radeon], lambda: [h200]", "[onnx-gpu]' 'onnxruntime-gpu==1.26.0'"),
        ],
    )
    def test_an_onnxruntime_without_a_gpu_has_the_line_for_one_that_fits(
        self, drivers: str, line: str, tmp_path: Path
    ) -> None:
        if board.read().machine != "x86_64":
            unavailable("onnxruntime for GPUs has few wheels but for x86-64", "an x86-64 machine")
        found = _doctor(path=_gpu(tmp_path, drivers))
        gpu = found["engines"]["onnx gpu"]
        assert (gpu["status"], found["status"]) == ("absent", 0)
        assert "built without a GPU" in gpu["reason"]
        assert "pip" not in gpu["reason"]
        assert gpu["mend"].startswith("in a separate environment: python3 -m venv strop-gpu &&")
        assert gpu["mend"].endswith(line)

    def test_an_engine_that_is_broken_is_not_tried_on_one(self, tmp_path: Path) -> None:
        folder = _gpu(tmp_path)
        wrong = textwrap.dedent(INTERPRETER.replace("+ BIAS", "- BIAS"))
        (folder / "ai_edge_litert" / "interpreter.py").write_text(wrong, encoding="utf-8")
        found = _doctor(path=folder)["engines"]
        assert found["litert"]["status"] == "broken"
        assert "litert gpu" not in found
        assert "onnx gpu" in found

    @pytest.mark.parametrize(
        ("driver", "became"),
        [
            ("lambda: os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV (bad memory access)"),
            ("lambda: time.sleep(600)", f"did not answer in {TIMEOUT_S} s"),
        ],
    )
    def test_a_driver_that_takes_its_process_with_it_is_a_fact(
        self, driver: str, became: str, tmp_path: Path
    ) -> None:
        path = _gpu(tmp_path, f"{driver}, lambda: []")
        limit = ("--timeout", str(TIMEOUT_S))
        found = _doctor(*limit, path=path)
        assert (found["status"], found["adapters"]) == (0, [])
        assert found["driver_troubles"] == [f"the Vulkan driver {became}"]
        assert not any(name.endswith("gpu") for name in found["engines"])
        printed = _run("doctor", *limit, path=path).stdout
        assert f"\nGPU         the Vulkan driver {became}\n" in printed

    def test_one_driver_s_death_is_not_the_other_s(self, tmp_path: Path) -> None:
        found = _doctor(path=_gpu(tmp_path, "lambda: [radeon], os.abort"))
        assert [adapter["name"] for adapter in found["adapters"]] == ["Radeon"]
        assert found["driver_troubles"] == ["the CUDA driver died of SIGABRT (it gave up)"]
        assert found["engines"]["litert gpu"]["status"] == "works"

    def test_each_is_printed_on_a_line_and_beside_its_engine(self, tmp_path: Path) -> None:
        done = _run("doctor", path=_gpu(tmp_path, "lambda: [radeon], lambda: [h200]"))
        assert done.returncode == 0
        assert (
            "\nGPU         NVIDIA H200, CUDA 12.8\n            AMD Radeon, Vulkan 1.3\n\n"
        ) in done.stdout
        assert "\nlitert      works   9.9" in done.stdout
        assert "\nlitert gpu  works   9.9      AMD Radeon, Vulkan 1.3\n" in done.stdout

    def test_for_real_litert_works_on_a_software_one(self) -> None:
        found = _doctor(gpu=gpus.software())
        assert found["status"] == 0
        (adapter,) = found["adapters"]
        assert adapter["kind"] == "software"
        gpu = found["engines"]["litert gpu"]
        assert (gpu["status"], gpu["reason"]) == ("works", "")
        assert gpu["adapter"].endswith("Vulkan 1.3, software")

    def test_for_real_onnxruntime_works_on_a_software_one(self) -> None:
        found = _doctor(gpu=gpus.software(), python=gpus.webgpu_python())
        assert found["status"] == 0
        cpu, gpu = found["engines"]["onnx"], found["engines"]["onnx gpu"]
        assert (gpu["status"], gpu["reason"]) == ("works", "")
        assert gpu["version"] == cpu["version"]
        assert gpu["adapter"].endswith("Vulkan 1.3, software")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with nothing in it."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


class TestAnotherOfNumpyAlone:
    """A second engine without a package, added by a module and a row of the table."""

    @pytest.fixture
    def first(self, tmp_path: Path) -> Path:
        (tmp_path / "sitecustomize.py").write_text(
            "import sys\n"
            "from strop import engines\n"
            "engines.TABLE = {**engines.TABLE, 'toy': engines.Entry(None, 'weights')}\n"
            "engines.NAMES = tuple(engines.TABLE)\n"
            "if 'numpy' not in sys.argv[-1:]:\n"
            "    import importlib\n"
            "    find = importlib.import_module\n"
            "    def as_reference(name):\n"
            "        return find(name.replace('engines.toy', 'engines.reference'))\n"
            "    importlib.import_module = as_reference\n"
        )
        return tmp_path

    def _rows(self, **options: Any) -> dict[str, Any]:
        found = json.loads(_run("doctor", "--json", **options).stdout)["engines"]
        return {row["engine"]: row for row in found}

    def test_it_works_as_the_reference_does(self, first: Path) -> None:
        toy = self._rows(path=first)["toy"]
        assert (toy["status"], toy["version"]) == ("works", np.__version__)

    def test_without_numpy_it_is_absent_with_the_same_mend(self, first: Path, bare: Path) -> None:
        rows = self._rows(path=first, python=bare)
        toy, reference = rows["toy"], rows["reference"]
        assert (toy["status"], toy["mend"]) == ("absent", reference["mend"])


class TestWithoutNumpy:
    @pytest.mark.parametrize(
        "arguments", ["info a", "run a b", "check a", "bench a --device cpu", "tune a"]
    )
    def test_every_command_says_so_in_one_line(self, bare: Path, arguments: str) -> None:
        done = _run(*arguments.split(), python=bare)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "strop: numpy is not installed, and strop needs it; pip install numpy\n"
        )

    def test_the_version_needs_none(self, bare: Path) -> None:
        assert _run("--version", python=bare).stdout == "strop 0.1.0\n"

    def test_the_doctor_tells_all_it_can(self, bare: Path) -> None:
        found = _doctor(python=bare)
        assert (found["numpy"], found["status"]) == (None, 1)
        assert {finding["status"] for finding in found["engines"].values()} == {"absent"}
        reference = found["engines"]["reference"]
        assert reference["reason"] == "numpy is not installed, and strop needs it"
        assert reference["mend"] == "pip install numpy"
        assert found["cpu"]["features"]

    def test_an_engine_installed_without_numpy_is_broken(self, bare: Path, tmp_path: Path) -> None:
        found = _doctor(python=bare, path=_litert(tmp_path, ""))
        litert = found["engines"]["litert"]
        assert (litert["status"], litert["mend"]) == ("broken", "pip install numpy")
        assert found["status"] == 1

    def test_an_app_is_told_what_is_missing_and_the_mend(self, bare: Path) -> None:
        said = "EngineUnavailable: numpy is not installed, and strop needs it; pip install numpy\n"
        assert _app("import strop; strop.load('a')", python=bare).endswith(said)
        assert _app("from strop import Model", python=bare).endswith(said)

    def test_strop_and_its_errors_need_none(self, bare: Path) -> None:
        assert _app("from strop import StropError, load", python=bare) == ""


def _numpy(folder: Path, module: str) -> Path:
    """A folder with a replacement of numpy."""
    package = folder / "numpy"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(module), encoding="utf-8")
    return folder


def _app(code: str, *, path: Path | None = None, python: Path | None = None) -> str:
    """Return an app's stderr."""
    paths = ":".join(str(folder) for folder in (path, SOURCE) if folder)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return run(python or sys.executable, "-c", code, check=False, env=environment).stderr


PIP = "pip install --force-reinstall --no-deps numpy"
LOST = "libopenblas64_p-r0-0cf96a72.3.23.dev.so: cannot open shared object file: No such file"
ADVICE = "\\n\\nIMPORTANT: PLEASE READ THIS\\n\\n"

# the code of numpy, the reported reason, the mend
NUMPY = {
    "as 1.26 says it": (
        f"""
        try:
            try:
                raise ImportError("{LOST}")
            except ImportError as error:
                raise ImportError(f"{ADVICE}Original error was: {{error}}\\n")
        except ImportError as error:
            raise ImportError("not from its source directory") from error
        """,
        f"the package lacks one of its own libraries: {LOST}",
        PIP,
    ),
    "as 2.4 says it": (
        f"""
        try:
            raise ImportError("{LOST}")
        except ImportError as error:
            raise ImportError("{ADVICE}") from error
        """,
        f"the package lacks one of its own libraries: ImportError: {LOST}",
        PIP,
    ),
    "an attribute that is gone": (
        "import sys; sys.no_such_thing",
        "AttributeError: module 'sys' has no attribute 'no_such_thing'",
        PIP,
    ),
    "a library of the OS's": (
        "raise ImportError('libopenblas.so.0: cannot open shared object file')",
        "the OS has no libopenblas.so.0, which the package needs: "
        "ImportError: libopenblas.so.0: cannot open shared object file",
        "libopenblas",
    ),
    "a baseline this CPU has not": (
        "raise RuntimeError('NumPy was built with baseline optimizations: (X86_V2)')",
        "RuntimeError: NumPy was built with baseline optimizations: (X86_V2): "
        "this numpy was built for a newer CPU",
        "use the OS's own (python3-numpy), or an older one",
    ),
}
CRASHES = {
    "a newer CPU's code": (
        "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        "died of SIGILL (illegal instruction): this numpy was built for a newer CPU",
        "use the OS's own (python3-numpy), or an older one",
    ),
    "a crash": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "died of SIGSEGV (bad memory access)",
        PIP,
    ),
    "a hang": (
        "import time; time.sleep(600)",
        "did not answer in 2 s",
        f"give a slow board more time with --timeout; or {PIP}",
    ),
}


class TestBrokenNumpy:
    """It is reported, the doctor survives it, and no other engine is tried with it."""

    @pytest.mark.parametrize("name", [*NUMPY, *CRASHES])
    def test_the_doctor_says_what_became_of_it(self, name: str, bare: Path, tmp_path: Path) -> None:
        module, reason, mend = (NUMPY | CRASHES)[name]
        _litert(_numpy(tmp_path, module), "raise SystemExit('tried')")
        limit = ("--timeout", "2") if name == "a hang" else ()
        found = _doctor(*limit, python=bare, path=tmp_path)
        assert (found["numpy"], found["status"]) == (None, 1)
        for engine in ("reference", "litert"):
            finding = found["engines"][engine]
            assert finding["status"] == "broken"
            assert finding["reason"] == f"numpy is installed and broken: {reason}"
            assert mend in finding["mend"]
        assert found["engines"]["onnx"]["status"] == "absent"
        assert found["cpu"]["features"]

    @pytest.mark.parametrize("name", NUMPY)
    def test_commands_and_apps_say_so_in_one_line(
        self, name: str, bare: Path, tmp_path: Path
    ) -> None:
        module, reason, mend = NUMPY[name]
        path = _numpy(tmp_path, module)
        done = _run("info", "a", python=bare, path=path)
        assert (done.returncode, done.stdout) == (2, "")
        said = f"numpy is installed and broken: {reason}; "
        assert done.stderr.startswith(f"strop: {said}")
        assert mend in done.stderr
        assert done.stderr.count("\n") == 1
        for code in ("import strop; strop.load('a')", "from strop import Model"):
            last = _app(code, python=bare, path=path).splitlines()[-1]
            assert last.startswith(f"strop.errors.EngineUnavailable: {said}")

    def test_one_that_imports_and_computes_wrongly_is_no_reason_to_try_no_other(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            "import strop.diagnostics.probe_models as models; models.ANSWER = models.ANSWER + 1",
            encoding="utf-8",
        )
        engines = _doctor(path=tmp_path)["engines"]
        assert engines["reference"]["reason"].startswith("computes wrongly: [")
        assert engines["reference"]["mend"] in (PIP, "sudo apt install --reinstall python3-numpy")
        assert engines["litert"]["reason"].startswith("computes wrongly: [")


class TestPrinting:
    def test_the_machine_then_a_table(self) -> None:
        done = _run("doctor")
        assert (done.returncode, done.stderr) == (0, "")
        facts, _, table = done.stdout.partition("\n\n")
        assert [line[:11].strip() for line in facts.splitlines()] == [
            *("board", "OS", "machine", "CPU", "features", "Python", "C library", "numpy", "GPU"),
        ]
        assert facts.endswith("\nGPU         none: no Vulkan or CUDA driver has an adapter")
        assert table.splitlines()[0].split() == ["engine", "status", "version", "what", "to", "do"]
        assert f"reference  works   {np.__version__}\n" in table

    def test_nothing_is_wider_than_the_page_and_reasons_go_beneath(self, tmp_path: Path) -> None:
        module = "raise ImportError('_wrap.so: undefined symbol: _ZN6tflite ' + 'and more ' * 30)"
        done = _run("doctor", path=_litert(tmp_path, module))
        assert done.returncode == 1
        assert max(map(len, done.stdout.splitlines())) <= 100
        _, _, beneath = done.stdout.partition("litert     broken  ")
        assert "\n" + " " * 20 in beneath

    def test_a_command_is_broken_after_and_alone(self) -> None:
        text = "sudo apt install a && python3 -m venv b && . b/bin/activate && pip install 'c d e'"
        lines = lay_out([("a" * 57,)], notes=[[text]], room=100)
        assert [line.strip(" a") for line in lines] == [
            "sudo apt install a &&",
            "python3 -m venv b && . b/bin/activate &&",
            "pip install 'c d e'",
        ]

    @pytest.mark.parametrize("arguments", ["--timeout 0", "--timeout soon", "bundle"])
    def test_a_request_that_is_none(self, arguments: str) -> None:
        done = _run("doctor", *arguments.split())
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("strop: ")
        assert done.stderr.count("\n") == 1

    def test_on_a_terminal_it_says_what_it_is_trying(self) -> None:
        ours, its = pty.openpty()
        done = subprocess.run(
            [COMMAND, "doctor"],
            env={**os.environ, **gpus.NONE},
            stdout=subprocess.PIPE,
            stderr=its,
            check=False,
        )
        os.close(its)
        said = os.read(ours, 65536).decode()
        os.close(ours)
        assert done.returncode == 0
        here = [name for name in doctor.ENGINES if name not in ("reference", "tflite")]
        assert [step.split()[1] for step in said.split("\r\033[K") if step] == [
            *("reference", "GPU", *here),  # absent engines are not tried
        ]
        assert said.endswith("\r\033[K")

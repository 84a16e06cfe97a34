"""The results of strop in another environment: an answer, an error, or an unavailable GPU."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from strop_export.errors import DeviceMissing, EngineMissing, ProofError
from strop_export.proof import environments

GPU = ("run", "--device", "gpu")
ENGINE_REFUSAL = '{"error": {"kind": "engine", "problem": "no such engine", "mend": ""}}'
FAREWELL = "INFO: [accelerator_registry.cc:43] DestroyAccelerator"


def said(folder: Path, script: str, *arguments: str) -> dict[str, Any]:
    """The result of `run_strop` with a wheel whose command runs a given script."""
    wheel = folder / "strop-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("strop/__init__.py", "")
        file.writestr("strop/__main__.py", f"import os, sys\n{script}\n")
    return environments.run_strop(Path(sys.executable), [wheel], *arguments, directory=folder)


def test_no_answer_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="printed no JSON object: 'all is well"):
        said(tmp_path, "print('all is well')", "run")


def test_a_gpu_that_cannot_be_had_is_no_refusal(tmp_path: Path) -> None:
    error = json.dumps({"error": {"kind": "device", "problem": "no driver", "mend": "get one"}})
    script = f"sys.exit(print({error!r}) or print('bye', file=sys.stderr) or 2)"
    with pytest.raises(DeviceMissing, match=r"^no driver; get one$"):
        said(tmp_path, script, *GPU)


def test_a_process_that_a_driver_kills_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"strop run died on the GPU \(-6\)"):
        said(tmp_path, "os.abort()", *GPU)


def test_one_that_takes_too_long_on_a_gpu_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_RUN_LIMIT_S", 1)
    with pytest.raises(DeviceMissing, match="it took over 1 s"):
        said(tmp_path, "import time; time.sleep(60)", *GPU)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("os.abort()", ("run",), r"strop run gave exit -6"),
        ("sys.exit('strop: it is broken')", GPU, r"gave exit 1: strop: it is broken"),
        (f"print({ENGINE_REFUSAL!r}); sys.exit('strop: no such engine')", GPU, "no such engine$"),
        ("sys.exit('it is\\nbroken')", GPU, r"gave exit 1: broken$"),
        (
            f"print({ENGINE_REFUSAL!r}); print({FAREWELL!r}, file=sys.stderr); sys.exit(2)",
            GPU,
            r"gave exit 2: no such engine$",
        ),
    ],
)
def test_anything_else_is_one(
    tmp_path: Path, script: str, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ProofError, match=message):
        said(tmp_path, script, *arguments)


@pytest.mark.parametrize(("engine", "device"), [("tflite", "cpu"), ("onnx", "gpu")])
def test_an_environment_that_pip_cannot_fill_is_not_taken_for_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, device: str
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("no-such-package-of-strop==0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(environments, "cache", lambda part: tmp_path / "cache")
    for name in ("TFLITE_LOCK", "WEBGPU_LOCK"):
        monkeypatch.setattr(environments, name, lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in range(2):
        with pytest.raises(EngineMissing, match=f"engine {engine}: .*pip install.* failed"):
            environments.python_for(engine, device)


def test_no_file_in_the_working_directory_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "logging.py").write_text("raise SystemExit('it ran')", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environments, "cache", lambda part: tmp_path / "cache")
    lock = tmp_path / "lock.txt"
    lock.write_text("# the packages are no matter here\n")
    monkeypatch.setattr(environments, "WEBGPU_LOCK", lock)
    assert environments.python_for("onnx", "gpu").is_file()

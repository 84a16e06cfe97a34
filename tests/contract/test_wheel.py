"""The wheel, the only thing that devices install."""

from __future__ import annotations

import ast
import email
import email.message
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import strop

RUNTIME = Path(__file__).parents[2] / "runtime"

ENGINES = {"native", "litert", "tflite", "onnx", "onnx-gpu", "onnx-webgpu"}
EXTRAS = ENGINES | {"drift", "images", "fleet", "serial", "signing", "serve"}


def _build(source: Path, out: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(RUNTIME, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(file.read(name))


def test_it_is_pure_python_of_our_version(wheel: Path) -> None:
    assert wheel.name == f"strop-{strop.__version__}-py3-none-any.whl"


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    info = f"strop-{strop.__version__}.dist-info"
    package = sorted(name for name in names if not name.startswith(f"{info}/"))
    source = RUNTIME / "src"
    assert package == sorted(
        path.relative_to(source).as_posix()
        for path in (source / "strop").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    )
    assert sorted(set(names) - set(package)) == [
        f"{info}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    ]


def test_two_builds_are_the_same_bytes_also_from_another_folder(
    wheel: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "somewhere" / "else"
    shutil.copytree(RUNTIME, copy, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    assert _build(copy, tmp_path / "out").read_bytes() == wheel.read_bytes()


def test_it_needs_python_3_10_and_numpy_alone(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "strop"
    assert metadata["Requires-Python"] == ">=3.10"
    requirements = metadata.get_all("Requires-Dist", [])
    assert [line for line in requirements if ";" not in line] == ["numpy"]


def test_its_extras(metadata: email.message.Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    conditional = [
        line.partition(";") for line in metadata.get_all("Requires-Dist", []) if ";" in line
    ]
    wanted = {(extra.split("'")[-2], name.strip()) for name, _, extra in conditional}
    assert {extra for extra, _ in wanted} == EXTRAS
    assert ("tflite", "numpy<2") in wanted
    assert ("tflite", "tflite-runtime==2.14.0") in wanted


def test_tensorflow_and_keras_are_nowhere(wheel: Path, metadata: email.message.Message) -> None:
    requirements = " ".join(metadata.get_all("Requires-Dist", [])).lower()
    assert "tensorflow" not in requirements
    assert "keras" not in requirements
    with zipfile.ZipFile(wheel) as file:
        for name in file.namelist():
            if name.endswith(".py"):
                names = {
                    part
                    for node in ast.walk(ast.parse(file.read(name)))
                    if isinstance(node, ast.Import | ast.ImportFrom)
                    for part in [getattr(node, "module", None), *(a.name for a in node.names)]
                }
                assert not {
                    n
                    for n in names
                    if n
                    and n.startswith(("tensorflow", "keras", "tf"))
                    and not n.startswith("tflite_runtime")
                }, name


def test_every_install_line_in_it_names_the_wheel_file(wheel: Path) -> None:
    """The name strop is not registered: `pip install strop` would install a stranger's package."""
    with zipfile.ZipFile(wheel) as file:
        for name in file.namelist():
            if name.endswith((".plan", ".tflite", ".onnx", ".npz")):
                continue
            text = file.read(name).decode("utf-8")
            for line in text.splitlines():
                if "pip install" in line:
                    assert "strop-" in line, f"{name}: {line}"


def test_the_command_is_strop(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("entry_points.txt"))
        assert file.read(name).decode().split() == [
            *("[console_scripts]", "strop", "=", "strop.cli:main"),
            *("[pyinstaller40]", "hook-dirs", "=", "strop._pyinstaller:hook_dirs"),
        ]

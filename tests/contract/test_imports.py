"""The allowed imports, and the precedence of our top-level packages."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime" / "src" / "strop"
ENGINES = {"strop_native", "ai_edge_litert", "tflite_runtime", "onnxruntime"}
ALLOWED = {"numpy", "PIL", "cryptography", "strop", *ENGINES}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield (node.module or "").partition(".")[0]


def _sources() -> list[str]:
    return sorted(str(path.relative_to(RUNTIME)) for path in RUNTIME.rglob("*.py"))


def test_the_contracts_of_pyproject_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "7 kept" in done.stdout


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not at import time, inside a function, or only for type checkers."""
    graph = grimp.build_graph("strop", "strop_export", "train", "lab", "benchmarks", cache_dir=None)
    assert len(graph.modules) > 200
    imports = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    assert "strop.errors" in imports["strop.bundle.file"]  # it finds all modules
    tuple(TopologicalSorter(imports).static_order())  # or CycleError, which names the cycle


@pytest.mark.parametrize("source", _sources())
def test_a_module_of_the_runtime_imports_the_standard_library_numpy_and_its_engine(
    source: str,
) -> None:
    others = set(_imported(RUNTIME / source)) - sys.stdlib_module_names
    if source == "bundle/digest.py":
        others -= {"_sha2", "_sha256"}  # each in the standard library of some Pythons
    if source.startswith("_pyinstaller/"):  # PyInstaller alone imports it
        others -= {"PyInstaller"}
    if source.startswith("serve/"):  # the extra [serve]; `strop serve` alone imports it
        others -= {"starlette", "uvicorn", "orjson", "prometheus_client"}
    if source.startswith("fleet/"):  # the extra [fleet]; the commands for fleets alone import it
        others -= {"tuf", "securesystemslib", "urllib3", "paho", "backports", "tomli"}
        others -= {"compression"}  # in the standard library from 3.14 on
    if source == "commands/fleet.py":  # to tell that the extra is missing
        others -= {"tuf"}
    if source == "diagnostics/serial_line.py":  # the extra [serial]; `strop check --serial` alone
        others -= {"serial"}
    if source.startswith("diagnostics/drift_"):  # the extra [drift]; `strop drift` alone
        others -= {"scipy", "matplotlib"}
    assert others <= ALLOWED
    engine = ENGINES & others
    assert not engine or source.startswith("engines/")
    assert "PIL" not in others or source in ("model/decoding.py", "commands/explain.py")
    assert (
        "cryptography" not in others
        or source in ("bundle/keys.py", "bundle/signing.py")
        or source.startswith("fleet/")
    )


@pytest.mark.parametrize("source", _sources())
def test_no_module_of_the_runtime_names_what_it_must_not_import(source: str) -> None:
    """Not even in a string that `import_module` could take."""
    banned = {"tensorflow", "keras", "train", "strop_export", "benchmarks", "tf2onnx"}
    tree = ast.parse((RUNTIME / source).read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert not banned & (strings | set(_imported(RUNTIME / source)))


@pytest.mark.parametrize("name", ["train", "lab", "benchmarks", "tests"])
def test_our_top_level_packages_win(name: str) -> None:
    """tf2onnx installs packages called tests, examples and tools."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}; print({name}.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / name / "__init__.py"


def test_the_tests_that_run_are_ours() -> None:
    import tests

    assert Path(tests.__file__) == ROOT / "tests" / "__init__.py"

"""Fixtures of many tests: trained artifacts and their exports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from lab.steps import locked
from strop_export import targets
from tests.__main__ import ALONE
from tests.environments import CACHE, ROOT, run
from tests.needs import unavailable

pytest_plugins = ["tests.figures"]
LATENCIES = pytest.StashKey[list[str]]()

settings.register_profile("strop", deadline=None)  # the machine may be busy
settings.load_profile("strop")

Tell = Callable[[str], None]  # is called with a line of progress


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LATENCIES] = []
    # A run in the background starts with ^C ignored, and its child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Readline, which pytest imports, sets it for child processes, unseen by os.environ.
    # pytest-xdist's workers see it too, and commands would wrap their output.
    os.unsetenv("COLUMNS")
    os.environ.pop("COLUMNS", None)


@pytest.hookimpl(tryfirst=True)  # before tests with another mark are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Emulated boards and GPUs fill the cores by themselves."""
    crowded = [ROOT / "tests" / name for name in ("devices", "gpu", "mcu")]
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in crowded):
            item.add_marker(ALONE)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the latencies, in passing runs too; nothing else here is timed."""
    if lines := config.stash[LATENCIES]:
        terminalreporter.section("latency: one image, one thread, us")
        terminalreporter.write_line(
            "  engine           precision  predict p50/   p95/   p99   raw p50/   p95/   p99"
        )
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache without the user's tuning; pip's downloads stay shared."""
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    with pytest.MonkeyPatch.context() as patch:
        if "PIP_CACHE_DIR" not in os.environ:
            patch.setenv("PIP_CACHE_DIR", str(Path(shared, "pip")))
        patch.delenv("STROP_TRUSTED_KEYS", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Tell:
    """Print a line of progress at once, although pytest keeps what tests print."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def write_line(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    return write_line


@pytest.fixture(scope="session")
def zig_cache() -> Iterator[None]:
    """Let zig compile its own C library once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", str(CACHE / "zig"))
        yield


@dataclass(frozen=True)
class Exported:
    """An artifact and the dist/ made from it."""

    artifact: Path
    dist: Path
    report: dict[str, Any]

    @property
    def name(self) -> str:
        return self.artifact.name

    @property
    def missing(self) -> set[str]:
        """The targets refused for an engine that this workstation cannot install."""
        return {r["target"] for r in self.report["refused"] if r["engine_missing"]}

    @property
    def wheel(self) -> Path:
        (wheel,) = self.dist.glob("strop-*.whl")
        return wheel

    def bundle(self, target: str) -> Path:
        return self.dist / f"{self.name}-{target}.strop"

    def evaluation(self) -> dict[str, NDArray[Any]]:
        """inputs uint8 (10000, 28, 28), labels int64 (10000,), outputs float32 (10000, 10)."""
        with np.load(self.artifact / "evaluation.npz") as content:
            return {name: content[name] for name in content.files}


def _trained(recipe: str, name: str) -> Path:
    folder = ROOT / "artifacts" / name
    with locked(CACHE / f"{name}.lock"):
        if not (folder / "training.json").is_file():
            train = ("-m", "train", "--recipe", recipe, "--out", folder, "--resume")
            run(sys.executable, *train, cwd=ROOT)
    return folder


def _copy_what_is_exported(artifact: Path, dist: Path) -> None:
    """Copy the results of `make export`, if it was last run on this artifact.

    A wrong copy is harmless: the export that follows replaces stale files.
    """
    made = ROOT / "dist"
    try:
        report = json.loads((made / "report.json").read_bytes())
        names = [entry["file"] for bundle in report["bundles"] for entry in _files(bundle)]
        wheels = (report["wheel"], *report["native_wheels"])
        names += [*(wheel["file"] for wheel in wheels), "report.json", "report.md"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    ours = {bundle["target"] for bundle in report["bundles"]} <= set(targets.names())
    if report["model"] == artifact.name and ours and all((made / name).is_file() for name in names):
        dist.mkdir(parents=True)
        for path in (*(made / name for name in names), *made.glob("*.png")):
            shutil.copy(path, dist)


def _files(bundle: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return bundle, bundle["requirements"]


def _exported(artifact: Path) -> Exported:
    """Export into the tests' own folder, reusing the results of `make export`."""
    dist = CACHE / "dist" / artifact.name
    with locked(CACHE / f"{artifact.name}-dist.lock"):
        if not dist.is_dir():
            _copy_what_is_exported(artifact, dist)
        run(sys.executable, "-m", "strop_export", "--artifact", artifact, "--out", dist, cwd=ROOT)
    report = json.loads((dist / "report.json").read_text(encoding="utf-8"))
    return Exported(artifact, dist, report)


@pytest.fixture(scope="session")
def edge_artifact() -> Path:
    """The default model: softmax head."""
    return _trained("edge", "mnist-mlp")


@pytest.fixture(scope="session")
def notebook_artifact() -> Path:
    """The notebook's model: sigmoid head."""
    return _trained("notebook", "mnist-mlp-notebook")


@pytest.fixture(scope="session")
def edge(edge_artifact: Path) -> Exported:
    return _exported(edge_artifact)


@pytest.fixture(scope="session")
def notebook(notebook_artifact: Path) -> Exported:
    return _exported(notebook_artifact)


@pytest.fixture(scope="session")
def tflite_python() -> Path:
    """The interpreter of the environment that export made for tflite-runtime 2.14."""
    from strop_export.errors import EngineMissing
    from strop_export.proof.environments import python_for

    try:
        return python_for("tflite")
    except EngineMissing as error:
        unavailable(str(error), "apt install python3.11 python3.11-venv (on Debian 12)")

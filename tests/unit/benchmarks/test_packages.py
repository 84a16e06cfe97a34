"""The size of a package: with its dependencies, and without files that pip would not install."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import packages


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    _install(folder, "Engine", "numeric>=1", "shape.tools[fast]", 'old ; python_version < "3.11"')
    _install(folder, "numeric")
    _install(folder, "shape_tools", 'speed ; extra == "fast"', 'slow ; extra == "other"')
    _install(folder, "speed", "engine")  # a cycle
    _install(folder, "slow")
    return folder


def _install(folder: Path, name: str, *requires: str) -> None:
    """A package of 100 bytes of code, with bytecode and pip's metadata."""
    note = folder / f"{name}-2.1.dist-info"
    note.mkdir()
    lines = [f"Name: {name}", "Version: 2.1", *(f"Requires-Dist: {line}" for line in requires)]
    (note / "METADATA").write_text("\n".join(lines), encoding="ascii")
    (folder / f"{name}.py").write_bytes(b"#" * 100)
    (folder / f"{name}.pyc").write_bytes(b"#" * 1000)
    (note / "RECORD").write_text(f"{name}.py,,\n{name}.pyc,,\ngone.py,,\n", encoding="ascii")


def test_the_closure_is_what_pip_would_bring(site_packages: Path) -> None:
    assert packages.closure(["engine"], site_packages) == [
        "engine",
        "numeric",
        "shape-tools",
        "speed",
    ]


def test_the_size_is_that_of_its_files_without_bytecode(site_packages: Path) -> None:
    assert packages.size_bytes(["numeric", "speed"], site_packages) == 200


def test_versions(site_packages: Path) -> None:
    assert packages.versions(site_packages)["shape-tools"] == "2.1"


def test_what_is_not_there_is_named(site_packages: Path) -> None:
    with pytest.raises(KeyError, match="nothing-here"):
        packages.closure(["nothing.here"], site_packages)

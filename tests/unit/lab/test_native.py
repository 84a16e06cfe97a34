"""The native engine's wheels for the boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import native
from native import wheels
from tests.needs import unavailable


def test_a_wheel_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := wheels.lacks():
        unavailable(f"the native engine cannot be compiled: {why}", "make setup")
    monkeypatch.setattr(native, "CACHE", tmp_path)
    wheel = native.build("aarch64")
    assert wheel is not None
    made = wheel.stat().st_mtime_ns
    assert native.build("aarch64") == wheel
    assert wheel.stat().st_mtime_ns == made


def test_bytecode_is_not_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "HERE", tmp_path)
    made_from = ["build.py", "python/strop_native/__init__.py", "src/run.c"]
    for name in (*made_from, "python/strop_native/__pycache__/a.pyc", "tests/a.c", "web/a.mjs"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xa7")
    assert [str(path.relative_to(tmp_path)) for path in wheels.sources()] == made_from


def test_without_a_compiler_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CACHE", tmp_path)
    monkeypatch.setattr(wheels, "lacks", lambda: "ziglang is not installed: pip install ziglang")
    assert native.build("aarch64") is None
    assert list(tmp_path.iterdir()) == []

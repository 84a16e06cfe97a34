"""Bundles as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import bundles


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    return bundles.image().write(tmp_path / "shapes.strop")


@pytest.fixture
def vector_path(tmp_path: Path) -> Path:
    return bundles.vector().write(tmp_path / "gauge.strop")

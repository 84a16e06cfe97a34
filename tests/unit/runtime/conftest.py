"""Bundles as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests import bundles

settings.register_profile("strop", deadline=None)  # the machine may be busy
settings.load_profile("strop")


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    return bundles.image().write(tmp_path / "shapes.strop")


@pytest.fixture
def vector_path(tmp_path: Path) -> Path:
    return bundles.vector().write(tmp_path / "gauge.strop")

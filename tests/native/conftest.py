"""The C core, compiled by gcc as it ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from native.build import compile_library
from tests.native.engine import Engine
from tests.needs import unavailable


@pytest.fixture(scope="session")
def gcc() -> None:
    if not shutil.which("gcc"):
        unavailable("gcc is missing", "apt install gcc")


@pytest.fixture(scope="session")
def library(gcc: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def engine(library: Path) -> Engine:
    return Engine(library)

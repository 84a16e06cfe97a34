"""The end of a test that lacks something it needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
from types import ModuleType
from typing import NoReturn

import pytest


def unavailable(reason: str, mend: str) -> NoReturn:
    """Skip with the reason and a remedy; fail if everything installable must be installed."""
    message = f"{reason}; provide it with: {mend}"
    if os.environ.get("STROP_NO_SKIP") == "1":
        pytest.fail(f"{message} (STROP_NO_SKIP=1 lets nothing skip)", pytrace=False)
    pytest.skip(message)


def strop_native() -> ModuleType:
    """Import the native engine's package, or end the test: some workstations cannot compile it."""
    if importlib.util.find_spec("strop_native") is None:
        unavailable("strop-native is not installed", "make setup")
    return importlib.import_module("strop_native")


def chromium() -> str:
    """Return Chromium's executable, or end the test."""
    return _program("chromium")


def docker_registry() -> str:
    """Return the executable of an OCI registry, or end the test."""
    return _program("docker-registry")


def mosquitto() -> str:
    """Return the executable of an MQTT broker, or end the test."""
    return _program("mosquitto")


def _program(name: str) -> str:
    """Return the executable of Debian's package of that name, or end the test."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        unavailable(f"there is no {name}", f"apt install {name}")
    return found

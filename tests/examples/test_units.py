"""The systemd units of the examples: systemd takes them, and how tight their sandboxes are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.environments import run
from tests.examples.conftest import EXAMPLES
from tests.needs import unavailable

# Exposure as systemd counts it, in tenths, of 100; docs/recipes.md says it.
EXPOSURES = {"strop-agent.service": 14, "strop-serve.service": 12}


@pytest.fixture
def unit(tmp_path: Path, name: str) -> Path:
    """The unit, with a program in the place of `strop`."""
    if shutil.which("systemd-analyze") is None:
        unavailable("no systemd-analyze on this machine", "apt install systemd")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "strop").symlink_to("/bin/true")
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    copy = tmp_path / name
    copy.write_text(text.replace("/opt/strop", str(tmp_path)), encoding="utf-8")
    return copy


@pytest.mark.parametrize("name", EXPOSURES)
def test_systemd_takes_the_unit(unit: Path) -> None:
    done = run("systemd-analyze", "verify", unit, env={**os.environ, "LC_ALL": "C"})
    assert done.stderr == ""


@pytest.mark.parametrize("name", EXPOSURES)
def test_the_sandbox_is_as_tight_as_the_page_says(unit: Path, name: str) -> None:
    exposure = EXPOSURES[name]
    command = ("systemd-analyze", "security", "--offline=true")
    run(*command, f"--threshold={exposure}", unit)
    assert run(*command, f"--threshold={exposure - 1}", unit, check=False).returncode == 1
    page = (EXAMPLES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"{exposure / 10} of 10" in page

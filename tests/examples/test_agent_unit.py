"""The systemd unit of `strop agent`; tests/fleet/agent/test_process.py has what it relies on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.environments import run
from tests.examples.conftest import EXAMPLES
from tests.needs import unavailable

UNIT = EXAMPLES / "strop-agent.service"
EXPOSURE = 14  # tenths, of 100; docs/recipes.md says it


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program in the place of `strop`."""
    if shutil.which("systemd-analyze") is None:
        unavailable("no systemd-analyze on this machine", "apt install systemd")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "strop").symlink_to("/bin/true")
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/strop", str(tmp_path)), encoding="utf-8")
    return copy


def test_systemd_takes_the_unit(unit: Path) -> None:
    done = run("systemd-analyze", "verify", unit, env={**os.environ, "LC_ALL": "C"})
    assert done.stderr == ""


def test_the_sandbox_is_as_tight_as_the_page_says(unit: Path) -> None:
    command = ("systemd-analyze", "security", "--offline=true")
    run(*command, f"--threshold={EXPOSURE}", unit)
    assert run(*command, f"--threshold={EXPOSURE - 1}", unit, check=False).returncode == 1
    page = (EXAMPLES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"{EXPOSURE / 10} of 10" in page


def test_it_runs_the_command_with_the_settings() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert "ExecStart=/opt/strop/bin/strop agent /etc/strop/agent.toml" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines

"""The systemd unit of `strop agent`; tests/fleet/agent/test_process.py has what it relies on."""

from __future__ import annotations

from tests.examples.conftest import EXAMPLES

UNIT = EXAMPLES / "strop-agent.service"


def test_it_runs_the_command_with_the_settings() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert "ExecStart=/opt/strop/bin/strop agent /etc/strop/agent.toml" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines

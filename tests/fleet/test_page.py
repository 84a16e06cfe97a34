"""docs/fleet.md, followed to the letter, on a free port."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from pathlib import Path

from strop.fleet.rollout.plan import Group
from tests import bundles, needs
from tests.environments import ROOT
from tests.fleet.registries import kept_port
from tests.markdown import follow

TEXT = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")


def test_it_runs_as_it_stands(tmp_path: Path) -> None:
    needs.docker_registry()
    for version in (1, 2, 3):
        draft = bundles.image(seed=version, model_version=version, name="mnist-mlp")
        draft.write(tmp_path / f"v{version}.strop")
    # Docker's own configuration may name credentials.
    variables = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    try:
        with kept_port() as port:
            text = TEXT.replace("127.0.0.1:5000", f"127.0.0.1:{port}")
            follow(text, tmp_path, Path(sys.executable).parent, variables)
    finally:
        with contextlib.suppress(OSError, ValueError):  # the page has ended it
            os.kill(int((tmp_path / "registry.pid").read_text()), signal.SIGKILL)


def test_it_has_every_key_of_a_group_and_its_default() -> None:
    shown = dict(re.findall(r"^\| `(\w+)` \| (\d*) ?\|", TEXT, re.M))
    defaults = Group._field_defaults
    assert shown == {
        name: f"{defaults[name]:g}" if name in defaults else "" for name in Group._fields
    }

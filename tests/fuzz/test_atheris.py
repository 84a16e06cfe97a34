"""The readers of archive and manifest under atheris, which finds inputs that reach new lines."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from tests.environments import ROOT, run
from tests.figures import Record
from tests.needs import unavailable

SECONDS = int(os.environ.get("STROP_FUZZ_S", "12"))  # each


@pytest.mark.parametrize("target", ["zip", "manifest", "bundle"])
def test_nothing_but_a_bundle_error_is_raised(target: str, tmp_path: Path, figure: Record) -> None:
    if importlib.util.find_spec("atheris") is None:
        unavailable("no atheris", "pip install -r requirements/dev.txt")
    command = (sys.executable, "-m", "tests.fuzz.targets", target, SECONDS, tmp_path)
    done = run(*command, check=False, cwd=ROOT)
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    tried = int(runs[1]) if runs else 0
    failed = int(done.returncode != 0)
    figure(f"inputs of atheris to the {target} reader, refused or read", tried, failed)
    assert not failed, done.stdout + done.stderr
    assert tried
    assert not list(tmp_path.glob("found-*"))

"""Streams that are closed or full, and warnings: none changes what a command returns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.bundle import installed
from strop.bundle.open import open_bundle
from strop.model.tuned_path import table_path
from tests import bundles

ZEROS = np.zeros((4, 4), np.uint8)


class TestStreams:
    """The exit status tells, whatever becomes of what is printed."""

    @pytest.fixture
    def wrong_path(self, tmp_path: Path) -> Path:
        draft = bundles.image()
        outputs = bundles.npy(np.full((bundles.SAMPLES, 3), 0.5, np.float32))
        draft.put(draft.variant["golden"][0], outputs)
        return draft.write(tmp_path / "wrong.strop")

    def _status(self, redirection: str, *command: object) -> int:
        shell = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, *map(str, command)]
        done = subprocess.run(shell, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr
        return done.returncode

    @pytest.mark.parametrize("redirection", [">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
    def test_a_check_passes_or_fails(
        self, image_path: Path, wrong_path: Path, redirection: str
    ) -> None:
        assert self._status(redirection, "-m", "strop", "check", image_path) == 0
        assert self._status(redirection, "-m", "strop", "check", wrong_path) == 1

    @pytest.mark.parametrize("redirection", ["2>/dev/full", ">/dev/full 2>/dev/full"])
    def test_a_refusal_that_nobody_hears_is_no_failed_check(self, redirection: str) -> None:
        assert self._status(redirection, "-m", "strop", "check", "none.strop") == 2

    def test_output_that_nobody_gets_is_no_failed_check(self, image_path: Path) -> None:
        full = ">/dev/full 2>/dev/full"
        for option in ("--help", "--version"):
            assert self._status(full, "-m", "strop", option) == 2
        assert self._status(full, "-m", "strop", "check", image_path) == 2

    @pytest.mark.parametrize("option", [(), ("--json",)])
    def test_a_change_that_nobody_hears_of_is_made(
        self, image_path: Path, tmp_path: Path, option: tuple[str, ...]
    ) -> None:
        """A status of 2 would say that the folder, or the file, is as it was."""
        newer = bundles.image(seed=2, model_version=2).write(tmp_path / "2.strop")
        place, key = tmp_path / "place", tmp_path / "key"
        commands: tuple[tuple[object, ...], ...] = (
            ("install", image_path, "--into", place),
            ("install", image_path, "--into", place),
            ("install", newer, "--into", place),
            ("rollback", place),
            ("keygen", key),
            ("sign", newer, "--key", key),
        )
        for command in commands:
            assert self._status(">/dev/full", "-m", "strop", *command, *option) == 0, command
        assert self._status(">/dev/full", "-m", "strop", "history", place, *option) == 2
        record = installed.read(place)
        assert [event.model_version for event in record.history] == [1, 2, 1]
        assert b"signature.json" in newer.read_bytes()

    def test_no_file_takes_the_number_of_a_closed_stream(self, image_path: Path) -> None:
        code = (
            "import os, sys\n"
            "from strop import cli\n"
            "status = cli.main(['info', sys.argv[1]])\n"
            "sys.exit(status or os.open(sys.argv[1], os.O_RDONLY) < 3)"
        )
        assert self._status("<&- >&- 2>&-", "-c", code, image_path) == 0

    @pytest.mark.parametrize("option", [("-W", "error"), ("-X", "dev")])
    def test_options_for_warnings_change_nothing(
        self, image_path: Path, tmp_path: Path, option: tuple[str, str], monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        path = table_path(open_bundle(image_path).digest)
        assert path is not None
        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(b"noise")
        np.save(tmp_path / "a.npy", ZEROS)
        command = [*option, "-m", "strop", "run", str(image_path), str(tmp_path / "a.npy")]
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False
        )
        warning, model = done.stderr.splitlines()
        assert (done.returncode, done.stdout.split()[1]) == (0, "circle")
        assert warning.startswith("strop: warning: what strop tune found")
        assert model.startswith("<strop.Model shapes")

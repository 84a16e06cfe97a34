"""Signing the default model's bundle as a release does, and giving trust to a device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strop.bundle import archive
from tests import bundles
from tests.conftest import Exported

APP = """
import sys, numpy, strop
with strop.load(sys.argv[1]) as model:
    print(model.predict(numpy.zeros((28, 28), numpy.uint8)).shape)
"""


class Machine:
    """A machine's command line in its own folder, with or without configured trust."""

    def __init__(self, folder: Path, trusted_keys: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if k != "STROP_TRUSTED_KEYS"}
        if trusted_keys:
            self.environment["STROP_TRUSTED_KEYS"] = str(trusted_keys)

    def python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def strop(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "strop", *arguments)


@pytest.fixture
def release(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "release")


@pytest.fixture
def device(tmp_path: Path) -> Machine:
    """A device that trusts the keys in a file that does not exist yet."""
    return Machine(tmp_path / "device", tmp_path / "trusted-keys")


def test_from_a_key_to_an_app_that_runs_signed_bundles_alone(
    edge: Exported, release: Machine, device: Machine, tmp_path: Path
) -> None:
    made = release.strop("keygen", "key", "--comment", "release 2026")
    assert (made.returncode, made.stderr) == (0, "")
    public = (release.folder / "key.pub").read_text(encoding="utf-8")
    assert public.strip().endswith(" release 2026")
    assert public.split()[0] in made.stdout
    plain, signed = edge.bundle("cpu"), release.folder / "signed.strop"
    done = release.strop("sign", plain, "--key", "key", "--output", "signed.strop", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["public_key"] == public.split()[0]

    keys = tmp_path / "trusted-keys"
    missing = device.python("-c", APP, signed)  # configured but missing: nothing runs
    assert "BundleError: cannot read the trusted keys in" in missing.stderr
    keys.write_text(f"# those of our release machine\n{public}", encoding="utf-8")
    ran = device.python("-c", APP, signed)
    assert (ran.returncode, ran.stdout) == (0, "(1, 10)\n"), ran.stderr
    unsigned = device.python("-c", APP, plain)
    assert unsigned.returncode == 1
    assert "BundleError: " in unsigned.stderr
    assert "not signed, and it must be" in unsigned.stderr
    assert device.strop("check", signed, "--engine", "reference").returncode == 0
    assert device.strop("check", plain).returncode == 2
    verified = device.strop("verify", signed)
    assert verified.returncode == 0
    assert "(release 2026), verified" in verified.stdout

    members = {k: bytes(v) for k, v in archive.unpack(signed.read_bytes()).items()}
    members["manifest.json"] += b"\n"  # the same meaning, but not the signed bytes
    forged = release.folder / "forged.strop"
    forged.write_bytes(archive.pack(members))
    refused = device.strop("verify", forged)
    assert refused.returncode == 2
    assert "forged.strop refused: tampered with" in refused.stderr
    assert release.python("-c", APP, forged).returncode == 0  # without trust, it is a valid bundle


def test_a_key_is_changed_for_another_without_a_gap(
    release: Machine, device: Machine, tmp_path: Path
) -> None:
    """Devices get the new key first; then releases use it; then devices drop the old one."""
    keys = tmp_path / "trusted-keys"
    for name in ("old", "new"):
        assert release.strop("keygen", name).returncode == 0
        bundle = bundles.image().write(release.folder / f"{name}.strop")
        assert release.strop("sign", bundle, "--key", name).returncode == 0
    old, new = ((release.folder / f"{name}.pub").read_bytes() for name in ("old", "new"))
    found = []
    for content in (old, old + new, new):
        keys.write_bytes(content)
        statuses = [
            device.strop("verify", release.folder / f"{name}.strop").returncode
            for name in ("old", "new")
        ]
        found.append(statuses)
    assert found == [[0, 2], [0, 0], [2, 0]]

"""Whether what lies in dist/ is what an export would make again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from strop_export import freshness, selection, targets
from strop_export.firmware.options import Options
from strop_export.freshness import fresh_targets, read_report
from strop_export.layer_errors.entries import picture_name
from strop_export.proof import firmware

FILES = ("a-cpu.strop", "requirements-cpu.txt", "strop.mjs")


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    """A report of one bundle, with all of its files."""
    for name in (*FILES, picture_name(FILES[0])):
        (tmp_path / name).write_text(name, encoding="ascii")
    bundle, requirements, module = (
        {"file": name, "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in FILES
    )
    parts = {"requirements": requirements, "folder": [module]}
    entry = {"target": "cpu", "target_key": "k", **bundle, **parts}
    return {"bundles": [entry], "layers": [{"bundle": FILES[0]}]}


def test_a_target_with_all_of_its_files_is_fresh(report: dict[str, Any], tmp_path: Path) -> None:
    assert fresh_targets(tmp_path, report, (), ()) == {"cpu"}


@pytest.mark.parametrize("name", [*FILES, picture_name(FILES[0])])
def test_one_that_lacks_a_file_is_not(name: str, report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / name).unlink()
    assert fresh_targets(tmp_path, report, (), ()) == set()


@pytest.mark.parametrize("name", FILES)
def test_nor_one_with_another_file(name: str, report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / name).write_text("changed", encoding="ascii")
    assert fresh_targets(tmp_path, report, (), ()) == set()


def test_a_bundle_without_quantized_files_has_no_picture(
    report: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / picture_name(FILES[0])).unlink()
    assert fresh_targets(tmp_path, {**report, "layers": []}, (), ()) == {"cpu"}


@pytest.mark.parametrize("missing", ["strop.whl", "strop_native.whl"])
def test_without_one_of_its_wheels_a_report_is_none(missing: str, tmp_path: Path) -> None:
    names = ("strop.whl", "strop_native.whl")
    runtime, native = (
        {"file": name, "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in names
    )
    content = {"inputs_sha256": "k", "wheel": runtime, "native_wheels": [native]}
    (tmp_path / "report.json").write_text(json.dumps(content), encoding="ascii")
    for name in names:
        (tmp_path / name).write_text(name, encoding="ascii")
    assert read_report(tmp_path, "k") == content
    (tmp_path / missing).unlink()
    assert read_report(tmp_path, "k") == {}


class TestFirmware:
    MCU = targets.load("mcu")

    def key(self, **options: int) -> str:
        (target,) = selection.with_firmware([self.MCU], Options(**options))
        return freshness.target_key(target, ())

    def test_other_options_make_another_folder(self) -> None:
        keys = [self.key(), self.key(golden=1), self.key(max_flash_bytes=9), self.key()]
        assert keys[0] == keys[3]
        assert len(set(keys)) == 3

    def test_other_c_makes_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kernel = tmp_path / "native/mcu/moves.c"
        kernel.parent.mkdir(parents=True)
        kernel.write_text("one")
        monkeypatch.setattr(firmware, "NATIVE", tmp_path / "native")
        before = self.key()
        kernel.write_text("two")
        assert self.key() != before

    def test_another_compiler_measures_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.key()
        monkeypatch.setattr(firmware, "version", lambda name: "0.99")
        assert self.key() != before

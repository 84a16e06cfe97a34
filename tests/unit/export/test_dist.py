"""A folder in dist/ is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop_export import dist, targets
from strop_export.errors import DoesNotFit, ExportError
from strop_export.finishing import Finished, Refused
from strop_export.proof.companion import Folder
from strop_export.wheels import Wheels


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_is_named_as_its_bundle() -> None:
    assert dist.folder_of("my.net-mcu.strop") == "my.net-mcu"


def test_what_was_there_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "m-mcu"
    dist.write_folder(folder, {"main.c": b"1", "src/strop/a.c": b"2"})
    dist.write_folder(folder, {"main.c": b"3", "src/b.c": b"4"})
    assert content(folder) == {"main.c": b"3", "src/b.c": b"4"}
    assert [path.name for path in tmp_path.iterdir()] == ["m-mcu"]


@pytest.mark.parametrize("end", [".part", ".old"])
def test_what_a_killed_export_left_does_not_matter(end: str, tmp_path: Path) -> None:
    left = tmp_path / f"m-mcu{end}"
    left.mkdir()
    (left / "stale.c").write_bytes(b"0")
    dist.write_folder(tmp_path / "m-mcu", {"main.c": b"1"})
    dist.write_folder(tmp_path / "m-mcu", {"main.c": b"1"})
    assert content(tmp_path) == {"m-mcu/main.c": b"1"}


def test_a_link_at_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    theirs, out = tmp_path / "theirs", tmp_path / "out"
    theirs.mkdir()
    out.mkdir()
    (theirs / "kept.c").write_bytes(b"0")
    (out / "m-mcu").symlink_to(theirs)
    dist.write_folder(out / "m-mcu", {"main.c": b"1"})
    assert content(out) == {"m-mcu/main.c": b"1"}
    assert content(theirs) == {"kept.c": b"0"}


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_folder_that_cannot_be_written_leaves_the_earlier_one(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m-mcu"
    dist.write_folder(folder, {"main.c": b"1"})
    real, calls = Path.rename, []

    def rename(path: Path, to: Path) -> Path:
        calls.append(to)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")
        return real(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(ExportError, match="cannot write .*m-mcu: No space left"):
        dist.write_folder(folder, {"main.c": b"2"})
    assert content(tmp_path) == {"m-mcu/main.c": b"1"}


class TestPublish:
    MCU = targets.load("mcu")

    @pytest.fixture
    def wheels(self, tmp_path: Path) -> Wheels:
        wheel = tmp_path / "strop-0.1.0-py3-none-any.whl"
        wheel.write_bytes(b"wheel")
        return Wheels(wheel, {}, (wheel,))

    def finished(self, files: dict[str, bytes]) -> Finished:
        return Finished(self.MCU, "m-mcu.strop", b"0", (), (), (), (), folder=Folder(files))

    def test_a_finished_target_has_its_folder(self, wheels: Wheels, tmp_path: Path) -> None:
        out = tmp_path / "dist"
        dist.publish(out, wheels, [self.finished({"main.c": b"1", "src/a.c": b"2"})])
        dist.publish(out, wheels, [self.finished({"main.c": b"1"})])
        assert content(out / "m-mcu") == {"main.c": b"1"}

    def test_a_refused_one_loses_it(self, wheels: Wheels, tmp_path: Path) -> None:
        out = tmp_path / "dist"
        dist.publish(out, wheels, [self.finished({"main.c": b"1"})])
        (out / "m-cpu").mkdir()  # not ours
        refused = [
            Refused(self.MCU, "m-mcu.strop", DoesNotFit("too large")),
            Refused(targets.load("cpu"), "m-cpu.strop", DoesNotFit("too large")),
        ]
        dist.publish(out, wheels, refused)
        assert sorted(path.name for path in out.iterdir()) == ["m-cpu", wheels.runtime.name]

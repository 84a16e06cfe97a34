"""Complete files or none; tests/reliability covers power cuts."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strop import durable

CHANGES = ("open", "write", "fsync", "replace")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


class TestWrite:
    @pytest.mark.parametrize("content", [b"", b"x", b"y" * 3_000_000])
    def test_a_new_file(self, tmp_path: Path, mask: None, content: bytes) -> None:
        path = tmp_path / "file"
        durable.write(str(path), content)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o644
        assert _names(tmp_path) == ["file"]

    def test_in_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        durable.write("file", memoryview(b"content"))
        assert (tmp_path / "file").read_bytes() == b"content"

    def test_the_mode_is_the_new_files_own(self, tmp_path: Path, mask: None) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"older")
        durable.write(str(path), b"new", mode=0o400)
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.read_bytes() == b"new"

    def test_a_link_is_replaced_and_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "target").write_bytes(b"older")
        (tmp_path / "file").symlink_to("target")
        durable.write(str(tmp_path / "file"), b"new")
        assert (tmp_path / "target").read_bytes() == b"older"
        assert not (tmp_path / "file").is_symlink()

    def test_a_disk_that_takes_little_at_a_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = os.write
        monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:3]))
        durable.write(str(tmp_path / "file"), b"ten bytes.")
        assert (tmp_path / "file").read_bytes() == b"ten bytes."

    @pytest.mark.parametrize("older", [None, b"older"])
    @pytest.mark.parametrize("change", CHANGES)
    def test_whatever_fails_before_the_move_changes_nothing(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: str,
        older: bytes | None,
    ) -> None:
        path = tmp_path / "file"
        if older is not None:
            path.write_bytes(older)

        def fail(*arguments: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, change, fail)
        with pytest.raises(OSError, match="No space left"):
            durable.write(str(path), b"new")
        monkeypatch.undo()
        assert _names(tmp_path) == ([] if older is None else ["file"])
        assert older is None or path.read_bytes() == older

    def test_a_folder_in_its_place_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").mkdir()
        with pytest.raises(IsADirectoryError):
            durable.write(str(tmp_path / "file"), b"new")
        assert _names(tmp_path) == ["file"]


class TestCreate:
    def test_what_is_there_stays(self, tmp_path: Path, mask: None) -> None:
        path = tmp_path / "file"
        durable.create(str(path), b"first", 0o600)
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(FileExistsError):
            durable.create(str(path), b"second", 0o600)
        assert path.read_bytes() == b"first"

    def test_a_full_disk_leaves_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*arguments: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(OSError, match="No space left"):
            durable.create(str(tmp_path / "file"), b"content", 0o600)
        assert _names(tmp_path) == []


def test_a_reserve_does_not_compress(tmp_path: Path) -> None:
    durable.reserve(str(tmp_path / "file"), 2**14)
    content = (tmp_path / "file").read_bytes()
    assert len(content) == 2**14
    assert len(zlib.compress(content)) >= 2**14


class TestFolders:
    def test_all_that_is_missing_is_made_with_its_mode(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b" / "c"
        durable.make_folder(str(folder), mode=0o700)
        assert [f.stat().st_mode & 0o777 for f in (folder, *folder.parents[:2])] == [0o700] * 3

    def test_one_that_is_there_stays_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir(mode=0o750)
        durable.make_folder(str(tmp_path / "a"), mode=0o700)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o750

    def test_relative_to_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        durable.make_folder("a/b")
        assert (tmp_path / "a" / "b").is_dir()

    def test_another_makes_it_at_the_same_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = os.mkdir

        def twice(path: str, mode: int) -> None:
            made(path, mode)
            made(path, mode)

        monkeypatch.setattr(os, "mkdir", twice)
        durable.make_folder(str(tmp_path / "a"))
        assert (tmp_path / "a").is_dir()

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        with pytest.raises(FileExistsError):
            durable.make_folder(str(tmp_path / "a"))
        with pytest.raises(OSError, match="a"):
            durable.make_folder(str(tmp_path / "a" / "b"))

    def test_names_are_flushed_up_to_the_root_of_the_file_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        flushed = []

        def note(path: str) -> None:
            flushed.append(path)
            if path == str(tmp_path / "a"):
                raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(durable, "sync_folder", note)
        monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path))
        durable.sync_names(str(tmp_path / "a" / "b"))
        assert flushed == [str(tmp_path / "a"), str(tmp_path)]
        flushed.clear()
        durable.make_folder(str(tmp_path / "a" / "b" / "c"))
        assert flushed == [str(tmp_path / "a" / "b"), str(tmp_path / "a"), str(tmp_path)]

    def test_a_file_system_that_cannot_flush_folders_is_taken_as_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        code = errno.EINVAL
        durable.sync_folder(str(tmp_path))
        code = errno.EIO
        with pytest.raises(OSError, match="Input/output error"):
            durable.sync_folder(str(tmp_path))

    def test_what_is_removed_is_gone_and_may_have_been(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        durable.remove(str(tmp_path / "a"))
        durable.remove(str(tmp_path / "a"))
        assert _names(tmp_path) == []

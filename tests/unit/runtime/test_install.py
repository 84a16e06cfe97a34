"""Install and rollback: what is refused, kept and left unchanged."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import strop
from strop import durable
from strop.bundle import installed
from strop.bundle.file import Bundle
from strop.bundle.installed import Event, RecordedResult
from strop.bundle.keys import make_pair
from strop.cli import main
from strop.errors import BundleError, InputError, InstallError, ParityError, StropError
from strop.install import selfcheck, store
from strop.install.install import install, rollback
from tests import bundles
from tests.reliability import disk
from tests.unit.runtime import doubles

CHECKED = (RecordedResult("reference", "float32", "weights", "cpu", "2", 1e-7),)


def _proven(bundle: Bundle) -> tuple[RecordedResult, ...]:
    return CHECKED


class Place:
    """A folder to install into, and bundles of versions to install."""

    def __init__(self, tmp_path: Path) -> None:
        self._sources = tmp_path
        self.folder = tmp_path / "folder"

    def source(self, version: int, **changes: Any) -> Path:
        path = self._sources / f"{version}.strop"
        return bundles.image(seed=version, model_version=version, **changes).write(path)

    def install(self, version: int, **options: Any) -> Event | None:
        return install(self.source(version), self.folder, **{"check": _proven, **options})

    def rollback(self, **options: Any) -> Event:
        return rollback(self.folder, **{"check": _proven, **options})

    @property
    def current(self) -> int:
        """The version that an app gets."""
        with strop.load(self.folder) as model:
            return model.version

    @property
    def files(self) -> dict[str, bytes]:
        """All files except the lock and the reserve."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.name not in ("lock", "installed.json.reserve")
        }

    def stored(self, back: int = 0) -> Path:
        """The file of the current bundle, or of an earlier one."""
        names = installed.read(self.folder).bundles
        return Path(installed.bundle_path(str(self.folder), names[-1 - back]))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestInstall:
    def test_the_first_one_makes_the_folder(self, place: Place) -> None:
        event = place.install(1)
        assert event
        assert place.current == 1
        assert event == installed.read(place.folder).current
        assert place.stored().read_bytes() == place.source(1).read_bytes()
        assert place.stored().stat().st_mode & 0o222 == 0
        assert len(place.files) == 2

    def test_the_check_sees_the_staged_file_and_the_old_one_is_still_current(
        self, place: Place
    ) -> None:
        place.install(1)
        seen = []

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            assert sum(name.endswith(".strop") for name in place.files) == 2
            seen.append((bundle.manifest.model_version, place.current))
            return CHECKED

        place.install(2, check=check)
        assert seen == [(2, 1)]
        assert place.current == 2

    def test_the_same_again_is_nothing_to_do(self, place: Place) -> None:
        place.install(1)
        before = place.files
        assert place.install(1, check=lambda bundle: pytest.fail("for nothing")) is None
        assert place.files == before

    @pytest.mark.parametrize("kept_bytes", [-1, 0], ids=["cut short", "empty"])
    def test_the_same_again_mends_its_damaged_copy(self, place: Place, kept_bytes: int) -> None:
        place.install(1)
        place.install(2)
        whole = place.stored().read_bytes()
        place.stored().chmod(0o644)
        place.stored().write_bytes(whole[:kept_bytes])
        assert place.install(2)
        assert place.stored().read_bytes() == whole
        assert place.rollback().model_version == 1

    def test_what_is_current_in_another_folder_can_be_installed(
        self, place: Place, tmp_path: Path
    ) -> None:
        place.install(1)
        assert install(place.folder, tmp_path / "other", check=_proven)
        with strop.load(tmp_path / "other") as model:
            assert model.version == 1

    def test_the_same_again_mends_its_copy_that_is_another_whole_bundle(self, place: Place) -> None:
        place.install(1)
        place.install(2)
        whole = place.stored().read_bytes()
        place.stored(back=1).replace(place.stored())
        with pytest.raises(BundleError, match="not the bundle that was installed there"):
            strop.load(place.folder)
        assert place.install(2)
        assert place.stored().read_bytes() == whole
        assert place.current == 2

    def test_so_many_are_kept(self, place: Place) -> None:
        for version in (1, 2, 3, 4, 5):
            place.install(version)
        assert len(installed.read(place.folder).bundles) == 3
        assert len(installed.read(place.folder).history) == 5
        assert len(place.files) == 4
        place.install(6, keep=2)
        assert len(place.files) == 3
        assert place.rollback().model_version == 5
        for keep in (1, 0, -1):
            with pytest.raises(InputError, match="`keep` must be 2 or more"):
                place.install(7, keep=keep)

    def test_the_history_is_bounded(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(installed, "MAX_HISTORY", 4)
        for version in range(1, 8):
            place.install(version)
        history = installed.read(place.folder).history
        assert [event.model_version for event in history] == [4, 5, 6, 7]

    def test_a_history_of_long_entries_is_bounded_by_its_size(self, place: Place) -> None:
        long = (CHECKED[0]._replace(detail="x" * 400_000),)
        for version in (1, 2, 3, 4):
            place.install(version, check=lambda bundle: long)
        history = installed.read(place.folder).history
        assert [event.model_version for event in history] == [3, 4]
        assert place.rollback().model_version == 3

    def test_an_older_version_only_when_told_to(self, place: Place) -> None:
        place.install(2)
        before = place.files
        with pytest.raises(InstallError, match=r"has shapes v2, .* older v1; ") as caught:
            place.install(1)
        assert caught.value.mend == "--allow-downgrade installs this bundle"
        assert place.files == before
        place.install(3)
        with pytest.raises(InstallError, match=r"strop rollback .*, or --allow-downgrade inst"):
            place.install(1)
        assert place.install(1, allow_downgrade=True)
        assert place.current == 1

    def test_the_same_version_of_another_content_is_taken(self, place: Place) -> None:
        place.install(1)
        other = bundles.image(seed=9, model_version=1).write(place.source(1))
        assert install(other, place.folder, check=_proven)

    def test_another_model_is_not_at_home_there(self, place: Place, vector_path: Path) -> None:
        place.install(1)
        before = place.files
        with pytest.raises(InstallError, match="is for shapes, and this bundle is of gauge"):
            install(vector_path, place.folder, check=_proven)
        assert place.files == before

    def test_a_folder_of_other_things_is_left_alone(self, place: Place) -> None:
        place.folder.mkdir()
        (place.folder / "thesis.txt").write_text("mine")
        with pytest.raises(InstallError, match=r"holds other things \(thesis.txt\)"):
            place.install(1)
        assert list(place.files) == ["thesis.txt"]

    def test_things_beside_an_install_are_left_alone(self, place: Place) -> None:
        place.install(1)
        others = ("notes.txt", "bundles/mine.strop", "bundles/a.part", "installed.json.mine.part")
        for name in others:
            (place.folder / name).write_text("mine")
        place.install(2)
        assert all((place.folder / name).read_text() == "mine" for name in others)

    def test_what_a_stop_left_behind_goes(self, place: Place) -> None:
        place.install(1)
        name = "0" * 64 + ".strop"
        left = (f"bundles/{name}", f"bundles/{name}.0a1b2c3d.part", "installed.json.0a1b2c3d.part")
        for path in left:
            (place.folder / path).write_bytes(b"half of it")
        place.install(1)
        assert not place.files.keys() & set(left)

    @pytest.mark.parametrize("damage", ["missing", "truncated", "member"])
    def test_a_bad_bundle_makes_no_folder(self, place: Place, damage: str) -> None:
        path = place.source(1)
        if damage == "missing":
            path = path.with_name("none.strop")
        elif damage == "truncated":
            path.write_bytes(path.read_bytes()[:-1])
        else:
            draft = bundles.image()
            draft.files[draft.variant["golden"][0]["file"]] = bytes(
                len(draft.files[draft.variant["golden"][0]["file"]])
            )
            draft.write(path)
        with pytest.raises(BundleError):
            install(path, place.folder, check=_proven)
        assert not place.folder.exists()

    def test_a_damaged_record_is_an_error_and_nothing_is_removed(self, place: Place) -> None:
        place.install(1)
        (place.folder / "installed.json").write_text("{}")
        before = place.files
        with pytest.raises(BundleError, match="move it away and install again"):
            place.install(2)
        assert place.files == before
        (place.folder / "installed.json").rename(place.folder / "installed.json.old")
        place.install(2)
        assert place.current == 2
        assert len(place.files) == 3

    def test_what_lies_without_a_record_goes_when_another_has_proved_itself(
        self, place: Place
    ) -> None:
        """All bundles without a record are removed, but only after a new one is current."""
        place.install(1)
        place.install(2)
        record = place.folder / "installed.json"
        record.rename(record.with_name("installed.json.old"))
        before = place.files

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        for version in (2, 3):
            with pytest.raises(ParityError, match="nothing is installed"):
                place.install(version, check=check)
            assert place.files == before
        record.with_name("installed.json.old").rename(record)
        assert place.rollback().model_version == 1

    def test_the_root_of_a_file_system_is_no_folder_of_other_things(self, place: Place) -> None:
        (place.folder / "lost+found").mkdir(parents=True)
        place.install(1)
        assert place.current == 1


class TestRefusedByTheCheck:
    @pytest.mark.parametrize("error", [ParityError, StropError, KeyboardInterrupt])
    def test_the_old_one_stays_and_nothing_else(
        self, place: Place, error: type[BaseException]
    ) -> None:
        place.install(1)
        before = place.files

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise error("it is wrong")

        with pytest.raises(error) as caught:
            place.install(2, check=check)
        if error is not KeyboardInterrupt:
            assert str(caught.value) == "shapes v2 is refused: it is wrong; v1 stays current"
        assert place.files == before

    def test_on_a_first_install_nothing_is_there_then(self, place: Place) -> None:
        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        with pytest.raises(ParityError, match="nothing is installed"):
            place.install(1, check=check)
        assert place.files == {}
        place.install(1)
        assert place.current == 1

    def test_a_rollback_too(self, place: Place) -> None:
        place.install(1)
        place.install(2)
        before = place.files

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        with pytest.raises(ParityError, match="v1 is refused: it is wrong; v2 stays current"):
            place.rollback(check=check)
        assert place.files == before


class TestRollback:
    def test_one_after_the_other_and_then_no_more(self, place: Place) -> None:
        for version in (1, 2, 3):
            place.install(version)
        assert place.rollback().model_version == 2
        assert place.current == 2
        event = place.rollback()
        assert (event.action, event.model_version) == ("rollback", 1)
        assert place.current == 1
        assert len(place.files) == 2
        with pytest.raises(InstallError, match="no earlier bundle to go back to") as caught:
            place.rollback()
        advice = f"install the one you want: strop install BUNDLE --into {place.folder}"
        assert caught.value.mend == advice
        history = installed.read(place.folder).history
        assert [(e.action, e.model_version) for e in history] == [
            *(("install", 1), ("install", 2), ("install", 3)),
            *(("rollback", 2), ("rollback", 1)),
        ]
        assert [e.replaced for e in history[1:]] == [e.bundle for e in history[:-1]]

    def test_what_comes_after_goes_back_to_where_one_went_back_to(self, place: Place) -> None:
        place.install(1)
        place.install(2)
        place.rollback()
        place.install(3)
        assert place.rollback().model_version == 1

    @pytest.mark.parametrize(
        "damage",
        [
            Path.unlink,
            lambda path: path.write_bytes(b"short"),
            lambda path: bundles.image(seed=9).write(path),
        ],
    )
    def test_an_earlier_one_that_is_gone_or_damaged(
        self, place: Place, damage: Callable[[Path], object]
    ) -> None:
        place.install(1)
        place.install(2)
        place.stored(back=1).chmod(0o644)
        damage(place.stored(back=1))
        with pytest.raises(BundleError, match=r"would go back to; .*install it from its file"):
            place.rollback()
        assert place.current == 2

    def test_a_folder_that_is_none_is_not_made_one(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="nothing is installed in"):
            rollback(tmp_path, check=_proven)
        assert list(tmp_path.iterdir()) == []


class TestTheDisk:
    def test_what_the_check_is_refused_is_no_matter_of_the_folder(self, place: Place) -> None:
        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/noise")

        place.install(1)
        place.install(2)
        before = place.files
        what = "cannot be checked here: No space left on device; v2 stays current"
        with pytest.raises(StropError, match=f"^shapes v3 {what}$"):
            place.install(3, check=check)
        with pytest.raises(StropError, match=f"^shapes v1 {what}$"):
            place.rollback(check=check)
        assert place.files == before

    def test_a_rollback_that_it_refuses_is_called_one(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.install(1)
        place.install(2)

        def refuse(*_: object) -> Any:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            with pytest.raises(InstallError) as caught:
                place.rollback()
        why = "Read-only file system; mount it for writing"
        assert str(caught.value) == f"cannot roll back {place.folder}: {why}"
        assert place.current == 2

    def test_the_reserve_is_not_looked_at_unless_the_disk_is_full(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An error of its own would hide the disk's."""
        place.install(1)
        record = installed.read(place.folder)

        def fail(*_: object, **__: object) -> Any:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def refuse(path: str) -> Any:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        monkeypatch.setattr(os, "fsync", fail)
        monkeypatch.setattr(os, "lstat", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            store.commit(str(place.folder), record, lambda: None, frees=True)

    @pytest.mark.parametrize(
        ("code", "mend"),
        [
            (errno.ENOSPC, "make room on that disk"),
            (errno.EROFS, "mount it for writing"),
            (errno.EACCES, "run it as the user that the folder and its lock belong to"),
            (errno.EIO, ""),
        ],
    )
    @pytest.mark.parametrize("change", ["open", "write", "fsync", "replace"])
    @pytest.mark.parametrize("number", [0, 1])
    def test_whatever_it_refuses_the_old_one_stays(
        self,
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        mend: str,
        change: str,
        number: int,
    ) -> None:
        """The first refusal is of the bundle; the second, of installed.json."""
        place.install(1)
        before = place.files
        call = getattr(os, change)
        calls = []

        def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
            ours = change != "open" or str(path).endswith(durable.DRAFT)
            if change == "fsync":
                ours = Path(f"/proc/self/fd/{path}").readlink().suffix == durable.DRAFT
            if ours:
                calls.append(path)
            if ours and len(calls) == number + 1:
                raise OSError(code, os.strerror(code))
            return call(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, change, refuse)
            with pytest.raises(InstallError) as caught:
                place.install(2)
        what = os.strerror(code) + (f"; {mend}" if mend else "")
        assert str(caught.value) == f"cannot install into {place.folder}: {what}"
        assert place.files == before
        assert place.current == 1
        place.install(2)
        assert place.current == 2

    def test_a_file_in_the_place_of_the_folder(self, place: Place) -> None:
        place.folder.write_text("mine")
        for folder in (place.folder, place.folder / "in"):
            with pytest.raises(InstallError, match="that is a file: name a folder$"):
                install(place.source(1), folder, check=_proven)
        assert place.folder.read_text() == "mine"

    def test_leftovers_that_cannot_be_removed_do_not_matter(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.install(1)

        def refuse(path: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        for version in (2, 3):
            with monkeypatch.context() as patch:
                patch.setattr(os, "unlink", refuse)
                place.install(version, keep=2)
            assert place.current == version
        assert len(place.files) == 4
        place.install(3, keep=2)
        assert len(place.files) == 3


class TestMeanwhile:
    """Another process changes the folder while a bundle is checked."""

    @pytest.mark.parametrize("step", ["install", "rollback"])
    @pytest.mark.parametrize("change", ["removed", "overwritten", "replaced", "a pipe", "a link"])
    def test_a_bundle_that_changes_is_not_made_current(
        self, place: Place, step: str, change: str
    ) -> None:
        place.install(1)
        if step == "rollback":
            place.install(2)
        before = installed.read(place.folder)

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            names = {f"{name}.strop" for name in before.bundles[-1:]}
            (path,) = (p for p in (place.folder / "bundles").iterdir() if p.name not in names)
            if change == "overwritten":
                path.chmod(0o644)
                path.write_bytes(path.read_bytes()[:-1] + b"x")
                return CHECKED
            if change == "a link":
                path.rename(place.folder.parent / "elsewhere")
                path.symlink_to(place.folder.parent / "elsewhere")
                return CHECKED
            path.unlink()
            if change == "replaced":
                bundles.image(seed=9).write(path)
            elif change == "a pipe":
                os.mkfifo(path)
            return CHECKED

        with pytest.raises(InstallError, match="was removed or changed while it was checked; v"):
            place.install(2, check=check) if step == "install" else place.rollback(check=check)
        assert installed.read(place.folder) == before
        with strop.load(place.folder) as model:
            assert model.version == before.current.model_version

    def test_whoever_lost_the_lock_changes_nothing_and_removes_nothing(self, place: Place) -> None:
        """Another one may install in the meantime, and what that one writes stays."""
        place.install(1)

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            (place.folder / "lock").unlink()
            assert place.install(3)
            draft = place.folder / "bundles" / f"{'0' * 64}.strop.0a1b2c3d.part"
            draft.write_bytes(b"of a third one")
            return CHECKED

        with pytest.raises(InstallError, match="lock was removed or replaced, so another process"):
            place.install(2, check=check)
        assert place.current == 3
        assert any(name.endswith(durable.DRAFT) for name in place.files)
        place.install(4)
        assert len(installed.read(place.folder).bundles) == len(place.files) - 1

    def test_a_rollback_of_what_is_not_current_by_now_changes_nothing(self, place: Place) -> None:
        for version in (1, 2, 3):
            place.install(version)
        first, _, last = installed.read(place.folder).bundles
        before = place.files
        with pytest.raises(InstallError, match="another current bundle by now, v3"):
            place.rollback(of=first)
        assert place.files == before
        assert place.rollback(of=last).model_version == 2

    def test_a_rollback_that_lost_the_lock_changes_nothing(self, place: Place) -> None:
        place.install(1)
        place.install(2)

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            (place.folder / "lock").unlink()
            assert place.install(3)
            return CHECKED

        with pytest.raises(InstallError, match="lock was removed or replaced"):
            place.rollback(check=check)
        assert place.current == 3


class TestAFullDisk:
    """No byte more fits beneath the folder than is there."""

    def test_one_can_go_back_again_and_again(self, place: Place) -> None:
        for version in (1, 2, 3):
            place.install(version)
        with disk.full(place.folder, 0):
            assert place.rollback().model_version == 2
            assert place.rollback().model_version == 1
        assert place.current == 1
        assert [event.model_version for event in installed.read(place.folder).history] == [
            *(1, 2, 3, 2, 1)
        ]

    def test_so_can_one_whose_first_try_was_refused(self, place: Place) -> None:
        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        place.install(1)
        place.install(2)
        with disk.full(place.folder, 0):
            with pytest.raises(ParityError):
                place.rollback(check=check)
            assert place.rollback().model_version == 1

    def test_a_long_history_loses_its_oldest_entries(self, place: Place) -> None:
        long = (CHECKED[0]._replace(detail="x" * 20_000),)
        for version in range(1, 9):
            place.install(version, check=lambda bundle: long)
        with disk.full(place.folder, 0):
            assert place.rollback().model_version == 7
        history = installed.read(place.folder).history
        assert [event.model_version for event in history] == [6, 7, 8, 7]

    @pytest.mark.parametrize("room", [0, 3000])
    @pytest.mark.parametrize("keep", [2, 3])
    def test_older_bundles_make_room_for_a_new_one(
        self, place: Place, room: int, keep: int
    ) -> None:
        for version in (1, 2, 3):
            place.install(version)
        told: list[str] = []
        with disk.full(place.folder, room):
            assert place.install(4, keep=keep, notify=told.append)
            assert told == ["the disk is full: removing 1 older bundle first"]
            assert place.rollback().model_version == 3

    def test_the_way_back_stays_if_the_new_one_is_refused(self, place: Place) -> None:
        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        for version in (1, 2, 3):
            place.install(version)
        with disk.full(place.folder, place.source(4).stat().st_size // 2):
            with pytest.raises(ParityError):
                place.install(4, keep=2, check=check)
            assert place.current == 3
            assert place.rollback().model_version == 2

    def test_what_a_rollback_needs_makes_no_room(self, place: Place) -> None:
        place.install(1)
        place.install(2)
        before = place.files
        with (
            disk.full(place.folder, place.source(3).stat().st_size // 2),
            pytest.raises(InstallError, match="No space left on device; make room on that disk"),
        ):
            place.install(3, keep=2)
        assert place.files == before
        assert place.rollback().model_version == 1

    def test_with_room_nothing_goes_before_the_new_one_has_passed(self, place: Place) -> None:
        for version in (1, 2, 3):
            place.install(version)

        def check(bundle: Bundle) -> tuple[RecordedResult, ...]:
            raise ParityError("it is wrong")

        before = place.files
        with pytest.raises(ParityError):
            place.install(4, keep=2, check=check)
        assert place.files == before

    def test_a_first_install_that_does_not_fit_leaves_nothing(self, place: Place) -> None:
        with disk.full(place.folder, 1000), pytest.raises(InstallError, match="make room"):
            place.install(1)
        assert [path.name for path in place.folder.iterdir() if path.is_file()] == ["lock"]


class TestTrust:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> dict[str, Any]:
        """Trust in one key, as an option."""
        make_pair(str(tmp_path / "release"))
        return {"trusted_keys": tmp_path / "release.pub"}

    def _signed(self, place: Place, version: int) -> Path:
        path = place.source(version)
        assert main(["sign", str(path), "--key", str(path.with_name("release"))]) == 0
        return path

    def test_what_is_signed_is_installed_and_stays_so(
        self, place: Place, keys: dict[str, Any]
    ) -> None:
        path = self._signed(place, 1)
        assert install(path, place.folder, check=_proven, **keys)
        assert place.stored().read_bytes() == path.read_bytes()
        with strop.load(place.folder, **keys) as model:
            assert model.version == 1

    def test_what_is_not_is_refused_and_nothing_made(
        self, place: Place, keys: dict[str, Any]
    ) -> None:
        with pytest.raises(BundleError, match="signed"):
            place.install(1, **keys)
        assert not place.folder.exists()

    def test_nor_does_one_go_back_to_it(self, place: Place, keys: dict[str, Any]) -> None:
        place.install(1)
        install(self._signed(place, 2), place.folder, check=_proven, **keys)
        with pytest.raises(BundleError, match="signed"):
            place.rollback(**keys)
        assert place.current == 2

    def test_signed_since_the_same_content_is_installed_again(
        self, place: Place, keys: dict[str, Any]
    ) -> None:
        place.install(1)
        assert install(self._signed(place, 1), place.folder, check=_proven, **keys)
        first, second = installed.read(place.folder).history
        assert first.digest == second.digest
        assert first.bundle != second.bundle


class TestSelfCheck:
    """The command's check, with engines that fail in various ways."""

    def _refused(self, place: Place, limit_s: float = 20) -> str:
        place.install(1)
        before = place.files
        draft = bundles.image(seed=2, model_version=2)
        draft.add_variant("tflite", "int8", ["litert"])
        draft.write(place.folder.parent / "bad.strop")
        with pytest.raises(ParityError) as caught:
            install(
                place.folder.parent / "bad.strop",
                place.folder,
                check=lambda bundle: selfcheck.self_check(bundle, limit_s),
            )
        assert place.files == before
        return str(caught.value)

    def test_what_passes_is_remembered(self, place: Place) -> None:
        event = place.install(1, check=lambda bundle: selfcheck.self_check(bundle, 20))
        assert event
        (checked,) = event.checked
        assert checked[:4] == ("reference", "float32", "weights", "cpu")
        assert 0 <= checked.max_abs_error < 1e-5

    def test_wrong_answers(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        doubles.install(
            monkeypatch,
            "litert",
            lambda model: doubles.SpySession(lambda inputs: [[0.1, 0.2, 0.7]] * len(inputs)),
        )
        assert "1 of 2 checks failed: litert int8: differs by" in self._refused(place)

    def test_of_many_that_fail_the_first_is_named(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.install(
            monkeypatch,
            "litert",
            lambda model: doubles.SpySession(lambda inputs: [[0.1, 0.2, 0.7]] * len(inputs)),
        )
        draft = bundles.image()
        for precision in ("int8", "float16", "dynamic"):
            draft.add_variant("tflite", precision, ["litert"])
        path = draft.write(place.folder.parent / "bad.strop")
        with pytest.raises(ParityError) as caught:
            install(path, place.folder, check=lambda bundle: selfcheck.self_check(bundle, 20))
        message = str(caught.value)
        assert "3 of 4 checks failed: litert int8: differs by" in message
        assert message.count("differs by") == 1
        assert "; and 2 more: strop check BUNDLE lists them; nothing is installed" in message

    def test_an_engine_that_dies(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(model: bytes) -> Any:
            os.kill(os.getpid(), signal.SIGSEGV)

        doubles.install(monkeypatch, "litert", die)
        message = self._refused(place)
        assert "litert int8" in message
        assert "SIGSEGV" in message
        assert message.endswith("v1 stays current")

    def test_an_engine_that_hangs(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        def hang(model: bytes) -> Any:
            signal.pause()

        doubles.install(monkeypatch, "litert", hang)
        assert "did not answer in 0.5 s" in self._refused(place, limit_s=0.5)

    def test_no_engine_that_can_run_it(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        doubles.uninstall(monkeypatch, "reference")
        with pytest.raises(StropError, match=r"v1 is refused: .*; nothing is installed"):
            place.install(1, check=lambda bundle: selfcheck.self_check(bundle, 20))

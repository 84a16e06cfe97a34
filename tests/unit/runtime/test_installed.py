"""The installed bundle of a folder, and opening the folder like a bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strop
from strop.bundle import installed
from strop.bundle.installed import RecordedResult
from strop.errors import BundleError
from strop.install.install import install
from tests import bundles

CHECKED = (RecordedResult("reference", "float32", "weights", "cpu", "2", 1e-7),)


def write(tmp_path: Path, version: int) -> Path:
    """Write a separate bundle for each version."""
    path = tmp_path / f"{version}.strop"
    return bundles.image(seed=version, model_version=version).write(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Version 1, then 2."""
    for version in (1, 2):
        install(write(tmp_path, version), tmp_path / "folder", check=lambda bundle: CHECKED)
    return tmp_path / "folder"


def _edit(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / "installed.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


class TestReading:
    def test_it_says_what_is_current_and_how_it_came(self, folder: Path) -> None:
        record = installed.read(folder)
        first, second = record.history
        assert record.bundles == (first.bundle, second.bundle)
        assert record.current == second
        assert (second.name, second.model_version, second.target) == ("shapes", 2, "cpu")
        assert (second.action, second.strop) == ("install", strop.__version__)
        assert (first.replaced, second.replaced) == (None, first.bundle)
        assert second.checked == CHECKED
        assert second.time.endswith("Z")

    @pytest.mark.parametrize("name", ["folder", "missing", "1.strop"])
    def test_nothing_is_installed(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "folder").mkdir()
        write(tmp_path, 1)
        place = tmp_path / name
        with pytest.raises(BundleError, match=f"^nothing is installed in {place}; "):
            installed.read(place)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c.update(schema=2), "schema 2; this strop reads 1"),
            (lambda c: c.update(schema=True), "schema True"),
            (lambda c: c.pop("bundles"), "'bundles' is missing"),
            (lambda c: c.update(more=1), "unknown field 'more'"),
            (lambda c: c.update(bundles=[]), "does not say which"),
            (lambda c: c.update(history=[]), "does not say which"),
            (lambda c: c.update(history=c["history"] * 51), "does not say which"),
            (lambda c: c["bundles"].reverse(), "does not say which"),
            (lambda c: c["bundles"].insert(0, "../../etc/passwd"), "does not say which"),
            (lambda c: c["history"][0].update(bundle="F" * 64), "does not say which"),
            (lambda c: c["history"][1].update(model_version="2"), "str instead of int"),
            (lambda c: c["history"][1].update(name="\x1b[2J"), "cannot be printed"),
            (lambda c: c["history"][1]["checked"][0].pop("engine"), "'engine' is missing"),
        ],
    )
    def test_one_that_cannot_be_is_refused_with_the_mend(
        self, folder: Path, change: Callable[[Any], object], message: str
    ) -> None:
        _edit(folder, change)
        with pytest.raises(BundleError) as caught:
            strop.load(folder)
        assert message in str(caught.value)
        assert str(folder / "installed.json") in str(caught.value)
        assert "move it away and install again" in str(caught.value)

    def test_a_large_one_is_not_read(self, folder: Path) -> None:
        with (folder / "installed.json").open("ab") as file:
            file.write(b" " * installed.MAX_BYTES)
        with pytest.raises(BundleError, match="more than 1048576 bytes"):
            strop.load(folder)

    def test_something_else_in_its_place(self, folder: Path) -> None:
        (folder / "installed.json").unlink()
        (folder / "installed.json").mkdir()
        with pytest.raises(BundleError, match=r"cannot read .*installed.json: Is a directory"):
            strop.load(folder)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
    @given(data=st.data())
    def test_damaged_bytes_are_refused_or_say_what_is_there(
        self, folder: Path, data: st.DataObject
    ) -> None:
        path = folder / "installed.json"
        whole = path.read_bytes()
        record = installed.read(folder)
        content = bytearray(whole)
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
        path.write_bytes(content)
        try:
            found = installed.read(folder)
        except BundleError:
            pass
        else:  # another time, or another number: whatever it is, it is a record
            assert found.current.bundle == found.bundles[-1]
            assert len(found.history) == len(record.history)
        finally:
            path.write_bytes(whole)


class TestOpening:
    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_folder_is_as_good_as_a_bundle(
        self, folder: Path, kind: Callable[[Path], str | Path]
    ) -> None:
        with strop.load(kind(folder)) as model:
            assert model.version == 2

    def test_relative_to_the_working_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        with strop.load(".") as model:
            assert model.version == 2

    def test_a_damaged_bundle_is_refused_and_both_ways_out_named(self, folder: Path) -> None:
        path = Path(installed.bundle_path(str(folder), installed.read(folder).bundles[-1]))
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(BundleError) as caught:
            strop.load(folder)
        assert "install it again, or strop rollback" in str(caught.value)
        path.unlink()
        with pytest.raises(BundleError, match=r"No such file.* install it again, or strop rollb"):
            strop.load(folder)

    def test_another_sound_bundle_in_its_place_is_refused(
        self, folder: Path, tmp_path: Path
    ) -> None:
        path = installed.bundle_path(str(folder), installed.read(folder).bundles[-1])
        (tmp_path / "1.strop").replace(path)
        with pytest.raises(BundleError, match="is not the bundle that was installed there"):
            strop.load(folder)

    def test_one_removed_between_two_looks_is_looked_for_again(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = installed.read(folder)
        for version in (3, 4, 5):
            install(write(tmp_path, version), folder, check=lambda bundle: CHECKED, keep=2)
        fresh = installed.read
        answers = [stale]
        monkeypatch.setattr(installed, "read", lambda f: answers.pop() if answers else fresh(f))
        with strop.load(folder) as model:
            assert model.version == 5
        assert not answers

    def test_a_file_is_opened_without_any_of_this(self, tmp_path: Path) -> None:
        code = (
            f"import strop, sys; strop.load({str(write(tmp_path, 1))!r})\n"
            "mine = {'strop.bundle.installed', 'strop.durable', 'strop.install'}\n"
            "print(mine & sys.modules.keys())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert done.stdout == b"set()\n"

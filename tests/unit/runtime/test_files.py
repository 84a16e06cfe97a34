"""Paths of every kind, and files of every kind, where a bundle, keys or a record are meant."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import strop
from strop.bundle import schema, signing
from strop.bundle.files import read_file
from strop.bundle.keys import read_private
from strop.errors import BundleError, InputError, InstallError, StropError
from strop.install.install import install, rollback
from tests import bundles

LONG = 4 * 2**20
LINE = 2500  # characters, more than any message that quotes a file needs


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """Fail where something waits for ever."""

    def fail(*_: object) -> None:
        pytest.fail("it blocks")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "pipe with a writer", "socket", "device", "folder"])
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    """A file that is not a regular one."""
    monkeypatch.chdir(tmp_path)  # a socket's name has a short limit
    path = tmp_path / "odd"
    opened: list[int] = []
    with socket.socket(socket.AF_UNIX) as here:
        if request.param.startswith("pipe"):
            os.mkfifo(path)
            if request.param != "pipe":
                opened.append(os.open(path, os.O_RDWR))
        elif request.param == "socket":
            here.bind("odd")
        elif request.param == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
        yield path
        for descriptor in opened:
            os.close(descriptor)


class TestIrregular:
    def test_a_bundle(self, odd: Path) -> None:
        with pytest.raises(BundleError, match=r"odd: (not a regular|No such dev)|nothing is inst"):
            strop.load(odd)

    def test_keys(self, odd: Path, image_path: Path) -> None:
        with pytest.raises(BundleError, match=r"odd: (not a regular|No such dev|Is a directory)"):
            strop.load(image_path, trusted_keys=odd)

    def test_a_private_key(self, odd: Path) -> None:
        with pytest.raises(InputError, match=r"odd: (not a regular|No such dev|Is a directory)"):
            read_private(str(odd))

    def test_a_record(self, odd: Path, tmp_path: Path, image_path: Path) -> None:
        folder = tmp_path / "place"
        install(image_path, folder, check=lambda bundle: ())
        odd.replace(folder / "installed.json.odd")
        (folder / "installed.json").unlink()
        (folder / "installed.json.odd").rename(folder / "installed.json")
        calls: tuple[Callable[[], object], ...] = (
            lambda: strop.load(folder),
            lambda: strop.watch(folder),
            lambda: rollback(folder, check=lambda bundle: ()),
            lambda: install(image_path, folder, check=lambda bundle: ()),
        )
        for call in calls:
            with pytest.raises(BundleError, match=r"cannot read .*installed.json: .*move it away"):
                call()

    def test_an_installed_bundle(self, odd: Path, tmp_path: Path, image_path: Path) -> None:
        folder = tmp_path / "place"
        install(image_path, folder, check=lambda bundle: ())
        (stored,) = (folder / "bundles").iterdir()
        stored.unlink()
        odd.rename(stored)
        with pytest.raises(BundleError, match="it is what is installed in"):
            strop.load(folder)


def test_a_larger_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")
    assert read_file(str(path), 4)[0] == b"four"
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_file(str(path), 3)


class TestPaths:
    """A path of another type is an InputError; an integer is not taken for a descriptor."""

    @pytest.mark.parametrize("path", [0, True, 1.5, None, b"path", ["path"], object()])
    def test_another_type(self, path: Any, image_path: Path, tmp_path: Path) -> None:
        self._refused(path, image_path, tmp_path, f"must be a path, got {type(path).__name__}")
        os.fstat(0)

    @pytest.mark.parametrize("path", ["a\0b", "\ud800"])
    def test_no_name_of_a_file(self, path: str, image_path: Path, tmp_path: Path) -> None:
        self._refused(path, image_path, tmp_path, "must be a name that a file can have, got '")

    def _refused(self, path: Any, image_path: Path, tmp_path: Path, why: str) -> None:
        def check(bundle: object) -> tuple[()]:
            return ()

        calls: tuple[Callable[[], object], ...] = (
            lambda: strop.load(path),
            lambda: strop.watch(path),
            lambda: install(path, tmp_path / "new", check=check),
            lambda: install(image_path, path, check=check),
            lambda: rollback(path, check=check),
        )
        for call in calls:
            with pytest.raises(InputError, match=why):
                call()
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("name", ["engine", "device", "precision", "threads", "sessions"])
    @pytest.mark.parametrize("value", [5.5, b"x", [], {}, object()])
    def test_another_type_of_option(self, image_path: Path, name: str, value: Any) -> None:
        with pytest.raises(StropError):
            strop.load(image_path, **{name: value})

    @pytest.mark.parametrize("value", ["1", None, [], 0, -1.0, float("nan")])
    def test_another_type_of_number(self, image_path: Path, tmp_path: Path, value: Any) -> None:
        folder = tmp_path / "place"
        install(image_path, folder, check=lambda bundle: ())
        with pytest.raises(InputError, match="`interval_s` must be"):
            strop.watch(folder, interval_s=value)
        if value != 0:
            with pytest.raises(InputError, match="`wait_s` must be"):
                install(image_path, folder, check=lambda bundle: (), wait_s=value)
        with pytest.raises(InputError, match="`keep` must be"):
            install(image_path, folder, check=lambda bundle: (), keep=value)


class TestQuotes:
    """A message that quotes a file is one short line, with nothing that a terminal obeys."""

    @pytest.mark.parametrize(
        "content",
        [
            f'{{"schema": "{"x" * LONG}"}}',
            f'{{"schema": 2, "{"x" * LONG}": 1}}',
            '{"schema": [' + "1," * (LONG // 2 - 20) + "1]}",
            '{"schema": "\\u001b[2J\\u202e\\u2028"}',
            "[" * 20_000,
            '{"schema": ' + "[" * 20_000 + "]" * 20_000 + "}",
            '{"schema":' * 20_000 + "1" + "}" * 20_000,
        ],
    )
    def test_records(self, content: str, tmp_path: Path) -> None:
        data = content.encode()[: schema.MAX_MANIFEST_BYTES]
        folder = tmp_path / "place"
        folder.mkdir()
        (folder / "installed.json").write_bytes(data)
        draft = bundles.image()
        draft.files["manifest.json"] = data
        calls: tuple[Callable[[], object], ...] = (
            lambda: schema.parse(data),
            lambda: signing.read_signature(data),
            lambda: strop.load(folder),
        )
        for call in calls:
            with pytest.raises(BundleError) as caught:
                call()
            self._is_a_line(caught.value)

    @pytest.mark.parametrize("field", ["name", "target", "structure"])
    @pytest.mark.parametrize("text", ["x" * 2**20, "\u202e\u2028 \u200b"])
    def test_values_of_a_manifest(self, field: str, text: str) -> None:
        draft = bundles.image()
        draft.content[field] = text
        with pytest.raises(BundleError) as caught:
            schema.parse(draft.manifest())
        self._is_a_line(caught.value)

    @pytest.mark.parametrize("name", ["a\x1b[2J\n\u202eb", "x" * 200])
    def test_paths(self, name: str, tmp_path: Path, image_path: Path) -> None:
        path = tmp_path / name
        calls: tuple[Callable[[], object], ...] = (
            lambda: strop.load(path),
            lambda: strop.load(image_path, trusted_keys=path),
            lambda: rollback(path, check=lambda bundle: ()),
            lambda: read_private(str(path)),
        )
        for call in calls:
            with pytest.raises(StropError) as caught:
                call()
            self._is_a_line(caught.value)
        install(image_path, path, check=lambda bundle: ())
        with pytest.raises(InstallError, match="no earlier bundle") as refused:
            rollback(path, check=lambda bundle: ())
        self._is_a_line(refused.value)

    def test_a_key_with_a_long_comment(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_bytes(b"ed25519:" + b"0" * 64 + b" " + b"x" * 60_000)
        with pytest.raises(BundleError, match="weak key") as caught:
            strop.load(bundles.image().write(tmp_path / "a.strop"), trusted_keys=path)
        self._is_a_line(caught.value)

    def _is_a_line(self, error: StropError) -> None:
        assert str(error).isprintable()
        assert len(str(error)) < LINE

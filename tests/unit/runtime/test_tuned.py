"""The remembered table of tuning: used if it is valid here, and treated as untrusted."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop import engines
from strop.bundle.file import Bundle, parse_bundle
from strop.device import cpu
from strop.errors import EngineUnavailable, InputError, StropError, StropWarning
from strop.model import tuned
from strop.model.tuned import Row
from strop.model.tuned_path import table_path
from tests import bundles
from tests.unit.runtime import doubles

CORES = 4

INT8 = Row("litert", "variants/int8.tflite", "int8", "tflite", "cpu", "", 2, 3.5)
INT8_ALONE = INT8._replace(threads=1, p50_us=4.0)
FLOAT = Row("reference", "variants/shapes.float32.npz", "float32", "weights", "cpu", "", 1, 18.25)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache on a board of four cores with litert and the reference on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("aarch64", "Pi 4", CORES))
    doubles.uninstall(monkeypatch, "tflite", "onnx")
    doubles.install(monkeypatch, "litert")
    return tmp_path / "cache" / "strop" / "tune"


@pytest.fixture
def draft() -> bundles.Draft:
    """float32 on the reference, preferred, and int8 on litert."""
    draft = bundles.image()
    draft.add_variant("tflite", "int8", ["litert"])
    return draft


@pytest.fixture
def path(tmp_path: Path, draft: bundles.Draft) -> Path:
    return draft.write(tmp_path / "shapes.strop")


@pytest.fixture
def bundle(draft: bundles.Draft) -> Bundle:
    return parse_bundle(draft.pack())


@pytest.fixture
def remembered(bundle: Bundle, cache: Path) -> Path:
    """The file that tuning writes: int8 with two threads is best."""
    path = tuned.remember(bundle, [INT8, INT8_ALONE, FLOAT])
    assert path == cache / f"{bundle.digest}.json"
    return path


def _rewrite(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text("ascii"))
    change(content)
    path.write_text(json.dumps(content), "ascii")


def _opened(path: Path, **asked: Any) -> tuple[str, str, int, bool]:
    """Return the opened model; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with strop.load(path, **asked) as model:
            return model.engine, model.precision, model.threads, model.tuned


def _ignored(path: Path) -> str:
    """The reason given in the one warning of a load that falls back to the bundle's order."""
    with pytest.warns(StropWarning) as caught:
        model = strop.load(path)
    with model:
        assert (model.engine, model.threads, model.tuned) == ("reference", 1, False)
        assert repr(model).endswith(", cpu, threads=1>")
    (warning,) = caught
    assert warning.filename == __file__
    text = str(warning.message)
    start, end = "what strop tune found for shapes-cpu is ignored: ", "; run strop tune again, or"
    assert text.startswith(start)
    assert f"{end} delete " in text
    assert "\n" not in text
    return text[len(start) : text.index(end)]


class TestUse:
    def test_what_is_remembered_comes_back(self, bundle: Bundle, remembered: Path) -> None:
        assert remembered.is_file()
        assert tuned.recall(bundle) == (INT8, INT8_ALONE, FLOAT)

    @pytest.mark.usefixtures("remembered")
    def test_the_winner_is_opened_and_says_so(self, path: Path) -> None:
        with strop.load(path) as model:
            assert (model.engine, model.precision, model.threads) == ("litert", "int8", 2)
            assert model.tuned
            assert repr(model) == (
                "<strop.Model shapes v1: int8 on litert 1.2.3, cpu, threads=2, tuned>"
            )

    @pytest.mark.usefixtures("remembered")
    @pytest.mark.parametrize(
        ("asked", "opened"),
        [
            ({"engine": "litert"}, ("litert", "int8", 2, True)),
            ({"threads": 1}, ("litert", "int8", 1, True)),
            ({"precision": "float32"}, ("reference", "float32", 1, True)),
            ({"engine": "reference", "device": "cpu"}, ("reference", "float32", 1, True)),
            ({"device": "cpu"}, ("litert", "int8", 2, True)),
            ({"threads": 3}, ("reference", "float32", 3, False)),  # nothing remembered fits
            ({"engine": "reference", "threads": 2}, ("reference", "float32", 2, False)),
            ({"engine": "fake"}, ("fake", "float32", 1, False)),
        ],
    )
    def test_what_is_asked_for_is_had(
        self, path: Path, asked: dict[str, Any], opened: tuple[str, str, int, bool]
    ) -> None:
        assert _opened(path, **asked) == opened

    def test_nothing_is_read_where_nothing_is_left_to_choose(
        self, path: Path, remembered: Path
    ) -> None:
        remembered.write_bytes(b"noise")
        asked = {"engine": "litert", "device": "cpu", "precision": "int8", "threads": 2}
        assert _opened(path, **asked) == ("litert", "int8", 2, False)

    @pytest.mark.usefixtures("remembered")
    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            ({"threads": True}, InputError),
            ({"threads": 1.0}, InputError),
            ({"threads": 0}, InputError),
            ({"precision": "int4"}, InputError),
            ({"device": "npu"}, InputError),
            ({"engine": "tpu"}, EngineUnavailable),
            ({"engine": "onnx"}, EngineUnavailable),
        ],
    )
    def test_what_cannot_be_had_is_refused_as_ever(
        self, path: Path, asked: dict[str, Any], error: type[StropError]
    ) -> None:
        with pytest.raises(error):
            strop.load(path, **asked)

    def test_deleted_it_is_forgotten(self, path: Path, remembered: Path) -> None:
        assert _opened(path)[0] == "litert"
        remembered.unlink()
        assert _opened(path) == ("reference", "float32", 1, False)

    @pytest.mark.usefixtures("remembered")
    def test_another_bundle_is_not_concerned(self, tmp_path: Path, draft: bundles.Draft) -> None:
        draft.content["model_version"] = 2
        assert not _opened(draft.write(tmp_path / "b.strop"))[3]

    @pytest.mark.usefixtures("remembered")
    def test_a_winner_that_has_broken_since_raises(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("no such opcode")

        doubles.install(monkeypatch, "litert", refuse)
        with pytest.raises(EngineUnavailable, match="no such opcode"):
            strop.load(path)

    def test_no_engine_is_imported_but_the_winner(
        self, tmp_path: Path, draft: bundles.Draft
    ) -> None:
        """Not even to check the other engines' releases."""
        draft.content["engines"].reverse()  # litert first, which is installed here
        code = (
            "import sys, strop\n"
            "from strop.bundle.open import open_bundle\n"
            "from strop.model import tuned\n"
            f"row = tuned.Row{tuple(FLOAT)}\n"
            "tuned.remember(open_bundle(sys.argv[1]), [row])\n"
            "print(strop.load(sys.argv[1]), *sys.modules)"
        )
        path = draft.write(tmp_path / "b.strop")
        command = [sys.executable, "-W", "error", "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "float32 on reference" in done.stdout
        assert ", tuned>" in done.stdout
        assert not {"ai_edge_litert", "onnxruntime"} & set(done.stdout.split())


class TestKeptToOneDevice:
    """Tuning on one device does not compare devices."""

    def test_it_decides_for_that_device_alone(self, path: Path, bundle: Bundle) -> None:
        tuned.remember(bundle, [INT8, FLOAT], 1, "cpu")
        assert tuned.recall(bundle, "cpu") == (INT8, FLOAT)
        assert tuned.recall(bundle, "gpu") == ()
        assert tuned.recall(bundle) == ()
        assert _opened(path, device="cpu") == ("litert", "int8", 2, True)
        for device in (None, "auto"):
            assert _opened(path, device=device) == ("reference", "float32", 1, False)

    @pytest.mark.usefixtures("remembered")
    def test_a_device_gets_its_rows_of_a_table_for_both(self, bundle: Bundle) -> None:
        assert tuned.recall(bundle, "cpu") == tuned.recall(bundle)
        assert tuned.recall(bundle, "gpu") == ()


class TestWhere:
    """The cache is in XDG_CACHE_HOME, else in .cache of HOME, else absent; a load never fails."""

    @pytest.mark.parametrize(
        ("xdg", "home", "folder"),
        [
            ("/a", "/b", "/a"),
            (None, "/b", "/b/.cache"),
            ("", "/b", "/b/.cache"),
            ("relative", "/b", "/b/.cache"),
            ("relative", None, None),
            (None, "", None),
            (None, "relative", None),
        ],
    )
    def test_the_folder_is_as_xdg_has_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        xdg: str | None,
        home: str | None,
        folder: str | None,
    ) -> None:
        for name, value in (("XDG_CACHE_HOME", xdg), ("HOME", home)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        expected = folder and f"{folder}/strop/tune/abc.json"
        assert table_path("abc") == expected

    def test_no_home_is_no_error_until_one_wants_to_remember(
        self, path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.delenv("HOME", raising=False)
        assert not _opened(path)[3]
        with pytest.raises(StropError, match="neither XDG_CACHE_HOME nor HOME is an absolute"):
            tuned.remember(bundle, [FLOAT])

    def test_a_home_that_may_not_be_entered_is_no_error(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _no_permission(monkeypatch)  # and there is no visible file
        assert not _opened(path)[3]

    def test_a_file_in_the_place_of_the_folder_is_no_error_until_one_wants_to_remember(
        self, path: Path, bundle: Bundle, cache: Path
    ) -> None:
        cache.parent.mkdir(parents=True)
        cache.touch()
        assert not _opened(path)[3]
        with pytest.raises(StropError, match=r"cannot be remembered in .*; set XDG_CACHE_HOME"):
            tuned.remember(bundle, [FLOAT])

    def test_the_folders_made_are_for_this_user_alone(
        self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
        folder = tuned.remember(bundle, [FLOAT]).parent
        modes = [f.stat().st_mode & 0o777 for f in (folder, folder.parent, tmp_path / "new")]
        assert modes == [0o700] * 3


def _no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.open

    def refuse(path: object, flags: int) -> int:
        if str(path).endswith(".strop"):  # the bundle, which may be read
            return whole(str(path), flags)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)


class TestStale:
    """A table from another device or other engines is ignored, with the reason."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"machine": "x86_64"}, "it was made on another CPU than Pi 4 x 4"),
            ({"model": "Pi 5"}, "it was made on another CPU than Pi 4 x 4"),
            ({"cores": 8}, "it was made on another CPU than Pi 4 x 4"),
        ],
    )
    def test_another_cpu(
        self, path: Path, remembered: Path, change: dict[str, Any], reason: str
    ) -> None:
        _rewrite(remembered, lambda c: c["cpu"].update(change))
        assert _ignored(path) == reason

    @pytest.mark.parametrize("versions", [{}, {"litert": "0.1"}, {"onnx": "1"}])
    def test_other_engines(self, path: Path, remembered: Path, versions: dict[str, str]) -> None:
        def change(content: Any) -> None:
            content["engines"] = {**content["engines"], **versions} if versions else {}

        _rewrite(remembered, change)
        here = engines.installed_release("reference")  # the double of litert has the same
        assert _ignored(path) == f"other engines were installed than {here}, {here}"

    @pytest.mark.usefixtures("remembered")
    def test_an_engine_installed_since(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        doubles.uninstall(monkeypatch, "litert")
        assert _ignored(path) == f"other engines were installed than numpy-{np.__version__}"

    def test_another_strop(self, path: Path, remembered: Path) -> None:
        _rewrite(remembered, lambda c: c.update(strop="0.0.9"))
        assert _ignored(path) == "it was made by another version of strop"


def _row(**changes: Any) -> Callable[[Any], object]:
    return lambda content: content["rows"][0].update(changes)


class TestHostile:
    """A hostile file gives the bundle's order and one line, and does no harm."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda c: c.update(bundle="0" * 64), "it is of another bundle"),
            (lambda c: c.update(schema=1), "it has schema 1; this strop reads 2"),
            (lambda c: c.update(schema=True), "it has schema True; this strop reads 2"),
            (lambda c: c.update(extra=1), "it: unknown field 'extra'"),
            (lambda c: c.pop("cpu"), "it: field 'cpu' is missing"),
            (lambda c: c.pop("device"), "it: field 'device' is missing"),
            (lambda c: c.update(device=None), "it.device: NoneType instead of str"),
            (lambda c: c.update(device="npu"), "its device is not valid"),
            (lambda c: c.update(device="gpu"), "it has a row on the cpu, and is for the gpu"),
            (lambda c: c.update(rows={}), "it.rows: dict instead of tuple"),
            (lambda c: c.update(rows=[]), "it has no rows, or one twice"),
            (lambda c: c.update(rows=c["rows"] * 2), "it has no rows, or one twice"),
            (lambda c: c["cpu"].update(model="\x1b[31m"), "it.cpu.model: '\\x1b[31m' holds"),
            (lambda c: c.update({"x" * 9999: 1}), "it: unknown field 'xxx"),
            (_row(engine="onnx"), "it has a variant that is not proven on an installed engine"),
            (_row(engine="fake"), "it has a variant that is not proven on an installed engine"),
            (
                _row(engine="reference"),
                "it has a variant that is not proven on an installed engine",
            ),
            (_row(engine="/bin/sh"), "it has a variant that is not proven on an installed engine"),
            (
                _row(file="../../../../etc/passwd"),
                "it has a variant that is not proven on an installed engine",
            ),
            (
                _row(file="golden/inputs.npy"),
                "it has a variant that is not proven on an installed engine",
            ),
            (_row(precision="float32"), "it takes variants/int8.tflite for another variant"),
            (_row(format="onnx"), "it takes variants/int8.tflite for another variant"),
            (_row(threads=10**9), "a number of threads is not valid"),
            (_row(threads=CORES + 1), "a number of threads is not valid"),
            (_row(threads=0), "a number of threads is not valid"),
            (_row(threads=-1), "a number of threads is not valid"),
            (_row(threads=True), "it.rows[0].threads: bool instead of int"),
            (_row(threads=1.0), "it.rows[0].threads: float instead of int"),
            (_row(threads="1"), "it.rows[0].threads: str instead of int"),
            (_row(p50_us=math.nan), "it is not JSON: NaN is not a number"),
            (_row(p50_us=math.inf), "it is not JSON: Infinity is not a number"),
            (_row(p50_us=1e300), "it.rows[0].p50_us: the number is too large"),
            (_row(p50_us=1e10), "a duration is not valid"),
            (_row(p50_us=0), "a duration is not valid"),
            (_row(p50_us=-3.5), "a duration is not valid"),
        ],
    )
    def test_a_value_that_cannot_be(
        self, path: Path, remembered: Path, change: Callable[[Any], object], reason: str
    ) -> None:
        _rewrite(remembered, change)
        said = _ignored(path)
        assert said.startswith(reason)
        assert len(said) <= 200

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "it is not JSON"),
            (b"null", "it has schema None; this strop reads 2"),
            (b"[" * 10_000, "it is not JSON"),
            (b"[" * 100 + b"]" * 100, "it is nested more than 32 levels deep"),
            (b'{"schema": 2, "schema": 2}', "it is not JSON: a key is twice"),
            (b'{"a\xff": 1}', "it is not JSON: 'utf-8' codec"),
            ('{"schema": 2}'.encode("utf-16"), "it is not JSON: 'utf-8' codec"),
            (b" " * 10_000_000, f"it cannot be read: more than {2**18} bytes"),
        ],
        ids=["empty", "null", "deep", "nested", "twice", "no UTF-8", "UTF-16", "10 MB"],
    )
    def test_bytes_that_are_no_table(
        self, path: Path, remembered: Path, content: bytes, reason: str
    ) -> None:
        remembered.write_bytes(content)
        assert _ignored(path).startswith(reason)

    def test_a_table_cut_off_anywhere(self, bundle: Bundle, remembered: Path) -> None:
        content = remembered.read_bytes()
        for length in range(0, len(content) - 1, 7):
            remembered.write_bytes(content[:length])
            with pytest.warns(StropWarning):
                assert tuned.recall(bundle) == ()

    @pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "link", "device"])
    def test_something_else_in_its_place_never_hangs(
        self, path: Path, remembered: Path, tmp_path: Path, kind: str
    ) -> None:
        content = remembered.read_bytes()
        remembered.unlink()
        if kind == "folder":
            remembered.mkdir()
        elif kind == "pipe":
            os.mkfifo(remembered)
        elif kind == "loop":
            remembered.symlink_to(remembered)
        elif kind == "link":
            (tmp_path / "elsewhere").write_bytes(content)
            remembered.symlink_to(tmp_path / "elsewhere")
        else:
            remembered.symlink_to("/dev/zero")
        said = _ignored(path)
        assert said in (
            "it cannot be read: Is a directory",
            "it cannot be read: not a regular file",
            "it cannot be read: Too many levels of symbolic links",
        )

    @pytest.mark.usefixtures("remembered")
    def test_a_file_that_may_not_be_read(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _no_permission(monkeypatch)
        assert _ignored(path) == "it cannot be read: Permission denied"


class TestWriting:
    def test_it_takes_the_place_of_whatever_stood_there(
        self, bundle: Bundle, remembered: Path, tmp_path: Path
    ) -> None:
        tuned.remember(bundle, [FLOAT])
        assert tuned.recall(bundle) == (FLOAT,)
        (tmp_path / "elsewhere").write_bytes(b"precious")
        remembered.unlink()
        remembered.symlink_to(tmp_path / "elsewhere")
        tuned.remember(bundle, [INT8])
        assert tuned.recall(bundle) == (INT8,)
        assert (tmp_path / "elsewhere").read_bytes() == b"precious"
        assert [p.name for p in remembered.parent.iterdir()] == [remembered.name]

    def test_a_folder_in_its_place_is_an_error_and_leaves_nothing_behind(
        self, bundle: Bundle, remembered: Path
    ) -> None:
        remembered.unlink()
        remembered.mkdir()
        with pytest.raises(StropError, match="Is a directory; set XDG_CACHE_HOME to a folder"):
            tuned.remember(bundle, [FLOAT])
        assert [p.name for p in remembered.parent.iterdir()] == [remembered.name]

    def test_killed_before_the_end_the_older_table_stands(
        self, bundle: Bundle, remembered: Path
    ) -> None:
        process = os.fork()
        if not process:
            try:
                os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
                tuned.remember(bundle, [FLOAT])
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
        assert tuned.recall(bundle) == (INT8, INT8_ALONE, FLOAT)
        strays = [p.suffix for p in remembered.parent.iterdir() if p != remembered]
        assert strays == [".part"]

    def test_two_that_tune_at_once_leave_one_of_their_tables(
        self, bundle: Bundle, remembered: Path
    ) -> None:
        processes = []
        for row in (INT8, FLOAT):
            process = os.fork()
            if not process:
                status = 1
                try:
                    for _ in range(50):
                        tuned.remember(bundle, [row])
                    status = 0
                finally:
                    os._exit(status)
            processes.append(process)
        seen = {tuned.recall(bundle) for _ in range(50)}  # always complete: no warning
        for process in processes:
            assert os.waitpid(process, 0)[1] == 0
        seen.add(tuned.recall(bundle))
        assert seen <= {(INT8, INT8_ALONE, FLOAT), (INT8,), (FLOAT,)}
        assert [p.name for p in remembered.parent.iterdir()] == [remembered.name]

    def test_what_is_written_is_small(self, bundle: Bundle, remembered: Path) -> None:
        content = json.loads(remembered.read_text("ascii"))
        assert content["rows"] == [row._asdict() for row in (INT8, INT8_ALONE, FLOAT)]
        assert content["bundle"] == bundle.digest
        assert remembered.stat().st_size < 2000


class TestReleases:
    @pytest.mark.parametrize(
        ("notes", "release"),
        [
            (["some_engine-1.2.dist-info", "other-3.dist-info"], "some_engine-1.2"),
            (["some_engine_gpu-1.2.dist-info"], "some_engine_gpu-1.2"),
            (["some_engine-2.14.0.egg-info"], "some_engine-2.14.0"),  # as on Debian
            (["other-3.dist-info"], "unknown"),
        ],
    )
    def test_the_release_of_an_engine_is_what_its_installer_wrote_down(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: list[str], release: str
    ) -> None:
        for name in ("some_engine", *notes):
            (tmp_path / name).mkdir()
        (tmp_path / "some_engine" / "__init__.py").write_text("raise ImportError('never asked')")
        monkeypatch.syspath_prepend(str(tmp_path))
        doubles.replace_package(monkeypatch, "onnx", "some_engine")
        assert engines.installed_release("onnx") == release

    def test_the_release_of_an_absent_engine_is_unknown(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "onnx")
        assert engines.installed_release("onnx") == "unknown"

    def test_real_engines_have_real_releases(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        assert engines.installed_release("reference") == f"numpy-{np.__version__}"
        for name, package in (("litert", "ai_edge_litert"), ("onnx", "onnxruntime")):
            pytest.importorskip(package)
            assert engines.installed_release(name) == f"{package}-{engines.get(name).version()}"

"""Errors as programs read them, and warnings that name the calling line."""

from __future__ import annotations

import inspect
import json
import linecache
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop import cli, errors
from strop.bundle.open import open_bundle
from strop.errors import BundleError, DeviceUnavailable, InputError, StropError, StropWarning
from strop.install.install import install
from strop.model.tuned_path import table_path
from tests import bundles
from tests.unit.runtime import doubles

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, StropError)
]


class TestFields:
    def test_each_class_has_a_kind_of_its_own(self) -> None:
        assert len(CLASSES) == 11
        assert len({kind.kind for kind in CLASSES}) == len(CLASSES)
        assert all(kind.kind.isidentifier() for kind in CLASSES)

    @pytest.mark.parametrize("kind", CLASSES)
    def test_the_message_ends_with_the_mend(self, kind: type[StropError]) -> None:
        error = kind("the strop is dry", "oil it")
        assert (error.problem, error.mend) == ("the strop is dry", "oil it")
        assert str(error) == "the strop is dry; oil it"

    def test_without_a_mend_the_message_is_the_problem(self) -> None:
        error = BundleError("the strop is gone")
        assert (str(error), error.problem, error.mend) == (("the strop is gone",) * 2) + ("",)

    def test_one_that_is_told_of_a_larger_thing_keeps_its_mend(self) -> None:
        error = BundleError("its edge is dull", "hone it").within("blade 7 refused")
        assert type(error) is BundleError
        assert (error.problem, error.mend) == ("blade 7 refused: its edge is dull", "hone it")

    def test_of_several_mends_each_is_kept(self) -> None:
        assert errors.either("oil it", "", "hone it") == "oil it, or hone it"

    def test_one_that_was_found_on_the_way_keeps_its_mend(self, tmp_path: Path) -> None:
        folder = tmp_path / "place"
        path = bundles.image().write(tmp_path / "a.strop")
        install(path, folder, check=lambda bundle: ())
        (stored,) = (folder / "bundles").iterdir()
        stored.chmod(0o644)
        stored.write_bytes(stored.read_bytes()[:-1])
        with pytest.raises(BundleError) as caught:
            strop.load(folder)
        assert caught.value.mend == "copy it again, or install it again"
        assert "copy it again" not in caught.value.problem

    @pytest.mark.parametrize("kind", CLASSES)
    def test_they_cross_to_other_processes_whole(self, kind: type[StropError]) -> None:
        error = pickle.loads(pickle.dumps(kind("dry", "oil it")))
        assert type(error) is kind
        assert (str(error), error.problem, error.mend) == ("dry; oil it", "dry", "oil it")


class TestJson:
    """With --json an error is an object on stdout, and still a line on stderr."""

    def _refused(self, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, ...]:
        status = cli.main([*arguments, "--json"])
        out, err = capfd.readouterr()
        error = json.loads(out)["error"]
        assert error.keys() == {"kind", "problem", "mend"}
        message = "; ".join(filter(None, (error["problem"], error["mend"])))
        assert err == f"strop: {message}\n"
        return status, error["kind"], error["mend"]

    @pytest.mark.parametrize("command", ["info", "check", "bench", "tune", "verify"])
    def test_a_bundle_that_is_not_there(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
    ) -> None:
        found = self._refused(
            capfd, command, str(tmp_path / "no.strop"), *_trust(command, tmp_path)
        )
        assert found == (2, "bundle", "")

    def test_one_that_is_damaged_says_what_to_do(
        self, image_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        content = bytearray(image_path.read_bytes())
        content[100] ^= 1
        image_path.write_bytes(content)
        assert self._refused(capfd, "info", str(image_path)) == (2, "bundle", "copy it again")

    def test_an_engine_that_is_absent_comes_with_the_line_that_installs_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        doubles.uninstall(monkeypatch, "litert")
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        path = draft.write(tmp_path / "a.strop")
        status, kind, mend = self._refused(capfd, "bench", str(path), "--engine", "litert")
        assert (status, kind) == (2, "engine")
        assert mend.startswith("pip install './strop-")

    def test_a_gpu_that_cannot_be_had(
        self, image_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        found = self._refused(capfd, "bench", str(image_path), "--device", "gpu")
        assert found[:2] == (2, "device")
        assert "make export TARGET=gpu" in found[2]

    def test_where_nothing_is_fastest_the_table_has_the_error_and_nothing_follows_it(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        draft = bundles.image()
        draft.put(
            draft.variant["golden"][0], bundles.npy(np.ones((bundles.SAMPLES, 3), np.float32))
        )
        status = cli.main(["tune", str(draft.write(tmp_path / "a.strop")), "--json"])
        out, err = capfd.readouterr()
        content = json.loads(out)
        assert (status, content["error"]["kind"]) == (1, "parity")
        assert content["candidates"][0]["status"] == "FAILED"
        assert err == f"strop: {content['error']['problem']}; {content['error']['mend']}\n"


def _trust(command: str, folder: Path) -> tuple[str, ...]:
    if command != "verify":
        return ()
    key = folder / "keys"
    key.write_text("ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n")
    return ("--trusted-keys", str(key))


class TestWarnings:
    """They name the line of the program that called strop, from any depth of strop."""

    def _blamed(self, caught: list[warnings.WarningMessage]) -> str:
        (warning,) = (each for each in caught if each.category is StropWarning)
        assert warning.filename == __file__
        return linecache.getline(warning.filename, warning.lineno).strip()

    def test_load_with_a_table_that_is_none(
        self, image_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # not that of other tests
        bundle = open_bundle(image_path)
        path = table_path(bundle.digest)
        assert path is not None
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("{}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            strop.load(image_path).close()  # this line
        assert self._blamed(caught).endswith("# this line")

    def test_load_that_goes_on_with_another_gpu(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, adapter in (("onnx", None), ("litert", "NVIDIA Toaster, CUDA 12.8")):
            double = doubles.install(monkeypatch, name, devices=("cpu", "gpu"))
            double.adapter = adapter
        draft = bundles.image()
        for format, name in (("onnx", "onnx"), ("tflite", "litert")):
            draft.add_variant(format, "float16", [name])["devices"] = ["cpu", "gpu"]
        draft.content["engines"] = ["onnx", "litert", "reference"]
        path = draft.write(tmp_path / "a.strop")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            strop.load(path, device="gpu").close()  # and this
        assert self._blamed(caught).endswith("# and this")

    def test_a_function_between_does_not_shift_the_blame(self) -> None:
        def inside_strop(depth: int) -> None:
            if depth:
                inside_strop(depth - 1)
            else:
                errors.warn("dull")

        space = {"__name__": "strop.somewhere", "errors": errors}
        code = inspect.getsource(inside_strop)
        exec("\n".join(line[8:] for line in code.splitlines()), space)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            space["inside_strop"](3)  # type: ignore[operator]  # the caller
        assert self._blamed(caught).endswith("# the caller")

    def test_a_program_whose_name_begins_alike_is_a_program(self, tmp_path: Path) -> None:
        program = tmp_path / "stropping.py"
        program.write_text("from strop import errors\nerrors.warn('dull')\n")
        code = "import sys; sys.path.insert(0, sys.argv[1]); import stropping"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert f"{program}:2: StropWarning: dull" in done.stderr


def test_an_input_error_is_a_value_error_too() -> None:
    assert isinstance(InputError("dull", "hone it"), ValueError)
    assert not isinstance(DeviceUnavailable("gone"), ValueError)

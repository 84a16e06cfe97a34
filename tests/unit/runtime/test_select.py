"""The choice of variant and engine: the first proven pair that is here, or an error with a fix."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import strop
from strop import engines
from strop.bundle.file import parse_bundle
from strop.device import board, wheels
from strop.errors import EngineUnavailable, InputError
from strop.model.select import choose
from tests import bundles
from tests.unit.runtime import boards, doubles


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    doubles.uninstall(monkeypatch, "litert", "tflite", "onnx")


@pytest.fixture
def draft() -> bundles.Draft:
    """float32 on reference, as in the factory; int8 on litert and tflite, float16 on onnx."""
    draft = bundles.image(engines=["litert", "tflite", "onnx", "reference"])
    draft.add_variant("tflite", "int8", ["litert", "tflite"])
    draft.add_variant("onnx", "float16", ["onnx"])
    return draft


def _chosen(draft: bundles.Draft, **asked: str) -> tuple[str, str, str]:
    choice = choose(parse_bundle(draft.pack()).manifest, **asked)
    return choice.engine, choice.variant.precision, choice.device


def _refused(draft: bundles.Draft, error: type[Exception], **asked: str) -> str:
    with pytest.raises(error) as caught:
        choose(parse_bundle(draft.pack()).manifest, **asked)
    return str(caught.value)


class TestChoice:
    def test_engines_that_are_absent_are_passed_over(self, draft: bundles.Draft) -> None:
        assert _chosen(draft) == ("reference", "float32", "cpu")

    def test_the_bundles_order_of_engines_decides(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.install(monkeypatch, "onnx")
        assert _chosen(draft) == ("onnx", "float16", "cpu")
        doubles.install(monkeypatch, "tflite")
        assert _chosen(draft) == ("tflite", "int8", "cpu")
        draft.content["engines"].sort()
        assert _chosen(draft) == ("onnx", "float16", "cpu")

    def test_the_bundles_order_of_variants_decides_on_one_engine(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.install(monkeypatch, "litert")
        draft.add_variant("tflite", "dynamic", ["litert"])
        assert _chosen(draft)[1] == "int8"
        draft.content["variants"].reverse()
        assert _chosen(draft)[1] == "dynamic"

    def test_a_precision_asked_for_is_had_from_the_first_engine_that_has_it(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("litert", "tflite", "onnx"):
            doubles.install(monkeypatch, name)
        assert _chosen(draft, precision="float16") == ("onnx", "float16", "cpu")
        assert _chosen(draft, precision="float32") == ("reference", "float32", "cpu")

    def test_an_engine_asked_for_is_had(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.install(monkeypatch, "litert")
        assert _chosen(draft, engine="reference") == ("reference", "float32", "cpu")

    def test_fake_opens_any_variant_and_is_never_chosen_unasked(self, draft: bundles.Draft) -> None:
        assert _chosen(draft, engine="fake") == ("fake", "float32", "cpu")
        assert _chosen(draft, engine="fake", precision="int8") == ("fake", "int8", "cpu")


class TestRefusals:
    """Each says what was asked for, what was found, and what to do."""

    def test_an_unknown_engine(self, draft: bundles.Draft) -> None:
        assert _refused(draft, EngineUnavailable, engine="tpu") == (
            f"there is no engine 'tpu'; ask for one of {', '.join(engines.NAMES)}"
        )

    def test_an_absent_engine(self, draft: bundles.Draft) -> None:
        assert _refused(draft, EngineUnavailable, engine="litert") == (
            "engine 'litert' is not installed (no package no_litert_here); "
            "pip install './strop-0.1.0-py3-none-any.whl[litert]'"
        )

    def test_an_engine_the_bundle_is_not_proven_on(self, draft: bundles.Draft) -> None:
        draft.content["engines"].remove("tflite")
        draft.content["variants"][1]["proofs"].pop()
        assert _refused(draft, EngineUnavailable, engine="tflite") == (
            "shapes-cpu is not proven on tflite; ask for one of litert, onnx, reference"
        )

    def test_no_engine_at_all(self) -> None:
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert", "tflite"])
        del draft.files[draft.variant["file"]], draft.files[draft.variant["golden"][0]["file"]]
        del draft.content["variants"][0], draft.content["engines"][0]
        assert _refused(draft, EngineUnavailable) == (
            "no engine for shapes-cpu is installed; install one of them, "
            "litert: pip install './strop-0.1.0-py3-none-any.whl[litert]'; "
            "tflite: pip install './strop-0.1.0-py3-none-any.whl[tflite]'"
        )

    def test_no_engine_for_the_precision_asked_for(self, draft: bundles.Draft) -> None:
        assert _refused(draft, EngineUnavailable, precision="float16") == (
            "no engine for shapes-cpu at float16 is installed; install one of them, "
            "onnx: pip install './strop-0.1.0-py3-none-any.whl[onnx]'"
        )

    def test_a_precision_that_can_be_had_nowhere_here(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(board, "read", lambda: boards.PI_ZERO)
        only = "has no wheel for armv6l, only for x86_64"
        assert _refused(draft, EngineUnavailable, precision="int8") == (
            "no engine for shapes-cpu at int8 is available here: "
            f"ai-edge-litert {only} and aarch64; "
            f"tflite-runtime {only}, aarch64 and armv7l; float32 runs on reference"
        )
        monkeypatch.setattr(board, "read", lambda: boards.PI_4_32_BIT)
        assert _refused(draft, EngineUnavailable, precision="float16").endswith(
            "; float32 runs on reference; install the 64-bit OS"
        )
        assert "tflite: python3 -m venv" in _refused(draft, EngineUnavailable, precision="int8")

    def test_an_absent_engine_has_advice_of_those_with_what_was_asked_for(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wheels, "read", lambda: boards.PI_ZERO)
        refused = _refused(draft, EngineUnavailable, engine="tflite", precision="int8")
        assert refused.endswith("only for x86_64, aarch64 and armv7l")
        draft.content["variants"][0]["proofs"].append(
            {**draft.content["variants"][0]["proofs"][0], "engine": "onnx"}
        )
        refused = _refused(draft, EngineUnavailable, engine="onnx", precision="float32")
        assert refused.endswith("; use reference, which needs numpy alone")

    def test_an_unknown_precision(self, draft: bundles.Draft) -> None:
        assert _refused(draft, InputError, precision="int4") == (
            "there is no precision 'int4'; "
            "ask for one of float32, float16, dynamic, int8, int16x8, mixed"
        )

    def test_a_precision_the_bundle_has_not(self, draft: bundles.Draft) -> None:
        assert _refused(draft, InputError, precision="dynamic") == (
            "shapes-cpu has no dynamic variant; ask for one of float32, int8, float16"
        )

    def test_a_precision_the_engine_has_not(self, draft: bundles.Draft) -> None:
        assert _refused(draft, EngineUnavailable, engine="reference", precision="int8") == (
            "shapes-cpu has no int8 variant for reference; ask for float32"
        )

    def test_a_bundle_for_an_engine_of_the_future(self) -> None:
        draft = bundles.image(engines=["quantum", "reference"])
        assert _chosen(draft)[0] == "reference"  # counts as absent
        draft.content["engines"] = ["quantum"]
        draft.content["variants"][0]["proofs"][0]["engine"] = "quantum"
        assert _refused(draft, EngineUnavailable) == (
            "shapes-cpu is for quantum; this strop has none of them; "
            "install the strop wheel that came with the bundle"
        )

    def test_the_fake_is_never_chosen_unasked(self) -> None:
        draft = bundles.image(engines=["fake", "reference"])
        assert _chosen(draft)[0] == "reference"


class TestBrokenEngines:
    """A broken engine is never skipped."""

    @pytest.fixture
    def broken_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "packages" / "broken_litert"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open')")
        monkeypatch.syspath_prepend(str(package.parent))
        (package.parent / "litert.py").write_text("import broken_litert")
        monkeypatch.setattr(engines, "__path__", [str(package.parent), *engines.__path__])
        monkeypatch.delitem(sys.modules, "strop.engines.litert", raising=False)
        doubles.replace_package(monkeypatch, "litert", "broken_litert")

    @pytest.mark.usefixtures("broken_package")
    def test_one_that_does_not_import_raises(self, tmp_path: Path, draft: bundles.Draft) -> None:
        path = draft.write(tmp_path / "shapes.strop")
        assert engines.is_installed("litert")
        with pytest.raises(EngineUnavailable) as caught:
            strop.load(path)
        assert str(caught.value) == (
            "engine 'litert' is installed and broken: importing broken_litert gives "
            "ImportError: libGL.so.1: cannot open; strop doctor says what to do about it"
        )
        with strop.load(path, engine="reference") as model:  # the others work
            assert model.engine == "reference"

    def test_one_that_does_not_open_the_file_raises(
        self, tmp_path: Path, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise ValueError("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'")

        doubles.install(monkeypatch, "litert", refuse)
        with pytest.raises(EngineUnavailable) as caught:
            strop.load(draft.write(tmp_path / "shapes.strop"))
        assert str(caught.value) == (
            "engine 'litert' 1.2.3 is installed but does not open variants/int8.tflite: "
            "ValueError: Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'; "
            "strop doctor says whether it works here"
        )
        assert isinstance(caught.value.__cause__, ValueError)

    def test_a_package_set_to_none_is_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The usual way to hide a module from a test."""
        doubles.replace_package(monkeypatch, "onnx", "hidden_package")
        monkeypatch.setitem(sys.modules, "hidden_package", None)
        assert not engines.is_installed("onnx")


class TestLoad:
    def test_what_really_runs_is_said(self, image_path: Path) -> None:
        with strop.load(image_path, threads=2) as model:
            assert (model.engine, model.device, model.precision) == ("reference", "cpu", "float32")
            assert (model.name, model.version, model.threads) == ("shapes", 1, 2)
            assert repr(model) == (
                f"<strop.Model shapes v1: float32 on reference {model.engine_version}, cpu, "
                "threads=2>"
            )

    @pytest.mark.parametrize("threads", [0, -1, 1.0, True, "2"])
    def test_threads_are_a_number_of_threads(self, image_path: Path, threads: int) -> None:
        with pytest.raises(InputError, match="`threads` must be an integer from 1 to 1024, got"):
            strop.load(image_path, threads=threads)

    def test_what_is_asked_for_reaches_the_engine(
        self, image_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: dict[str, object] = {}
        engine = engines.get("fake")

        def opened(model: bytes, variant: object, **asked: object) -> doubles.SpySession:
            seen.update(asked, model=model)
            return doubles.SpySession(lambda inputs: inputs)

        monkeypatch.setattr(engine, "open", opened)
        strop.load(image_path, engine="fake", device="cpu", threads=3).close()
        weights = bundles.image().files["variants/shapes.float32.npz"]
        assert seen == {"device": "cpu", "threads": 3, "model": weights}

"""The table of engines, and the two that need only numpy."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from strop import engines
from strop.bundle.file import parse_bundle
from strop.bundle.manifest import FORMATS, Variant
from strop.engines.reference import ACTIVATIONS, ReferenceSession
from strop.errors import EngineUnavailable
from tests import bundles
from tests.unit.runtime import doubles


class _ThreeArguments:
    def find_spec(self, name: str, path: Any, target: Any) -> None:
        """Find nothing."""


class TestTable:
    def test_every_name_has_its_module(self) -> None:
        folder = Path(engines.__file__).parent
        having = [path.stem for path in folder.glob("*.py") if "\nENGINE = " in path.read_text()]
        assert sorted(engines.NAMES) == sorted(having)

    def test_they_stand_in_the_order_in_which_people_see_them(self) -> None:
        known = ["litert", "tflite", "onnx", "reference", "fake"]
        assert [name for name in engines.NAMES if name in known] == known

    def test_what_an_engine_opens_and_where_is_known_before_it_is_imported(self) -> None:
        assert {name: entry.format for name, entry in engines.TABLE.items()}.items() >= {
            **{"litert": "tflite", "tflite": "tflite", "onnx": "onnx"},
            **{"reference": "weights", "fake": None},
        }.items()
        for name, entry in engines.TABLE.items():
            assert entry.format in (None, *FORMATS), name
            assert entry.devices[0] == "cpu", name

    @pytest.mark.parametrize("name", ["reference", "fake"])
    def test_what_needs_numpy_alone_is_always_here(self, name: str) -> None:
        assert engines.is_installed(name)
        assert engines.get(name).version()

    def test_a_program_built_without_the_engines_module_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "strop.engines.reference", None)
        with pytest.raises(EngineUnavailable, match=r"no module strop\.engines\.reference; build"):
            engines.get("reference")

    @pytest.mark.parametrize("ask", [engines.is_installed, engines.get])
    def test_an_unknown_name_is_refused_with_those_there_are(self, ask: Any) -> None:
        with pytest.raises(
            EngineUnavailable, match="there is no engine 'no'; ask for one of native"
        ):
            ask("no")

    def test_asking_whether_one_is_installed_imports_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.replace_package(monkeypatch, "onnx", "antigravity")
        sys.modules.pop("antigravity", None)
        assert engines.is_installed("onnx")
        assert "antigravity" not in sys.modules

    @pytest.mark.parametrize("finder", [object(), _ThreeArguments()], ids=["old", "strict"])
    def test_other_finders_are_asked_as_python_asks_them(
        self, finder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A finder may lack `find_spec`, or require all its arguments."""
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        for package, there in (("a_package_of_no_one", False), ("antigravity", True)):
            doubles.replace_package(monkeypatch, "onnx", package)
            assert engines.is_installed("onnx") is there

    def test_one_that_does_not_say_where_it_is_from_is_here(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For example a module that an app made itself."""
        doubles.replace_package(monkeypatch, "onnx", "made_by_hand")
        module = ModuleType("made_by_hand")
        monkeypatch.setitem(sys.modules, "made_by_hand", module)
        assert module.__spec__ is None
        assert engines.is_installed("onnx")
        assert engines.installed_release("onnx") == "unknown"

    def test_a_folder_that_an_uninstall_left_is_no_package(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "left_behind" / "__pycache__").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path)
        doubles.replace_package(monkeypatch, "onnx", "left_behind")
        assert not engines.is_installed("onnx")
        with pytest.raises(EngineUnavailable, match="engine 'onnx' is not installed"):
            engines.get("onnx")

    def test_an_absent_one_is_refused_with_its_install_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "onnx")
        with pytest.raises(EngineUnavailable, match=r"pip install './strop-.*\.whl\[onnx\]'"):
            engines.get("onnx")


def _variant(draft: bundles.Draft) -> Variant:
    return parse_bundle(draft.pack()).manifest.variants[0]


class TestFake:
    def _answers(self, draft: bundles.Draft, inputs: Any) -> list[list[float]]:
        session = engines.get("fake").open(b"", _variant(draft), device="cpu", threads=1)
        outputs = session.run(np.asarray(inputs, np.float32))
        assert outputs.dtype == np.float32
        return outputs.tolist()  # type: ignore[no-any-return]

    @pytest.mark.parametrize("total", [0, 1, 2, 3, 100, 4080])
    def test_the_class_is_the_sum_of_the_input_modulo_the_classes(self, total: int) -> None:
        pixels = np.zeros((1, 4, 4))
        pixels[0, 0, 0] = total % 255
        pixels[0, 1:, :] = 0
        pixels[0, 3, 3] = total - total % 255
        assert self._answers(bundles.image(), pixels) == [np.eye(3)[total % 3].tolist()]

    def test_the_sum_is_rounded_down_as_a_whole(self) -> None:
        assert self._answers(bundles.vector(), [[0.5, 0.5, 0, 0, 0]]) == [[0, 1]]
        assert self._answers(bundles.vector(), [[-0.5, 0, 0, 0, 0]]) == [[0, 1]]

    def test_huge_values_are_answered_too(self) -> None:
        assert sum(self._answers(bundles.vector(), [[3e38] * 5])[0]) == 1

    def test_each_sample_of_a_batch_has_its_own_answer(self) -> None:
        assert self._answers(bundles.vector(), np.eye(5)[:3] * [0, 1, 2, 0, 0]) == [
            *([1, 0], [0, 1], [1, 0]),
        ]


class TestReference:
    @pytest.mark.parametrize("draft", [bundles.image(), bundles.vector()], ids=["image", "vector"])
    def test_it_answers_as_the_layers_say(self, draft: bundles.Draft) -> None:
        samples = np.load(_io(draft.files["golden/inputs.npy"]))
        file = draft.files[draft.variant["file"]]
        session = ReferenceSession(file, samples[0].size, len(bundles.answer(draft, samples)[0]))
        outputs = session.run(samples.astype(np.float32))
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, bundles.answer(draft, samples), atol=1e-6)

    def test_pickled_weights_are_refused(self) -> None:
        with pytest.raises(ValueError, match="pickled"):
            ReferenceSession(b"\x80\x04]\x94.", 1, 1)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize(
        ("name", "logits", "expected"),
        [
            ("softmax", [1e4, 0, -1e4], [1, 0, 0]),
            ("softmax", [1e30, 1e30, -1e30], [0.5, 0.5, 0]),
            ("softmax", [3e38, -3e38, 0], [1, 0, 0]),
            ("softmax", [-1e4, -1e4, -1e4], [1 / 3] * 3),
            ("softmax", [100, 99, -3e38], [0.7310586, 0.26894142, 0]),
            ("sigmoid", [1e4, 0, -1e4], [1, 0.5, 0]),
            ("sigmoid", [3e38, -3e38, 88], [1, 0, 1]),
            ("sigmoid", [-88.8, -104, -90], [2.7e-39, 0, 8.2e-40]),
            ("relu", [3e38, -3e38, -0.0], [3e38, 0, 0]),
            ("linear", [3e38, -3e38, 0], [3e38, -3e38, 0]),
        ],
    )
    def test_activations_hold_for_large_logits(
        self, name: str, logits: list[float], expected: list[float]
    ) -> None:
        outputs = np.array([logits], np.float32)
        ACTIVATIONS[name](outputs)  # in place
        np.testing.assert_allclose(outputs[0], np.array(expected, np.float32), atol=1e-6)

    def test_a_few_bytes_that_unpack_to_many_are_refused(self) -> None:
        """Like a ZIP bomb, with a factor of a thousand, refused before unpacking."""
        bomb = io.BytesIO()
        np.savez_compressed(bomb, kernel_0=np.zeros((2**10, 2**10), np.float32))
        with pytest.raises(ValueError, match="its arrays are larger than the file"):
            ReferenceSession(bomb.getvalue(), 1, 1)

    def test_more_names_than_layers_are_refused(self) -> None:
        """Empty names take no space, so a file may have any number of them."""
        header = f"{{'descr': '|S0', 'fortran_order': False, 'shape': ({10**12},)}}"
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("activations.npy", bundles.npy_header(header))
        with pytest.raises(ValueError, match="1000000000000 activations in a file of 1 arrays"):
            ReferenceSession(file.getvalue(), 1, 1)

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"scale": np.ones((3000, 1, 1), np.float32)}, "must be single numbers"),
            ({"offset": np.ones(1, np.float32)}, "must be single numbers"),
            ({"scale": np.float32(np.inf)}, "not finite"),
            ({"bias_0": np.array([0, np.nan, 0], np.float32)}, "not finite"),
            ({"scale": np.float64(1)}, "`scale` must be float32, got float64"),
            ({"kernel_0": np.zeros((4, 3), np.complex64)}, "must be float32, got complex64"),
            ({"kernel_1": np.zeros((3, 2))}, "`kernel_1` must be float32, got float64"),
            ({"bias_0": np.zeros(3, ">f4")}, "`bias_0` must be float32, got >f4"),
            ({"kernel_0": np.zeros((5, 3), np.float32)}, r"layer 0 is \(5, 3\)"),
            ({"kernel_0": np.zeros((2, 4, 3), np.float32)}, r"layer 0 is \(2, 4, 3\)"),
            ({"kernel_1": np.zeros((2, 2), np.float32)}, r"layer 1 is \(2, 2\)"),
            ({"bias_1": np.zeros((1, 2), np.float32)}, r"layer 1 is .* and \(1, 2\)"),
            ({"bias_1": np.float32(0)}, r"layer 1 is .* and \(\)"),
            (
                {"kernel_1": np.zeros((3, 1), np.float32), "bias_1": np.zeros(1, np.float32)},
                "gives 1 values; the manifest says 2",
            ),
            ({"bias_1": None}, "`bias_1` is missing"),
            ({"offset": None}, "`offset` is missing"),
            ({"kernel_2": np.zeros(0, np.float32)}, "8 arrays for 2 layers"),
            ({"activations": np.array(["relu", "gelu"])}, "no activation 'gelu'"),
            ({"activations": np.array([["relu", "linear"]])}, "a list of names"),
            ({"activations": np.array([1, 2])}, "a list of names"),
            ({"activations": np.array([], "U1")}, "a list of names"),
            ({"activations": np.array(["relu"])}, "7 arrays for 1 layers"),
        ],
    )
    def test_a_file_that_is_not_as_the_format_says_is_refused(
        self, changes: dict[str, Any], problem: str
    ) -> None:
        arrays = _layers() | changes
        file = io.BytesIO()
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
        with pytest.raises(ValueError, match=problem):
            ReferenceSession(file.getvalue(), 4, 2)

    def test_whatever_its_arrays_are_it_answers_as_the_manifest_says_or_is_refused(self) -> None:
        """Arrays of random shapes and dtypes, in random places of a right file."""
        chooser = np.random.default_rng(0)
        dtypes = ("f4", "f4", "f4", ">f4", "f2", "f8", "c8", "i4", "u1", "?", "U3", "S0", "M8[s]")
        opened = 0
        for _ in range(500):
            arrays = _layers()
            for name in chooser.choice(sorted(arrays), chooser.integers(1, 3)):
                shape = tuple(chooser.integers(0, 5, chooser.integers(0, 4)))
                arrays[name] = np.zeros(shape, chooser.choice(dtypes))
            file = io.BytesIO()
            np.savez(file, **arrays)
            try:
                session = ReferenceSession(file.getvalue(), 4, 2)
            except ValueError:
                continue
            opened += 1
            output = session.run(np.zeros((3, 2, 2), np.uint8))
            assert output.shape == (3, 2)
            assert output.dtype == np.float32
        assert 0 < opened < 100

    def test_the_input_is_left_as_it_was(self) -> None:
        draft = bundles.vector()
        values = np.linspace(-1, 1, 5, dtype=np.float32)[np.newaxis]
        kept = values.copy()
        ReferenceSession(draft.files[draft.variant["file"]], 5, 2).run(values)
        np.testing.assert_array_equal(values, kept)


def _layers() -> dict[str, Any]:
    """Two layers of 4 inputs, 3 and 2 units."""
    return {
        "scale": np.float32(1),
        "offset": np.float32(0),
        "activations": np.array(["relu", "linear"]),
        "kernel_0": np.ones((4, 3), np.float32),
        "bias_0": np.ones(3, np.float32),
        "kernel_1": np.ones((3, 2), np.float32),
        "bias_1": np.ones(2, np.float32),
    }


def _io(data: bytes) -> Any:
    import io

    return io.BytesIO(data)

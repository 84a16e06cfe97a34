"""Targets are data; each error in them is refused by name."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from strop_export import selection, targets
from strop_export.errors import TargetError
from strop_export.firmware.options import Options
from strop_export.floors.releases import PACKAGES
from strop_export.paths import REQUIREMENTS
from strop_export.proof import environments
from tests.environments import ROOT

GOOD = """
description = "a board"
platforms = ["linux-x86_64"]
requirements = "litert.txt"
extra = "litert"
engines = ["litert", "reference"]

[[variants]]
format = "tflite"
precision = "int8"
"""

ORDER = "convolutional_engines"


def written(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "board.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(targets, "TARGETS", folder)


def test_the_targets_that_ship() -> None:
    assert {"cpu", "gpu", "rpi", "rpi32"} <= set(targets.names())


@pytest.mark.parametrize("name", targets.names())
def test_each_target_reads_and_its_lock_is_there(name: str) -> None:
    target = targets.load(name)
    assert (ROOT / "requirements" / target.requirements).is_file()
    assert all(target.engines_of(spec) for spec in target.variants)


@pytest.mark.parametrize("name", ["rpi", "rpi32"])
def test_files_for_a_pi_are_proven_on_tflite_runtime(name: str) -> None:
    target = targets.load(name)
    tflite = [spec for spec in target.variants if spec.format == "tflite"]
    assert {spec.precision for spec in tflite} == {"float32", "float16", "dynamic", "int8"}
    assert all("tflite" in target.engines_of(spec) for spec in tflite)


def test_an_unknown_target_names_the_known_ones() -> None:
    with pytest.raises(TargetError, match=r"no target 'toaster'; there are cpu, gpu, mcu, rpi"):
        targets.load("toaster")


@pytest.mark.parametrize("name", ["../cpu", "targets/cpu", "", "CPU"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(TargetError, match="there is no target"):
        targets.load(name)


def test_a_target_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, GOOD, monkeypatch)
    target = targets.load("board")
    assert target.engines_of(target.variants[0]) == ("litert",)


class TestPrecisions:
    def test_only_variants_of_those_asked_for_are_kept(self) -> None:
        (cpu,) = selection.of_precisions([targets.load("cpu")], ["int8", "float16"])
        assert {spec.precision for spec in cpu.variants} == {"int8", "float16"}
        assert selection.of_precisions([targets.load("cpu")], None) == [targets.load("cpu")]

    def test_a_target_without_any_is_left_out(self) -> None:
        chosen = [targets.load("cpu"), targets.load("gpu")]
        assert [t.name for t in selection.of_precisions(chosen, ["int8"])] == ["cpu"]
        with pytest.raises(TargetError, match="no variant of gpu is int8 or dynamic"):
            selection.of_precisions(chosen[1:], ["int8", "dynamic"])

    def test_an_unknown_one_is_named_with_those_there_are(self) -> None:
        with pytest.raises(TargetError, match="no precision 'int4'; ask for float32, float16"):
            selection.of_precisions([targets.load("cpu")], ["int4"])


class TestAFileOfOnesOwn:
    @pytest.fixture
    def board(self, tmp_path: Path) -> str:
        path = tmp_path / "board.toml"
        path.write_text(GOOD, encoding="utf-8")
        return str(path)

    def test_is_a_target_of_the_file_s_name(self, board: str) -> None:
        target = targets.load(board)
        assert (target.name, target.engines) == ("board", ("litert", "reference"))

    def test_goes_with_all(self, board: str) -> None:
        chosen = selection.load_all(["all", board, "cpu", board])
        shipped = [name for name in targets.names() if name not in ("mcu", "web")]
        assert [target.name for target in chosen] == [*shipped, "board"]

    def test_cannot_share_a_name_with_another(self, board: str, tmp_path: Path) -> None:
        other = Path(board).rename(tmp_path / "cpu.toml")
        with pytest.raises(TargetError, match=r"two targets are called cpu; rename .*cpu.toml"):
            selection.load_all(["all", str(other)])

    def test_is_another_target_once_it_says_something_else(self, board: str) -> None:
        before = targets.load(board).digest()
        assert targets.load(board).digest() == before
        Path(board).write_text(GOOD.replace("int8", "float32"), encoding="utf-8")
        assert targets.load(board).digest() != before

    def test_that_is_not_there_is_named(self) -> None:
        with pytest.raises(TargetError, match="cannot read .*none.toml"):
            targets.load("./none.toml")

    def test_needs_a_name_that_a_bundle_can_have(self, tmp_path: Path) -> None:
        with pytest.raises(TargetError, match="'my board' is not a valid target name"):
            targets.load(str(tmp_path / "my board.toml"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('description = "a board"', "", "description"),
        ('description = "a board"', 'colour = "red"\ndescription = "x"', "colour"),
        ('"reference"]', '"warp"]', "no engine 'warp'"),
        ('"int8"', '"int3"', "int3"),
        ('"tflite"', '"onnx"', "none of its engines opens onnx; add onnx to"),
        ('"tflite"', '"plan"', "none of its engines opens plan; add native to its engines"),
        ('precision = "int8"', 'precision = "int8"\nspeed = 1', "speed"),
        ('"a board"', "1", "description must be text"),
        ('["linux-x86_64"]', '"linux-x86_64"', "platforms must be a list of texts"),
        ('["litert", "reference"]', "[1]", "engines must be a list of texts"),
        ("[[variants]]", "[variants]", "variants must be a list of tables"),
        ('[[variants]]\nformat = "tflite"\nprecision = "int8"', "variants = []", "no variants"),
        ('precision = "int8"', 'precision = "int8"\nper_channel = "no"', "per_channel must be"),
        ('precision = "int8"', 'precision = "int8"\ngpu = 1', "gpu must be true or false"),
        ('precision = "int8"', 'precision = "int8"\ngpu = true', "int8 does not run on GPUs"),
        ("[[variants]]", "[firmware]\n[[variants]]", "none of its files is a plan"),
        ('extra = "litert"', 'firmware = 1\nextra = "litert"', "firmware must be a table"),
        ("[[variants]]", "[firmware]\ncpu = 1\n[[variants]]", "unknown field of .firmware.: cpu"),
        (
            "[[variants]]",
            "[firmware]\ngolden = -1\n[[variants]]",
            "golden is -1; give an int",
        ),
        ("[[variants]]", "[firmware]\ngolden = true\n[[variants]]", "golden is True"),
        ("[[variants]]", "[firmware]\nmax_ram_bytes = 0\n[[variants]]", "max_ram_bytes is 0"),
        ("[[variants]]", '[firmware]\nmax_flash_bytes = "64k"\n[[variants]]', "is '64k'; give"),
        (
            'extra = "litert"',
            'page = true\nfirmware = {}\nextra = "litert"',
            "it is for pages and has firmware; write two targets",
        ),
        ('extra = "litert"', 'page = 1\nextra = "litert"', "page must be true or false"),
        ('extra = "litert"', f'{ORDER} = ["litert"]\nextra = "litert"', "list each of litert"),
        ('extra = "litert"', f'{ORDER} = "litert"\nextra = "litert"', "another order of engines"),
        (
            'extra = "litert"',
            f'{ORDER} = ["litert", "reference", "litert"]\nextra = "litert"',
            "list each of litert, reference once",
        ),
        ('extra = "litert"', 'extra = "npu"', r"no extra 'npu'; there are .*litert, .*onnx-webgpu"),
        ("litert.txt", "toaster.txt", r"no lock 'toaster.txt'; there are .*litert.txt"),
        ("[[variants]]", "[[variants", "not TOML"),
        ('"a board"', "[" * 20_000 + "]" * 20_000, "not TOML"),
        (
            "[[variants]]",
            '[[variants]]\nformat="tflite"\nprecision="int8"\n[[variants]]',
            "same format",
        ),
    ],
)
def test_what_a_target_says_wrongly_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    written(tmp_path, GOOD.replace(old, new), monkeypatch)
    with pytest.raises(TargetError, match=said):
        targets.load("board")


def test_the_order_for_convolutions_is_the_usual_one_unless_there_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, GOOD, monkeypatch)
    usual = targets.load("board")
    assert usual.preferred(convolutional=True) == usual.engines == ("litert", "reference")
    other = GOOD.replace("[[", f'{ORDER} = ["reference", "litert"]\n[[', 1)
    written(tmp_path, other, monkeypatch)
    target = targets.load("board")
    assert target.preferred(convolutional=True) == ("reference", "litert")
    assert target.preferred(convolutional=False) == usual.engines
    assert target.digest() != usual.digest()
    fewer = selection.without(target, "reference")
    assert fewer.preferred(convolutional=True) == fewer.engines == ("litert",)


class TestGpus:
    FLOAT = GOOD.replace('"int8"', '"float32"\ngpu = true')

    def test_a_target_for_them_names_the_engines_that_use_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written(tmp_path, self.FLOAT, monkeypatch)
        target = targets.load("board")
        assert target.gpu_engines == target.gpu_engines_of(target.variants[0]) == ("litert",)

    def test_a_file_for_one_needs_an_engine_that_uses_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = self.FLOAT.replace('["litert", "reference"]', '["tflite", "reference"]')
        written(tmp_path, text, monkeypatch)
        with pytest.raises(TargetError, match="none of its engines runs tflite on a GPU; add"):
            targets.load("board")

    def test_the_target_that_ships_has_float_files_for_both(self) -> None:
        target = targets.load("gpu")
        assert target.gpu_engines == ("onnx", "litert")
        made_for_one = [(s.format, s.precision) for s in target.variants if s.gpu]
        assert made_for_one == [
            (format, precision)
            for format in ("onnx", "tflite")
            for precision in ("float32", "float16")
        ]

    @pytest.mark.parametrize("name", ["cpu", "rpi", "rpi32"])
    def test_the_others_have_none(self, name: str) -> None:
        target = targets.load(name)
        assert not target.gpu_engines
        assert not any(target.gpu_engines_of(spec) for spec in target.variants)


class TestFirmware:
    def test_the_target_that_ships_is_written_in_integers(self) -> None:
        target = targets.load("mcu")
        assert (target.companion, target.firmware) == (targets.FIRMWARE, Options())
        first = target.variants[0]
        assert (first.format, first.precision, first.rounding) == ("plan", "int8", "reference")
        tflite = [spec for spec in target.variants if spec.format == "tflite"]
        assert first.source in tflite

    def test_options_that_are_given_replace_a_target_s_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = "[firmware]\nmax_flash_bytes = 65536\ngolden = 4\n[[variants]]"
        text = GOOD.replace("[[variants]]", own).replace('"tflite"', '"plan"')
        written(tmp_path, text.replace('["litert', '["native", "litert'), monkeypatch)
        chosen = [targets.load("board")]
        assert chosen[0].firmware == Options(65536, None, 4)
        (target,) = selection.with_firmware(chosen, Options(max_ram_bytes=100, golden=0))
        assert target.firmware == Options(65536, 100, 0)
        assert target.digest() != chosen[0].digest()
        assert selection.with_firmware(chosen, Options()) == chosen

    def test_options_for_no_target_are_refused(self) -> None:
        with pytest.raises(TargetError, match="max_ram_bytes, golden: no target that was asked"):
            selection.with_firmware([targets.load("cpu")], Options(None, 100, 0))

    def test_a_target_with_firmware_keeps_its_plans(self) -> None:
        mcu, cpu = targets.load("mcu"), targets.load("cpu")
        assert selection.without(mcu, "native") == mcu
        assert selection.without(cpu, "native") != cpu


@pytest.mark.parametrize("name", targets.names())
def test_a_device_installs_the_package_that_its_lock_pins(name: str) -> None:
    """Two builds of ONNX Runtime in one environment would overwrite each other."""
    target = targets.load(name)
    runtime = ROOT / "runtime" / "pyproject.toml"
    project = tomllib.loads(runtime.read_text(encoding="utf-8"))["project"]
    packages = [Requirement(r).name for r in project["optional-dependencies"][target.extra]]
    lock = (REQUIREMENTS / target.requirements).read_text(encoding="ascii")
    pinned = {line.partition("==")[0] for line in lock.splitlines() if "==" in line}
    assert packages[0] in pinned
    assert len([name for name in pinned if name.startswith("onnxruntime")]) <= 1


def test_the_exporter_s_wheel_carries_every_lock() -> None:
    text = (ROOT / "export" / "hatch_build.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    (carried,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LOCKS"
    )
    used = {targets.load(name).requirements for name in targets.names()}
    used |= {environments.TFLITE_LOCK.name, environments.WEBGPU_LOCK.name}
    used |= {f"{engine}.txt" for engine in PACKAGES}  # which pin the engines of a target
    assert {f"{name}.txt" for name in carried} == used

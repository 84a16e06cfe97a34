"""The lowest engine releases, from tables that match the engines."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from strop_export import targets
from strop_export.__main__ import main
from strop_export.errors import EngineMissing, EngineTooOld, TargetError
from strop_export.floors import table as floor
from strop_export.floors.measure import WORKER
from strop_export.floors.probes import onnx_file, tflite_file
from strop_export.floors.releases import PACKAGES, RELEASES
from strop_export.formats import VariantSpec
from strop_export.paths import REQUIREMENTS, TARGETS
from strop_export.proof.environments import python_for
from tests.environments import run
from tests.needs import unavailable
from tests.unit.export.formats_kit import converted

TABLE = floor.Table(
    ("1.9", "1.10", "2.0"), {"ADD": {"1.9": 2, "2.0": 4}, "MUL": {"1.10": 1}, "OLD": {"1.9": 3}}
)
DYNAMIC = VariantSpec("tflite", "dynamic")


@pytest.mark.parametrize(
    ("needs", "lowest"),
    [
        ({}, "1.9"),
        ({"ADD": 1}, "1.9"),
        ({"ADD": 2}, "1.9"),
        ({"ADD": 3}, "2.0"),
        ({"ADD": 4}, "2.0"),
        ({"ADD": 5}, None),
        ({"MUL": 1}, "1.10"),
        ({"ADD": 1, "MUL": 1}, "1.10"),
        ({"ADD": 3, "MUL": 1, "OLD": 3}, "2.0"),
        ({"ADD": 1, "WARP": 1}, None),
    ],
)
def test_the_lowest_release_takes_all_that_is_needed(
    needs: dict[str, int], lowest: str | None
) -> None:
    assert TABLE.lowest(needs) == lowest


def test_a_release_that_dropped_something_is_no_floor() -> None:
    table = floor.Table(("1.0", "1.1", "1.2"), {"ADD": {"1.0": 2, "1.1": 0, "1.2": 2}})
    assert table.lowest({"ADD": 1}) == "1.2"


@pytest.mark.parametrize(
    ("release", "version"),
    [("1.8.9", 0), ("1.9", 2), ("1.10.7", 2), ("2.0", 4), ("2.0.0", 4), ("3.1", 4)],
)
def test_between_two_releases_the_older_one_speaks(release: str, version: int) -> None:
    assert TABLE.takes("ADD", release) == version


def test_an_engine_that_was_never_measured_runs_nothing() -> None:
    assert floor.lowest("warp", {"op_versions": {"ADD": 1}}) is None


def test_files_that_need_nothing_have_no_floor() -> None:
    assert floor.floors(["reference"], {}) == {}


class TestPins:
    @pytest.fixture
    def lock(self, tmp_path: Path) -> Path:
        path = tmp_path / "onnx.txt"
        path.write_text(
            "numpy==2.2.6 \\\n    --hash=sha256:00\n    # via onnxruntime\n"
            "onnxruntime==1.9.2 ; python_full_version < '3.11' \\\n    --hash=sha256:00\n"
            "onnxruntime==1.10.1 ; python_full_version >= '3.11' \\\n    --hash=sha256:00\n"
        )
        return path

    def test_the_lowest_counts(self, lock: Path) -> None:
        assert floor.pinned("onnx", lock) == "1.9.2"

    def test_a_build_for_gpus_is_the_same_engine(self, tmp_path: Path) -> None:
        lock = tmp_path / "onnx-webgpu.txt"
        lock.write_text("onnxruntime-webgpu==1.27.0 \\\n    --hash=sha256:00\n")
        assert floor.pinned("onnx", lock) == "1.27.0"

    def test_a_lock_without_the_engine_is_named(self, lock: Path) -> None:
        with pytest.raises(TargetError, match=r"onnx.txt pins no ai-edge-litert"):
            floor.pinned("litert", lock)

    @pytest.mark.parametrize("engine", PACKAGES)
    def test_what_requirements_pin_was_measured(self, engine: str) -> None:
        locks = [REQUIREMENTS / f"{engine}.txt"]
        locks += REQUIREMENTS.glob(f"{engine}-*.txt")
        for lock in locks:
            assert floor.pinned(engine, lock) in floor.read(engine).releases


class TestTables:
    """The tables are complete. The tests on the engines below show that they are right."""

    @pytest.mark.parametrize("engine", PACKAGES)
    def test_they_hold_the_releases_that_are_listed(self, engine: str) -> None:
        table = floor.read(engine)
        assert table.releases == RELEASES[engine]
        assert list(table.releases) == sorted(table.releases, key=Version)

    @pytest.mark.parametrize("engine", PACKAGES)
    def test_changes_are_in_order_and_at_measured_releases(self, engine: str) -> None:
        table = floor.read(engine)
        for name, changes in table.highest.items():
            assert [r for r in table.releases if r in changes] == list(changes), name

    def test_the_figure_that_began_it(self) -> None:
        """docs/decisions/0012: why the Raspberry Pi gets no per-channel dynamic-range files."""
        assert floor.read("tflite").takes("FULLY_CONNECTED", "2.14.0") == 10


@pytest.mark.parametrize("engine", PACKAGES)
def test_the_installed_engines_take_what_the_table_says_and_no_more(engine: str) -> None:
    try:
        python = python_for(engine)
    except EngineMissing as error:
        unavailable(str(error), "apt install python3.11 python3.11-venv (on Debian 12)")
    package = PACKAGES[engine]
    version = f"import importlib.metadata as m; print(m.version({package!r}))"
    release = run(python, "-c", version).stdout.strip()
    table = floor.read(engine)
    if engine == "onnx":
        highest = {name: table.takes(name, release) for name in ("opset", "ir_version")}
        files = {
            "opset": {v: onnx_file(7, v) for v in (highest["opset"], highest["opset"] + 1)},
            "ir_version": {
                v: onnx_file(v, 7) for v in (highest["ir_version"], highest["ir_version"] + 1)
            },
        }
    else:
        names = ("FULLY_CONNECTED", "CONV_2D", "SOFTMAX", "BROADCAST_TO", "STABLEHLO_ADD", "CALL")
        highest = {name: table.takes(name, release) for name in names}
        files = {
            name: {v: tflite_file(name, v) for v in (high, high + 1) if v}
            for name, high in highest.items()
        }
    shown = {
        name: {v: base64.b64encode(file).decode() for v, file in each.items()}
        for name, each in files.items()
    }
    done = run(python, WORKER, engine, input=json.dumps(shown))
    for name, errors in json.loads(done.stdout).items():
        taken = [int(version) for version, error in errors.items() if error is None]
        assert taken == [highest[name]] * (highest[name] > 0), (name, errors)


@pytest.mark.parametrize("name", targets.names())
def test_every_file_of_the_targets_that_ship_runs_on_what_their_devices_get(name: str) -> None:
    target = targets.load(name)
    for spec in target.variants:
        file = converted("mlp", spec.format, spec.precision, spec.per_channel, spec.gpu)
        floor.check(target, spec, file.requires)
        floors = floor.floors(target.engines_of(spec), file.requires)
        assert floors.keys() == set(target.engines_of(spec)) & PACKAGES.keys()
        for engine, release in floors.items():
            first = engine == target.engines[0]
            lock = REQUIREMENTS / (target.requirements if first else f"{engine}.txt")
            assert Version(release) <= Version(floor.pinned(engine, lock))


class TestRefusals:
    """Refusals in one line: the file's need, the release's limit, and the fix."""

    def refused(self, spec: VariantSpec, requires: dict[str, object], name: str = "rpi") -> str:
        with pytest.raises(EngineTooOld) as caught:
            floor.check(targets.load(name), spec, requires)
        return str(caught.value)

    def test_a_dynamic_file_with_one_scale_a_channel(self) -> None:
        requires = converted("mlp", "tflite", "dynamic", True).requires
        assert self.refused(DYNAMIC, dict(requires)) == (
            "tflite dynamic needs FULLY_CONNECTED version 12 where tflite 2.14.0 takes 10 at most; "
            "set per_channel = false for it in rpi.toml, or remove tflite from the engines in "
            "rpi.toml"
        )

    def test_an_operator_nobody_has_measured(self) -> None:
        said = self.refused(replace(DYNAMIC, precision="int8"), {"op_versions": {"WARP": 1}}, "cpu")
        litert = floor.pinned("litert", REQUIREMENTS / "litert.txt")
        assert said == (
            f"tflite int8 needs WARP version 1 where litert {litert} takes no version known; "
            "remove the variant from cpu.toml"
        )

    def test_an_opset_newer_than_any_release(self) -> None:
        spec = VariantSpec("onnx", "float32")
        said = self.refused(spec, {"opset": 999, "ir_version": 7}, "cpu")
        assert said.startswith("onnx float32 needs opset 999 where onnx ")
        assert said.endswith("at most; remove the variant from cpu.toml")

    def test_a_domain_beside_onnx_s_own(self) -> None:
        spec = VariantSpec("onnx", "float32")
        said = self.refused(spec, {"opset": 13, "ir_version": 7, "com.microsoft": 1}, "cpu")
        assert "needs com.microsoft 1 where onnx " in said

    def test_the_release_that_would_do_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = floor.Table(("2.14.0", "2.15.0"), {"ADD": {"2.14.0": 1, "2.15.0": 2}})
        monkeypatch.setattr(floor, "read", lambda engine: table)
        said = self.refused(VariantSpec("tflite", "int8"), {"op_versions": {"ADD": 2}}, "rpi32")
        assert said == (
            "tflite int8 needs ADD version 2 where tflite 2.14.0 takes 1 at most; remove the "
            "variant from rpi32.toml, or lock tflite-runtime 2.15.0 or newer"
        )

    def test_a_floor_at_the_pin_is_no_refusal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = floor.Table(("2.13.0", "2.14.0"), {"ADD": {"2.14.0": 2}})
        monkeypatch.setattr(floor, "read", lambda engine: table)
        spec = VariantSpec("tflite", "int8")
        floor.check(targets.load("rpi32"), spec, {"op_versions": {"ADD": 2}})

    def test_a_target_is_held_to_it_before_anything_is_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = (TARGETS / "rpi.toml").read_text(encoding="utf-8")
        own = tmp_path / "mine.toml"
        own.write_text(text.replace('"litert.txt"', '"onnx.txt"'), encoding="utf-8")
        missing = [str(tmp_path / "no.keras"), "--calibration", str(tmp_path / "no.npz")]
        assert main(["--target", str(own), "--target", "cpu", *missing]) == 2
        said = capsys.readouterr().err
        assert said == (
            "export: onnx.txt pins no ai-edge-litert; name the lock of the first engine\n"
        )

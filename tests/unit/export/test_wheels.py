"""The native engine's wheels: what runs here is what ships, and a workstation may lack them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strop_export import exporting, freshness, pipeline, selection, source, targets, wheels
from strop_export.errors import EngineMissing
from strop_export.exporting import Request
from strop_export.proof import environments
from tests.environments import run

MACHINES = {"x86_64", "aarch64", "armv7l", "armv6l"}


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A workstation on which the wheels cannot be built."""
    empty = tmp_path / "native"
    monkeypatch.setattr(wheels, "_FOLDER", empty)
    monkeypatch.setattr(wheels, "_LACKS", ("-c", "print('no compiler: apt install one')"))
    wheels._why_none.cache_clear()
    yield
    wheels._why_none.cache_clear()


def test_the_engine_comes_from_the_wheel_that_ships(tmp_path: Path) -> None:
    found = wheels.find_wheels(tmp_path)
    assert found.native.keys() == MACHINES
    assert wheels.native_here() in found.native.values()
    script = "print(__import__('strop_native').__file__, __import__('strop').__file__)"
    python = environments.python_for("native")
    path = ":".join(map(str, found.importable))
    said = run(python, "-s", "-c", script, env={"PYTHONPATH": path}, cwd=tmp_path).stdout.split()
    assert [Path(file).is_relative_to(tmp_path) for file in said] == [True, True]


@pytest.mark.usefixtures("none")
def test_without_a_compiler_it_is_missing_with_the_reason_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing) as caught:
        environments.python_for("native")
    assert str(caught.value) == (
        "there is no native engine: no compiler: apt install one; export again after that"
    )
    found = wheels.find_wheels(tmp_path)
    assert (found.native, found.importable) == ({}, (found.runtime,))


@pytest.mark.usefixtures("none")
def test_another_wheel_is_another_key(tmp_path: Path) -> None:
    keys = {freshness.key({}, {})}
    (tmp_path / "native").mkdir()
    for content in ("one", "two"):
        (tmp_path / "native" / "strop_native-1-x.whl").write_text(content, encoding="ascii")
        keys.add(freshness.key({}, {}))
    assert len(keys) == 3


class TestWithout:
    def test_a_target_keeps_what_other_engines_open(self) -> None:
        for name in ("cpu", "rpi", "rpi32"):
            target = targets.load(name)
            fewer = selection.without(target, "native")
            assert fewer.engines == target.engines[1:]
            assert fewer.variants == tuple(v for v in target.variants if v.format != "plan")

    def test_one_of_plans_alone_stays_and_is_refused(self) -> None:
        (only,) = selection.of_precisions([targets.load("cpu")], ["int8"])
        plans = selection.without(selection.without(only, "litert"), "onnx")
        assert [spec.format for spec in plans.variants] == ["plan"]
        assert selection.without(plans, "native") == plans

    @pytest.mark.usefixtures("none")
    @pytest.mark.parametrize("strict", [False, True])
    def test_export_goes_on_without_plans_but_not_strictly(
        self, strict: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[targets.Target] = []

        class Enough(Exception):
            pass

        def made(_: Request, converter: object, stale: list[targets.Target], *more: object) -> None:
            asked.extend(stale)
            raise Enough

        monkeypatch.setattr(exporting, "_make", made)
        request = Request(_files(tmp_path), tmp_path / "dist", ["cpu", "gpu"], strict=strict)
        with pytest.raises(Enough):
            exporting.run(request, print)
        cpu, gpu = asked
        assert ("native" in cpu.engines) == strict
        assert gpu == targets.load("gpu")
        _, refused = pipeline.find_engines("m", asked, (), list[str]().append)
        assert [refusal.target.name for refusal in refused] == (["cpu"] if strict else [])


def _files(folder: Path) -> source.Files:
    for name in ("m.keras", "calibration.npz"):
        (folder / name).write_bytes(b"")
    return source.Files("m", folder / "m.keras", folder / "calibration.npz", None, None, None)

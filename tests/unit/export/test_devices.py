"""The requirements file of a target: which wheels pip and uv take from it, on each machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from strop_export import devices, dist, targets
from strop_export.finishing import Finished
from strop_export.targets import Target
from strop_export.wheels import Wheels

TAGS = {
    "x86_64": "manylinux_2_17_x86_64",
    "aarch64": "manylinux_2_17_aarch64",
    "armv7l": "manylinux_2_17_armv7l",
    "armv6l": "linux_armv6l",
}


@pytest.fixture
def wheels(tmp_path: Path) -> Wheels:
    runtime = tmp_path / "strop-0.1.0-py3-none-any.whl"
    native = {m: tmp_path / f"strop_native-0.1.0-cp311-abi3-{tag}.whl" for m, tag in TAGS.items()}
    for path in (runtime, *native.values()):
        path.write_text(path.name, encoding="ascii")
    return Wheels(runtime, native, (runtime,))


def chosen(target: Target, wheels: Wheels, machine: str, python: str = "3.11") -> list[str]:
    """The files of ours, with their extras, that are installed on a machine."""
    found = []
    for line in devices.requirements(target, wheels).decode("ascii").splitlines():
        if line.startswith("./"):
            file, _, marker = line.rstrip(" \\").partition(" ; ")
            condition = Requirement(f"x ; {marker}").marker if marker else None
            where = {"platform_machine": machine, "python_version": python}
            if condition is None or condition.evaluate(where):
                found.append(file)
    return found


@pytest.mark.parametrize(
    ("target", "machine", "native", "extra"),
    [
        ("cpu", "x86_64", "x86_64", "[litert]"),
        ("cpu", "aarch64", "aarch64", "[litert]"),
        ("rpi", "aarch64", "aarch64", "[litert]"),
        ("rpi", "x86_64", None, "[litert]"),
        ("rpi32", "armv7l", "armv7l", "[tflite]"),
        ("rpi32", "aarch64", "armv7l", "[tflite]"),
        ("rpi32", "armv6l", "armv6l", ""),
        ("gpu", "x86_64", None, "[onnx-webgpu]"),
    ],
)
def test_each_machine_gets_its_own_engine_and_the_runtime(
    wheels: Wheels, target: str, machine: str, native: str | None, extra: str
) -> None:
    """A 32-bit system on a 64-bit kernel says aarch64."""
    own = [f"./{wheels.native[native].name}"] if native else []
    runtime = f"./{wheels.runtime.name}{extra}"
    assert chosen(targets.load(target), wheels, machine) == [*own, runtime]
    assert chosen(targets.load(target), wheels, machine, "3.10") == [runtime]


def test_without_the_native_engine_it_has_the_runtime_alone(wheels: Wheels) -> None:
    bare = replace(wheels, native={})
    for name in targets.names():
        target = targets.load(name)
        (line,) = chosen(target, bare, "aarch64")
        assert line == f"./{wheels.runtime.name}[{target.extra}]"


def test_a_target_that_also_has_other_systems_installs_its_native_engine_itself(
    wheels: Wheels,
) -> None:
    target = replace(targets.load("cpu"), platforms=("linux-x86_64", "darwin-x86_64"))
    assert devices.native_machines(target, wheels) == []


def test_the_zero_is_not_asked_for_an_engine_that_has_no_wheel(wheels: Wheels) -> None:
    (line,) = (
        line
        for line in devices.requirements(targets.load("rpi32"), wheels).decode().splitlines()
        if line.startswith("tflite-runtime==")
    )
    marker = Requirement(line.rstrip(" \\")).marker
    assert marker is not None
    assert not marker.evaluate({"platform_machine": "armv6l"})
    assert marker.evaluate({"platform_machine": "armv7l"})


def test_dist_has_the_wheels_of_its_targets_and_none_of_before(
    wheels: Wheels, tmp_path: Path
) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    earlier = {"strop-0.0.9-py3-none-any.whl", "strop_native-0.0.9-cp311-abi3-linux_armv6l.whl"}
    for name in earlier:
        (out / name).write_bytes(b"")
    made = [
        Finished(targets.load(name), f"m-{name}.strop", b"", (), (), (), ())
        for name in ("rpi32", "gpu")
    ]
    dist.publish(out, wheels, made)
    ours = {wheels.native[machine].name for machine in ("armv7l", "armv6l")}
    assert {path.name for path in out.glob("*.whl")} == {wheels.runtime.name, *ours}
    assert {path.name for path in dist.native_in(out)} == ours
    dist.publish(out, replace(wheels, native={}), made)
    assert dist.native_in(out) == []

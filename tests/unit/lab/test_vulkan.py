"""The software GPU: the files kept from Debian's packages, and the variables for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from lab import debian, vulkan
from lab.errors import LabError

# Typical contents of Debian's packages, and of their dependencies.
CONTENT = {
    "chromium-common": (
        "usr/lib/chromium/libvk_swiftshader.so",
        "usr/lib/chromium/vk_swiftshader_icd.json",
        "usr/lib/chromium/libVkICD_mock_icd.so",
        "usr/lib/chromium/libvulkan.so.1",
        "usr/lib/chromium/libEGL.so",
        "usr/lib/chromium/locales/en-US.pak",
    ),
    "libvulkan1": ("usr/lib/riscv64-linux-gnu/libvulkan.so.1",),
    "libx11-6": ("usr/lib/riscv64-linux-gnu/libX11.so.6",),
}


class Machine:
    """A replacement of apt, dpkg and the process that asks the loader."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.variables: dict[str, str] = {}
        self.finds = "a GPU, software\n"

    def call(self, command: list[str], doing: str) -> str:
        if command[0] == "dpkg":
            return "riscv64\n"
        assert command[0] == "env"
        self.variables = dict(word.split("=", 1) for word in command[1:] if "=/" in word)
        return self.finds

    def download(
        self, folder: Path, suite: str, architecture: str, packages: Iterable[str]
    ) -> list[Path]:
        self.asked.append((folder, suite, architecture, *packages))
        return [folder / f"{name}_1%3a2.0_{architecture}.deb" for name in CONTENT]

    def unpack(self, debs: Iterable[Path], root: Path) -> None:
        for deb in debs:
            for name in CONTENT[deb.name.partition("_")[0]]:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    stub = Machine()
    monkeypatch.setattr(vulkan, "FOLDER", tmp_path / "vulkan")
    monkeypatch.setattr(vulkan, "call", stub.call)
    monkeypatch.setattr(debian, "download", stub.download)
    monkeypatch.setattr(debian, "unpack", stub.unpack)
    return stub


def build() -> None:
    vulkan.build(lambda line: None)


def test_the_driver_and_the_loader_are_kept_and_nothing_else(
    machine: Machine, tmp_path: Path
) -> None:
    build()
    files = {path for path in vulkan.FOLDER.rglob("*") if path.is_file()}
    assert {path.relative_to(vulkan.FOLDER).as_posix() for path in files} == {
        ".made-from",
        "usr/lib/chromium/libVkICD_mock_icd.so",
        "usr/lib/chromium/libvk_swiftshader.so",
        "usr/lib/chromium/mock_icd.json",
        "usr/lib/chromium/vk_swiftshader_icd.json",
        "usr/lib/riscv64-linux-gnu/libvulkan.so.1",
    }
    fetched = tmp_path / "packages" / "bookworm-riscv64"
    assert machine.asked == [(fetched, "bookworm", "riscv64", "chromium-common", "libvulkan1")]


def test_it_is_made_once(machine: Machine) -> None:
    assert not vulkan.is_built()
    build()
    assert vulkan.is_built()
    build()
    assert len(machine.asked) == 1


def test_the_variables_name_what_is_there(machine: Machine) -> None:
    build()
    given = vulkan.environment()
    assert given.keys() == {
        "LD_LIBRARY_PATH",
        "VK_DRIVER_FILES",
        "VK_ICD_FILENAMES",
        "XDG_RUNTIME_DIR",
    }
    assert (Path(given["LD_LIBRARY_PATH"]) / "libvulkan.so.1").is_file()
    assert Path(given["VK_DRIVER_FILES"]).is_file()
    assert given["VK_ICD_FILENAMES"] == given["VK_DRIVER_FILES"]
    assert Path(given["XDG_RUNTIME_DIR"]).stat().st_mode & 0o777 == 0o700


def test_without_an_adapter_the_loader_is_there_and_the_driver_is_none(machine: Machine) -> None:
    build()
    given, without = vulkan.environment(), vulkan.no_adapter()
    differing = {name for name in given if given[name] != without[name]}
    assert differing == {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}
    assert {without[name] for name in differing} == {os.devnull}


def test_the_other_device_stands_before_it(machine: Machine) -> None:
    build()
    mock, own = map(Path, vulkan.beside_another()["VK_DRIVER_FILES"].split(":"))
    library = json.loads(mock.read_text("ascii"))["ICD"]["library_path"]
    assert (mock.parent / library).is_file()
    assert str(own) == vulkan.environment()["VK_DRIVER_FILES"]


def test_the_device_is_asked_for_with_these_variables(machine: Machine) -> None:
    build()
    machine.variables = {}
    assert vulkan.adapter() == "a GPU, software"
    assert machine.variables.items() >= vulkan.environment().items()


def test_what_the_loader_does_not_find_is_not_built(machine: Machine) -> None:
    machine.finds = "\n"
    with pytest.raises(LabError, match=r"does not find SwiftShader .*make lab-gpu"):
        build()
    assert not vulkan.is_built()
    machine.finds = "a GPU\n"
    build()
    assert vulkan.is_built()


def test_what_is_not_built_names_the_mend(machine: Machine) -> None:
    for ask in (vulkan.environment, vulkan.no_adapter, vulkan.adapter):
        with pytest.raises(LabError, match="is not built: make lab-gpu"):
            ask()

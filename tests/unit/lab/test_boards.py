"""Boards are data, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import boards
from lab.boards import ROOT, wheel_tags
from lab.errors import LabError
from native.build import MACHINES
from strop_export import targets

GOOD = """
description = "A board"
suite = "bookworm"
architecture = "arm64"
python = "3.11"
packages = []
emulator = "qemu-aarch64"
cpu = "cortex-a72"
platform = "manylinux_2_36_aarch64"
bundles = ["rpi"]
engines = ["litert"]
"""


@pytest.mark.parametrize("name", boards.names())
def test_every_board_names_what_there_is(name: str) -> None:
    board = boards.load(name)
    for target in board.bundles:
        assert target in targets.names()
    offered = {engine for target in board.bundles for engine in targets.load(target).engines}
    assert set(board.engines) <= offered
    assert {*board.engines, *board.without_wheel} == set(boards.PACKAGES)
    assert (board.requirements is None) == (board.engines == ("native", "reference"))
    assert board.machine in MACHINES
    if board.requirements:
        assert (ROOT / "requirements" / board.requirements).is_file()


def test_an_unknown_board_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="no board 'pi9'; there are pc, pi2, pi3, pi4, pi5, zero"):
        boards.load("pi9")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("cpu =", "kpu ="), "missing or unknown field: cpu, kpu"),
        (('"litert"', '"tensorrt"'), "no engine tensorrt"),
        (('suite = "bookworm"', ""), "missing or unknown field: suite"),
        (("packages = []", "packages = ["), "cannot read"),
    ],
)
def test_a_wrong_file_is_refused(
    change: tuple[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "BOARDS", tmp_path)
    (tmp_path / "mine.toml").write_text(GOOD, encoding="ascii")
    assert boards.load("mine").engines == ("litert",)
    (tmp_path / "mine.toml").write_text(GOOD.replace(*change), encoding="ascii")
    with pytest.raises(LabError, match=said):
        boards.load("mine")


def test_a_platform_takes_the_wheels_of_every_older_glibc() -> None:
    tags = wheel_tags("manylinux_2_36_aarch64")
    assert tags[0] == "manylinux_2_36_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(tags)
    assert not any("2_37" in tag or "x86" in tag for tag in tags)
    assert wheel_tags("linux_armv6l") == ("linux_armv6l",)

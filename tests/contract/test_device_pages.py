"""docs/devices: a page for each board, with that board's commands.

Nothing is run here; the lab runs the blocks.
"""

from __future__ import annotations

import re
import shlex

import pytest

from lab import boards
from strop_export import targets
from tests import pages

NAMES = boards.names()
OTHERS = ("gpu", "mcu", "README")  # pages of no board
# The lines allowed in a device's block: the lab runs these, and compares `sudo apt install`.
DEVICE = (
    r"python3 -m venv (--system-site-packages )?strop",
    r"\. strop/bin/activate",
    r"pip install --require-hashes -r requirements-\w+\.txt",
    r"pip install --no-deps strop-\*\.whl strop_native-\*-linux_armv6l\.whl",
    r"strop doctor",
    r"strop check mnist-mlp-\w+\.strop",
)


def test_there_is_a_page_a_board_an_index_and_one_for_gpus() -> None:
    assert {path.stem for path in pages.FOLDER.iterdir()} == {*NAMES, *OTHERS}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_takes_its_bundle_from_export_to_check(name: str) -> None:
    page, board = pages.read(name), boards.load(name)
    target = board.bundles[0]
    assert page.workstation[0] == f"make export TARGET={target}"
    assert len(page.workstation) == 2
    assert page.device[-2:] == ("strop doctor", f"strop check mnist-mlp-{target}.strop")
    wanted = {"strop*.whl", f"mnist-mlp-{target}.strop"}
    wanted |= {word for line in page.device for word in shlex.split(line) if word[-4:] == ".txt"}
    assert {f"dist/{file}" for file in wanted} == set(page.copied)
    assert wanted <= {"strop*.whl", f"mnist-mlp-{target}.strop", f"requirements-{target}.txt"}


@pytest.mark.parametrize("name", NAMES)
def test_a_block_holds_only_what_the_lab_can_run(name: str) -> None:
    page = pages.read(name)
    apt = [line for line in page.device if line.startswith("sudo apt install ")]
    others = [line for line in page.device if line not in apt]
    assert page.device[: len(apt)] == tuple(apt)
    assert set(page.packages) == set(boards.load(name).packages)
    assert [line for line in others if not any(re.fullmatch(p, line) for p in DEVICE)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_which_engines_there_are_and_no_timing_of_an_emulator(name: str) -> None:
    text, board = pages.path_of(name).read_text(encoding="utf-8"), boards.load(name)
    rows = dict(re.findall(r"^(native|litert|tflite|onnx|reference) +(absent|works)\b", text, re.M))
    assert {engine for engine in boards.PACKAGES if engine in rows} == set(boards.PACKAGES)
    installed = targets.load(board.bundles[0]).extra
    expected = {"native", "reference", installed} & set(board.engines)
    assert {engine for engine, status in rows.items() if status == "works"} == expected
    assert "p50" not in text


def test_the_index_says_of_each_board_what_its_file_says() -> None:
    text = (pages.FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        board = boards.load(name)
        (row,) = (
            line for line in text.splitlines() if line.endswith(f"| [{name}.md]({name}.md) |")
        )
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert board.suite in cells[1]
        assert cells[2] == board.python
        assert cells[3] == f"`{board.bundles[0]}`"
        assert cells[4].split(", ") == [engine for engine in boards.PACKAGES if engine in cells[4]]
        assert set(cells[4].split(", ")) == set(board.engines)


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    path = pages.path_of(name)
    for link in re.findall(r"\]\(([^)#:]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), f"{path.name}: {link}"

"""The memory that firmware needs, on the screen, on the page and in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from strop_export import footprints, page, report, targets
from strop_export.errors import ProofError
from strop_export.finishing import Finished, Refused
from strop_export.firmware.sizes import Sizes
from strop_export.proof.companion import Folder
from strop_export.result import Report
from tests.unit.export.test_report import content

SIZES = {
    "cortex-m0plus": Sizes(47_964, 1050, 834, 216, 3224),
    "rv32imac": Sizes(49_028, 994, 834, 160, 4244),
}
MCU = targets.load("mcu")
FINISHED = Finished(MCU, "m-mcu.strop", b"", (), (), (), (), folder=Folder({}, sizes=SIZES))


def made() -> dict[str, Any]:
    return content() | {"footprints": footprints.entries([FINISHED])}


def test_each_cpu_has_an_entry() -> None:
    page_folder = Folder({"strop.mjs": b""})
    others: list[Finished | Refused] = [
        Finished(targets.load("cpu"), "m-cpu.strop", b"", (), (), (), ()),
        Finished(targets.load("web"), "m-web.strop", b"", (), (), (), (), folder=page_folder),
        Refused(MCU, "m-mcu.strop", ProofError("no")),
    ]
    first, second = footprints.entries([*others, FINISHED])
    assert first == {
        "bundle": "m-mcu.strop",
        "target": "mcu",
        "cpu": "cortex-m0plus",
        "flash_bytes": 47_964,
        "ram_bytes": 1050,
        "arena_bytes": 834,
        "stack_bytes": 216,
        "code_bytes": 3224,
    }
    assert second["cpu"] == "rv32imac"


def test_the_screen_has_a_table() -> None:
    lines = list(report.tables(made(), 80))
    at = lines.index("m-mcu.strop: bytes that the model needs on each CPU")
    assert [line.split() for line in lines[at + 2 : at + 5]] == [
        ["CPU", "flash", "RAM", "arena", "stack"],
        ["Cortex-M0+", "47,964", "1,050", "834", "216"],
        ["RV32IMAC", "49,028", "994", "834", "160"],
    ]


@pytest.mark.parametrize("room", [20, 40])
def test_narrow_screens_have_every_figure(room: int) -> None:
    text = " ".join(" ".join(report.tables(made(), room)).split())
    assert all(f"{size:,}" in text for sizes in SIZES.values() for size in sizes[:4])


def test_the_page_has_it_too() -> None:
    written = page.to_markdown(made()).decode()
    assert "\n## Firmware\n\nIn bytes. *flash*: weights, code" in written
    assert "| CPU | flash | RAM | arena | stack |\n|---|--:|--:|--:|--:|\n" in written
    assert "| RV32IMAC | 49,028 | 994 | 834 | 160 |" in written
    assert "## Firmware" not in page.to_markdown(content()).decode()


def test_a_notebook_has_it_too() -> None:
    shown = Report(made())._repr_html_()
    assert "<caption>m-mcu.strop: firmware, in bytes</caption>" in shown
    assert "<td>Cortex-M0+</td><td>47,964</td><td>1,050</td><td>834</td><td>216</td>" in shown

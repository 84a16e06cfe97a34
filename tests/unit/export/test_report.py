"""The table and the page: which rows a program that plays a GPU has, and the table's width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from strop_export import report

CHIP = "NVIDIA H200, Vulkan 1.3"
PROGRAM = "Mesa llvmpipe (LLVM 15.0.6, 256 bits), Vulkan 1.3, software"


def content(adapter: str) -> dict[str, Any]:
    """A report with one bundle, whose figures are as wide as they get."""
    row = {
        "bundle": "m-gpu.strop",
        "target": "gpu",
        "format": "weights",
        "precision": "float32",
        "engine": "litert",
        "engine_version": "2.10.0",
        "device": "gpu" if adapter else "cpu",
        "adapter": adapter,
        "bytes": 1_234_567,
        "accuracy": 0.98765,
        "disagreements": 10_000,
        "max_abs_error": 1.2345e-07,
    }
    entry = {"file": "m-gpu.strop", "bytes": 1_234_567, "sha256": "0" * 64}
    notes: dict[str, Any] = {"refused": [], "left_out": [], "not_on_gpu": []}
    keras = {"samples": 10_000, "accuracy": 0.98765}
    return {"model": "m", "keras": keras, "bundles": [entry], "variants": [row], **notes}


def screen(adapter: str) -> list[str]:
    """The table's lines, where there is room for more."""
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as captured:
        for table in report.tables(content(adapter)):
            console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("adapter", "on"),
    [("", "litert 2.10.0"), (CHIP, "litert 2.10.0 gpu"), (PROGRAM, "litert 2.10.0 gpu, software")],
)
def test_a_program_that_plays_a_gpu_is_called_one(adapter: str, on: str) -> None:
    page = report.to_markdown(content(adapter)).decode("utf-8")
    assert f"| weights | {on} | 1,234,567 |" in page
    rows = [line[21:38].rstrip() for line in screen(adapter)[4:] if line]
    assert " ".join(rows) == on


@pytest.mark.parametrize("adapter", ["", CHIP, PROGRAM])
def test_the_table_fits_80_columns(adapter: str) -> None:
    assert max(map(len, screen(adapter))) <= 80

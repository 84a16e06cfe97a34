"""The figures of docs/scale.md: sums that can be checked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import scale_page

RESULTS: dict[str, Any] = {
    "figures": [{"name": "images", "tried": 1000, "failed": 0, "detail": ""}],
    "ratios": [],
    "images": {"in all": 1_000_000},
    "images_per_s": {"local": 400_000, "ray": 300_000},
    "seconds": {"local": 4.0, "ray": 9.0},
    "us_an_image": {"reading": 2.0, "the model": 0.25, "counting": 1.5},
    "bytes": {"an image": 250, "memory": 200 << 20, "journal": 60_000},
    "machine": {"cpu": "a CPU", "cores": 2, "date": "2026-11-28"},
}


def block(name: str) -> list[list[str]]:
    """The rows of a block, without the head."""
    text = f"<!-- from scale.json: {name} -->\nold\n<!-- end -->"
    made = scale_page.page(text, RESULTS)
    assert "old" not in made
    rows = [line for line in made.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_what_was_measured() -> None:
    rows = dict(block("measured"))
    assert rows["images"] == "1,000,000"
    assert rows["here"] == "400,000 a second"
    assert rows["on Ray, on the same machine"] == "300,000 a second"
    assert rows["one image, one core: counting"] == "1.50 us"
    assert rows["memory of the largest process"] == "200 MiB"


def test_a_hundred_million_digits() -> None:
    rows = {name: (how, result) for name, how, result in block("digits")}
    assert rows["in their files"] == ("100,000,000 x 250 bytes", "25.0 GB")
    assert rows["unpacked"][1] == "78.4 GB"
    assert rows["work"] == ("100,000,000 / 200,000 a second and core", "500 core seconds")
    assert rows["on one machine of 16 cores"] == ("500 s / 16", "31 s")
    assert rows["on 60 workers"] == ("500 s / 60", "8 s")
    assert rows["network, 60 workers"] == ("25.0 GB / 8.3 s", "24.0 Gbit/s")
    assert rows["if they leave their region"] == ("25.0 GB x 0.09 $ a GB", "2 $")


def test_a_hundred_million_photographs() -> None:
    rows = {name: (how, result) for name, how, result in block("photos")}
    assert rows["in their files"] == ("100,000,000 x 67 kB", "6.7 TB")
    assert rows["work"] == ("100,000,000 x (6.9 + 2.1) ms", "250 core hours")
    assert rows["on one machine of 16 cores"] == ("250 h / 16", "15.6 hours")
    assert rows["on 60 workers"] == ("250 h / 60", "4.2 hours")
    assert rows["on 600 workers"] == ("250 h / 600", "25 minutes")
    assert rows["network, 600 workers"] == ("6.7 TB / 1,500 s", "35.7 Gbit/s")


def test_only_blocks_are_changed() -> None:
    """An empty one ends where it ends."""
    empty = "<!-- from scale.json: {} -->\n<!-- end -->"
    made = scale_page.page(
        f"a\n{empty.format('digits')}\nb\n{empty.format('photos')}\nc\n", RESULTS
    )
    assert [line for line in made.splitlines() if line in set("abc")] == ["a", "b", "c"]
    assert made.count("<!-- end -->") == made.count("<!-- from ") == 2
    assert scale_page.page(made, RESULTS) == made


def test_an_unknown_block_is_an_error() -> None:
    with pytest.raises(KeyError):
        block("other")


def test_results_with_failures_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FOUND", "RESULTS", "PAGE"):
        monkeypatch.setattr(scale_page, name, tmp_path / name)
    scale_page.PAGE.write_text("<!-- from scale.json: digits -->\n\n<!-- end -->\n")
    scale_page.FOUND.write_text(json.dumps(RESULTS))
    assert scale_page.main(["--take"]) == 0
    taken = json.loads(scale_page.RESULTS.read_bytes())
    assert taken["machine"]["cores"] >= 1
    assert "250 bytes" in scale_page.PAGE.read_text()
    failed = {**RESULTS, "figures": [{"name": "images", "tried": 1000, "failed": 1}]}
    scale_page.FOUND.write_text(json.dumps(failed))
    with pytest.raises(SystemExit, match="failures: images"):
        scale_page.main(["--take"])

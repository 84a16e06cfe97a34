"""docs/scale.md: its command runs, all its commands are valid, its figures are those measured."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq

from strop_export.evaluation import command
from tests.markdown import blocks, follow
from tests.scale.digits import Digits, write
from tools import scale_page

TEXT = scale_page.PAGE.read_text(encoding="utf-8")


def test_its_figures_are_those_in_the_results() -> None:
    results = json.loads(scale_page.RESULTS.read_bytes())
    made = scale_page.page(TEXT, results)
    assert made == TEXT, "older than scale.json: run `python -m tools.scale_page`"
    results["images_per_s"]["local"] *= 2
    assert scale_page.page(TEXT, results) != TEXT


def test_its_commands_are_valid() -> None:
    lines = [line for block in blocks(TEXT) for line in block.lines]
    commands = [line for line in lines if line.startswith("strop-export evaluate")]
    assert len(commands) >= 3
    for line in commands:
        command.parser().parse_args(shlex.split(line)[2:])


def test_it_runs_as_it_stands(made: Digits, bundle: Path, tmp_path: Path) -> None:
    for folder in ("dist", "shards"):
        (tmp_path / folder).mkdir()
    shutil.copy(bundle, tmp_path / "dist")
    write(pq.read_table(made.same / "rows.parquet"), tmp_path / "shards" / "part-0.parquet")
    follow(TEXT, tmp_path, Path(sys.executable).parent, {"HOME": str(tmp_path)})
    table = TEXT[TEXT.index("| file | holds |") :].split("\n\n")[0]
    made_files = {path.name for path in (tmp_path / "evaluation").iterdir()}
    assert {name for name in made_files if not name.startswith(".")} == {
        name for name in re.findall(r"`([\w.-]+)`", table) if "." in name
    }

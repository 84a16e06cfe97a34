"""README and docs: their marked blocks run as they stand, and their samples are what is printed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from strop.bundle.archive import pack, unpack
from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.markdown import blocks, follow, require_sample, unmarked
from tests.pictures import write_digit

PROGRAMS = Path(sys.executable).parent
PAGES = (
    "docs/command-line.md",
    "docs/export-from-python.md",
    "docs/installing.md",
    "docs/on-a-device.md",
    "docs/signing.md",
)
# These have no block that this test runs: tests/gpu, tests/devices and test_examples.py run some.
ELSEWHERE = (
    "README.md",
    *(
        page.relative_to(ROOT).as_posix()
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if page.parent.name != "decisions" and page.relative_to(ROOT).as_posix() not in PAGES
    ),
)


@pytest.fixture
def folder(edge: Exported, tmp_path: Path) -> Path:
    """A folder as the pages have it: the bundles, a newer one, and a picture."""
    for target in ("cpu", "gpu", "rpi"):
        if target not in edge.missing:
            (tmp_path / edge.bundle(target).name).write_bytes(edge.bundle(target).read_bytes())
    members = {name: bytes(data) for name, data in unpack(edge.bundle("cpu").read_bytes()).items()}
    manifest = json.loads(members["manifest.json"])
    manifest["model_version"] += 1
    members["manifest.json"] = json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"
    (tmp_path / "new.strop").write_bytes(pack(members))
    write_digit(edge, 7, tmp_path / "seven.png")
    return tmp_path


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_as_it_stands(page: str, folder: Path) -> None:
    follow(_text(page), folder, PROGRAMS, {"HOME": str(folder)})


@pytest.mark.parametrize("page", [*PAGES, *ELSEWHERE])
def test_every_command_is_run_or_says_why_not(page: str) -> None:
    assert unmarked(_text(page)) == []
    known = re.compile(
        r"run( on the \w+)?|printed|printed by make export|save as \S+|not run: .+"
        r"|serve|ask|client"  # tests/serve/test_page.py runs these
    )
    assert [
        one.mark for one in blocks(_text(page)) if one.mark and not known.fullmatch(one.mark)
    ] == []


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_table_of_make_export_is_what_it_prints(page: str, edge: Exported) -> None:
    (sample,) = (one for one in blocks(_text(page)) if one.mark == "printed by make export")
    command = ("-m", "strop_export", "--artifact", edge.artifact, "--out", edge.dist)
    require_sample(sample.lines, run(sys.executable, *command, cwd=ROOT).stdout)


def test_readme_is_read_in_a_minute_or_two() -> None:
    assert len(_text("README.md").splitlines()) <= 160

"""A user's own Python file runs as a module that no other can be taken for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from strop_export.errors import SourceError
from strop_export.source.own_code import run_file

CLASS = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n"


def test_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    found = []
    for i in range(2):
        file = tmp_path / str(i) / "own.py"
        file.parent.mkdir()
        file.write_text(f"{CLASS}    x: int = {i}\n", encoding="ascii")
        found.append(run_file(file, "--custom"))
    for i, module in enumerate(found):
        assert module.A().x == i
        assert sys.modules[module.A.__module__] is module


def test_a_file_that_changed_runs_again(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    for i in range(2):
        file.write_text(f"X = {i}\n", encoding="ascii")
        module = run_file(file, "--custom")
        assert i == module.X
        assert sys.modules[module.__name__] is module
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


@pytest.mark.parametrize(
    ("code", "said"), [("1 / 0", "ZeroDivisionError"), ("exit()", "SystemExit"), ("(", "SyntaxErr")]
)
def test_a_file_that_fails_leaves_no_module(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "own.py").write_text(code, encoding="ascii")
    before = set(sys.modules)
    with pytest.raises(SourceError, match=f"--custom .*own.py fails: {said}.*; mend the file"):
        run_file(tmp_path / "own.py", "--custom")
    assert not {name for name in set(sys.modules) - before if "own" in name}


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="own.txt is not a Python file"):
        run_file(tmp_path / "own.txt", "--custom")

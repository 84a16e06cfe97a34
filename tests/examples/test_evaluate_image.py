"""evaluate.Dockerfile leaves out most of what strop-export asks for; what it installs is enough."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.pictures import write_digit

# Executes code where no other distribution can be imported.
HELD = """
import importlib.abc, importlib.metadata, re, sys

names, code, *sys.argv[1:] = sys.argv[1:]
installed = set(names.split())
owners = importlib.metadata.packages_distributions()

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        all = {re.sub("[-_.]+", "-", owner).lower() for owner in owners.get(name, ())}
        if all and not all & installed:
            raise ImportError(f"{name} is not in the image")

sys.meta_path.insert(0, Absent())
exec(code)
"""
COMMAND = "import runpy; runpy.run_module('strop_export', run_name='__main__', alter_sys=True)"


def held(edge: Exported, code: str, *arguments: object, check: bool = True) -> str:
    """Execute code with what the image has, and return what it said."""
    locks = (edge.dist / "requirements-cpu.txt", ROOT / "requirements" / "evaluate.txt")
    pinned = [re.findall(r"^([\w.-]+)==", lock.read_text("ascii"), re.M) for lock in locks]
    # Ray has a psutil of its own.
    names = {"strop", "strop-native", "strop-export", "psutil"}.union(*pinned)
    done = run(sys.executable, "-c", HELD, " ".join(sorted(names)), code, *arguments, check=check)
    return done.stdout + done.stderr


def test_an_evaluation_needs_nothing_else(edge: Exported, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    encoded = []
    for digit in range(10):
        path = pictures / str(digit) / "one.png"
        path.parent.mkdir(parents=True)
        write_digit(edge, digit, path)
        encoded.append(path.read_bytes())
    file = tmp_path / "digits.parquet"
    pq.write_table(pa.table({"image": encoded, "label": list(range(10))}), file)
    for name, data in (("from-parquet", file), ("from-pictures", pictures)):
        arguments = ("evaluate", edge.bundle("cpu"), data, "--workers", 1)
        held(edge, COMMAND, *arguments, "--out", tmp_path / name)
        assert (tmp_path / name / "metrics.json").is_file()


def test_ray_needs_nothing_else(edge: Exported) -> None:
    held(edge, "import ray.data, pyarrow.dataset, pandas")


def test_tensorflow_is_not_in_it(edge: Exported) -> None:
    assert "tensorflow is not in the image" in held(edge, "import tensorflow", check=False)

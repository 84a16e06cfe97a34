"""The Dockerfile: linted, and carried out in a userland of the lab, down to its health check."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lab import boards
from lab.machine import Machine
from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.examples.conftest import EXAMPLES
from tests.examples.dockerfile import Image, Instruction, read
from tests.fleet.registries import kept_port
from tests.needs import unavailable

DOCKERFILE = EXAMPLES / "Dockerfile"
DOCKERFILES = (DOCKERFILE, EXAMPLES / "evaluate.Dockerfile")
BOARD = "pi5"  # Debian trixie and Python 3.13, as the image that it builds on
LIMIT_S = 240


def one(instructions: list[Instruction], name: str) -> Instruction:
    (found,) = (instruction for instruction in instructions if instruction.name == name)
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    assert run(hadolint, "--failure-threshold", "style", path).stdout == ""


def test_it_runs_as_nobody_on_the_python_of_the_userland() -> None:
    instructions = read(DOCKERFILE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", one(instructions, "USER").rest)
    bases = {it.words[0] for it in instructions if it.name == "FROM"}
    assert bases == {f"python:{boards.load(BOARD).python}-slim"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_docker_is_sent_what_is_copied_and_no_more(path: Path) -> None:
    ignored, *sent = Path(f"{path}.dockerignore").read_text("utf-8").splitlines()[1:]
    assert ignored == "*"
    copied = [it.words[:-1] for it in read(path) if it.name == "COPY" and not it.options]
    for source in (source for sources in copied for source in sources):
        assert any(fnmatch(source, pattern.removeprefix("!")) for pattern in sent), source


def test_the_lock_has_what_the_extras_bring() -> None:
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = (ROOT / "requirements" / "serve.in").read_text("ascii").splitlines()[1:]
    brought = [Requirement(line).name for line in [*extras["serve"], *extras["images"]]]
    assert sorted(asked) == sorted(brought)


def test_its_commands_make_a_server_that_is_healthy(edge: Exported, tmp_path: Path) -> None:
    machine = Machine(boards.load(BOARD))
    if not machine.is_untouched():
        unavailable(f"board {BOARD} is not built, or not as it was", "make lab")
    context = tmp_path / "context"
    context.mkdir()
    (context / "dist").symlink_to(edge.dist)
    (context / "requirements").symlink_to(ROOT / "requirements")
    # Compiling modules takes long under emulation; a bundle is not tuned here.
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_NO_COMPILE": "1"}

    def command(words: list[str], folder: Path) -> None:
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": LIMIT_S}
        done = machine.run(words, variables=variables, cwd=folder, **options)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"

    (tmp_path / "root").mkdir()
    image = Image(tmp_path / "root", context, ("/opt/strop", "/srv", "/build"), command)
    instructions = read(DOCKERFILE)
    image.build(instructions)

    (tmp_path / "token").write_text("0123456789abcdef", "ascii")
    (tmp_path / "token").chmod(0o600)
    start = [*one(instructions, "ENTRYPOINT").words, *one(instructions, "CMD").words]
    known = {"0.0.0.0": "127.0.0.1", "/run/secrets/token": str(tmp_path / "token")}
    start = [known.get(word, word) for word in start]
    health = one(instructions, "HEALTHCHECK").rest.removeprefix("CMD ")
    assert "8000" in health
    with kept_port() as port:
        served = shlex.join([*start, "--port", str(port)])
        healthy = shlex.join(json.loads(health.replace("8000", str(port))))
        command(["sh", "-ec", image.inside(_script(served, healthy))], tmp_path)


def _script(served: str, healthy: str) -> str:
    """Start the server, wait until it is healthy, and end it."""
    return f"""
        {served} & server=$!
        trap 'kill "$server"' EXIT
        tries=0
        until {healthy}; do
            tries=$((tries + 1)); [ $tries -lt 60 ]; kill -0 "$server"; sleep 0.5
        done
        trap - EXIT
        kill "$server"; wait "$server"
    """

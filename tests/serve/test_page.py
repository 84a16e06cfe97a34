"""docs/serving.md, followed to the letter, on a free port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from strop.commands.arguments import parser
from strop.serve.limits import Limits
from tests.conftest import Exported
from tests.environments import ROOT
from tests.markdown import blocks
from tests.pictures import write_digit
from tests.serve.running import Server, serving

TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def _block(mark: str) -> str:
    (block,) = (one for one in blocks(TEXT) if one.mark == mark)
    return block.text


def test_it_serves_answers_and_is_asked_by_the_client(edge: Exported, tmp_path: Path) -> None:
    write_digit(edge, 7, tmp_path / "seven.png")
    bundle = edge.bundle("cpu")
    (tmp_path / bundle.name).write_bytes(bundle.read_bytes())
    command, said = _block("serve").splitlines()
    program, verb, *rest = command.removeprefix("$ ").split()
    assert (program, verb) == ("strop", "serve")
    with serving(*(tmp_path / name for name in rest)) as server:
        assert said == "strop serves on http://127.0.0.1:8000"
        lines = _block("ask").splitlines()
        for asked, shown in zip(lines[::2], lines[1::2], strict=True):
            answer = _typed(asked.removeprefix("$ "), server, tmp_path)
            start, dots, _ = shown.partition("9999...")
            assert answer.startswith(start), answer
            assert dots or json.loads(answer) == json.loads(shown)
        code = _block("client").replace("127.0.0.1:8000", server.address)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("(5, 10)\n", 0), done.stderr


def _typed(command: str, server: Server, folder: Path) -> str:
    command = command.replace("127.0.0.1:8000", server.address)
    return subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_it_has_every_option_and_its_default() -> None:
    given = vars(parser().parse_args(["serve", "x.strop"]))
    shown = dict(re.findall(r"\| `(--[a-z-]+) [A-Z]+` \| ([\d,]+)", TEXT))
    limits = Limits()
    defaults = {
        "--max-body": (limits.body_bytes, 2**24 // 2**20),
        "--max-requests": (limits.requests, limits.requests),
        "--max-connections": (limits.connections, limits.connections),
        "--read-timeout": (limits.read_s, limits.read_s),
        "--wait-timeout": (limits.wait_s, limits.wait_s),
        "--stop-timeout": (limits.stop_s, limits.stop_s),
    }
    for option, (default, on_the_page) in defaults.items():
        assert given[option[2:].replace("-", "_")] == default
        assert int(shown[option].replace(",", "")) == on_the_page
    for name in given.keys() - {"command", "topic", "bundles"}:
        assert f"--{name.replace('_', '-')}" in TEXT


def test_json_tells_the_address(models: Path) -> None:
    command = [sys.executable, "-m", "strop", "serve", str(models / "shapes.strop")]
    with subprocess.Popen(
        [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["address"].startswith("http://127.0.0.1:")
        process.terminate()

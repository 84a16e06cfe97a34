"""The page without a network, and after a new build."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.demo import hand, reading
from tests.demo.conftest import Visit
from tests.demo.site import DEMO, Site, build_again, serve

UPDATED = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  while (worker.state !== "activated")
    await new Promise(done => worker.addEventListener("statechange", done, { once: true }));
}"""
INSTALLED = "() => navigator.serviceWorker.ready.then(() => null)"
KEPT = "() => caches.keys()"


def test_it_works_after_one_visit(visit: Visit, site: Site) -> None:
    """Without a server the page opens, reads a digit, and runs the engine that one had chosen."""
    with serve(site.folder) as address:
        page = visit(address)
        page.evaluate(INSTALLED)
        reading.choose(page, "onnx")
    page.context.set_offline(True)
    page.reload()
    page.locator("html[data-ready=true]").wait_for(state="attached")
    hand.draw(page, hand.HANDS["round"]["3"])
    assert reading.answer(page) == "3"
    reading.choose(page, "onnx")
    assert reading.answer(page) == "3"


def test_a_new_build_replaces_what_was_kept(visit: Visit, site: Site, tmp_path: Path) -> None:
    """After a visit to the new page, nothing of the old one is left, and the new one is kept."""
    sources, folder = tmp_path / "sources", tmp_path / "page"
    shutil.copytree(DEMO, sources, ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(DEMO / "node_modules")
    with (sources / "src" / "style.css").open("a", encoding="utf-8") as style:
        style.write("body { --build: 2; }")
    shutil.copytree(site.folder, folder)
    with serve(folder) as address:
        page = visit(address)
        page.evaluate(INSTALLED)
        old = set(page.evaluate(KEPT))
        build_again(sources, site, folder)
        page.reload()
        page.evaluate(UPDATED)
        kept = set(page.evaluate(KEPT))
    assert kept
    assert not kept & old
    page.context.set_offline(True)
    page.reload()
    page.locator("html[data-ready=true]").wait_for(state="attached")
    assert page.evaluate("() => getComputedStyle(document.body).getPropertyValue('--build')") == "2"


def test_what_was_damaged_on_the_way_is_not_kept(
    visit: Visit, site: Site, damaged: Callable[..., Path]
) -> None:
    """Once the server is mended, the page is too."""
    folder = damaged("*.strop")
    with serve(folder) as address:
        page = visit(address)
        page.evaluate(INSTALLED)
        page.reload()  # now under the service worker
        page.locator("html[data-ready=true]").wait_for(state="attached")
        reading.prove(page, "failed")
        (file,) = folder.glob("*.strop")
        shutil.copy(site.folder / file.name, file)
        later = file.stat().st_mtime + 60  # browsers ask whether a file is newer, in seconds
        os.utime(file, (later, later))
        page.reload()
        page.locator("html[data-ready=true]").wait_for(state="attached")
        reading.prove(page, "passed")

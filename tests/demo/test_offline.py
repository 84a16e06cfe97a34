"""The page without a network, and after a new build."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

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
APP = "<link rel=icon href=data:,><script src=app.js></script>"
REFUSE = """Object.defineProperty(Navigator.prototype, "serviceWorker", {
  get() { throw new DOMException("denied", "SecurityError"); },
});"""


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


def test_only_its_own_files_are_kept(browser: Browser, site: Site, tmp_path: Path) -> None:
    """Two pages of one host keep their files, and a page below them gets its newest ones."""
    shutil.copytree(site.folder, tmp_path / "one")
    shutil.copytree(site.folder, tmp_path / "two")
    worker = tmp_path / "two" / "sw.js"  # of another build
    worker.write_text(re.sub('version:"..', 'version:"zz', worker.read_text("utf-8")), "utf-8")
    other = tmp_path / "one" / "app"
    other.mkdir()
    (other / "index.html").write_text(APP, encoding="utf-8")
    with serve(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}/one/")
        page.evaluate(INSTALLED)
        script = other / "app.js"
        for days, title in enumerate(("old", "new")):
            script.write_text(f"document.title = '{title}'", encoding="utf-8")
            os.utime(script, (86_400 * days,) * 2)  # browsers ask whether a file is newer
            page.goto(f"{address}/one/app/")
            assert page.title() == title
        page.goto(f"{address}/two/")
        page.evaluate(INSTALLED)
    page.context.set_offline(True)
    for folder in ("one", "two"):
        page.goto(f"{address}/{folder}/")
        page.locator("html[data-ready=true]").wait_for(state="attached")
    page.close()


def test_without_room_the_page_works(visit: Visit, site: Site) -> None:
    """If the browser refuses to keep more, engines and the proof still load."""
    with serve(site.folder) as address:
        page = visit(address)
        page.evaluate(INSTALLED)
        quota = {"origin": address, "quotaSize": 500_000}
        page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)
        assert "128 of 128" in reading.prove(page, "passed")


@pytest.mark.parametrize("blocked", ["missing", "refused"])
def test_without_a_service_worker_the_page_works(
    browser: Browser, site: Site, tmp_path: Path, blocked: str
) -> None:
    """A server without sw.js, or a browser that refuses it, costs the offline use alone."""
    folder = shutil.copytree(site.folder, tmp_path / "page")
    page = browser.new_page()
    if blocked == "missing":
        (folder / "sw.js").unlink()
    else:
        page.add_init_script(REFUSE)
    with serve(folder) as address:
        page.goto(address)
        page.locator("html[data-ready=true]").wait_for(state="attached")
        hand.draw(page, hand.HANDS["round"]["3"])
        assert reading.answer(page) == "3"
        expect(page.locator("html")).to_have_attribute("data-ready", "true")
    page.close()


@pytest.mark.parametrize("lost", ["main-*.js", "chunk-*.js"])
def test_a_page_without_its_script_says_so(
    browser: Browser, site: Site, tmp_path: Path, lost: str
) -> None:
    """A visit that was cut in the middle asks for another."""
    folder = shutil.copytree(site.folder, tmp_path / "page")
    for file in folder.glob(lost):
        file.unlink()
    page = browser.new_page()
    with serve(folder) as address:
        page.goto(address)
        expect(page.locator("#message")).to_contain_text("Reload")
    page.close()


def test_a_damaged_engine_is_not_kept(
    browser: Browser, site: Site, damaged: Callable[..., Path]
) -> None:
    """Once the server is mended, the engine runs."""
    name = "litert_wasm_internal.wasm"
    folder = damaged(name, 0.0)
    (file,) = folder.rglob(name)
    (sound,) = site.folder.rglob(name)
    page = browser.new_page()
    with serve(folder) as address:
        page.goto(address)
        page.locator("html[data-ready=true]").wait_for(state="attached")
        page.evaluate(INSTALLED)
        reading.choose(page, "litert", "[data-state=failed]")
        shutil.copy(sound, file)
        later = file.stat().st_mtime + 60
        os.utime(file, (later, later))
        page.reload()
        page.locator("html[data-ready=true]").wait_for(state="attached")
        reading.choose(page, "litert")
    page.close()


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

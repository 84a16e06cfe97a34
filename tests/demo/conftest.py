"""The page, built once and served on loopback, and Chromium to open it in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import strop
from tests.demo.reading import SLOW
from tests.demo.site import Site, build, serve
from tests.needs import chromium

Visit = Callable[..., Page]

expect.set_options(timeout=SLOW)


@pytest.fixture(scope="session")
def site(edge_artifact: Path) -> Site:
    """The folder of the page, and the bundle that it was built from."""
    return build(edge_artifact)


@pytest.fixture(scope="session")
def origin(site: Site) -> Iterator[str]:
    """The address of the page: "http://127.0.0.1:" and a free port."""
    with serve(site.folder) as address:
        yield address


@pytest.fixture(scope="session")
def model(site: Site) -> Iterator[strop.Model]:
    """The model that the page shows, in Python."""
    with strop.load(site.bundle, engine="native", precision="int8") as model:
        yield model


@pytest.fixture(scope="module")  # Playwright's event loop must not last until tests with their own
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            chromium_sandbox=False,  # which Chromium refuses to use as root
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, origin: str) -> Iterator[Visit]:
    """Open the page in a new browser context, and wait until it can answer.

    The test fails if the page wrote an error to the console, or asked another origin for anything.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(address: str = origin, *, ready: bool = True, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(SLOW)
        _watch(context, address, faults)
        page = context.new_page()
        page.goto(f"{address}/")
        if ready:
            page.locator("html[data-ready=true]").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def _watch(context: BrowserContext, origin: str, faults: list[str]) -> None:
    """Note errors on the console, uncaught exceptions, and requests to other origins."""
    own = (f"{origin}/", "data:", f"blob:{origin}/")
    context.on(
        "console",
        lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None,
    )
    context.on("weberror", lambda error: faults.append(f"exception: {error.error}"))
    context.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else faults.append(f"asked {asked.url}"),
    )


@pytest.fixture
def damaged(site: Site, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the page's folder, with one bit of a file flipped."""

    def copy(name: str, at: float = 0.5) -> Path:
        folder = tmp_path / "damaged"
        shutil.copytree(site.folder, folder)
        (file,) = folder.rglob(name)
        data = bytearray(file.read_bytes())
        data[int(at * (len(data) - 1))] ^= 1
        file.write_bytes(data)
        return folder

    return copy

"""The licences beside the page."""

from __future__ import annotations

from demo.licenses import licenses
from tests.demo.conftest import Visit
from tests.demo.site import Site


def test_the_page_links_to_its_licences(visit: Visit, site: Site) -> None:
    page = visit()
    page.get_by_role("link", name="Licences").click()
    assert page.url.endswith("/licenses.txt")
    assert page.locator("body").inner_text().startswith("=")
    assert (site.folder / "licenses.txt").read_text("utf-8") == licenses()

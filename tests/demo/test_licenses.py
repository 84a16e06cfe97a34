"""The licences beside the page."""

from __future__ import annotations

from urllib.request import urlopen

from demo.licenses import licenses
from tests.demo.conftest import Visit


def test_the_page_links_to_its_licences(visit: Visit) -> None:
    """The link leads to the texts of all that is shipped."""
    page = visit()
    address = page.get_by_role("link", name="Licences").evaluate("link => link.href")
    with urlopen(address) as answer:
        assert answer.headers.get_content_type() == "text/plain"
        assert answer.read().decode("utf-8") == licenses()

"""The documentation site: it builds strictly, asks nothing of other sites, and shows every page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from markdown_it import MarkdownIt

from tests.environments import ROOT
from tools import command_page, decision_index

# What a browser loads with a page; a link is only followed.
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
_SHAPE = {"h1", "h2", "h3", "h4", "img", "li", "ol", "p", "pre", "table", "td", "tr", "ul"}
_OUTSIDE = re.compile(r"(?:https?:)?//")

CONFIG = f"""\
INHERIT: {ROOT / "mkdocs.yml"}
hooks: [{ROOT / "tools" / "site.py"}]
watch: []
extra_css: []
nav: [README.md, "docs/d*.md"]
"""


class Shown(HTMLParser):
    """The addresses that a page loads, and its article's elements, counted."""

    def __init__(self, text: str, *, is_article: bool = False) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.elements: Counter[str] = Counter()
        self._is_article = is_article
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_article = self._is_article or tag == "article"
        if tag in _LOADED and (address := dict(attrs).get(_LOADED[tag])):
            self.loaded.append(address)
        if self._is_article and tag in _SHAPE:
            self.elements[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self._is_article = self._is_article and tag != "article"


def _build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mkdocs", "build", "-f", config, "-d", out)
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = _build(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr
    return out


def _pages(site: Path) -> dict[Path, Path]:
    """Each page of the site, and the page of the repository that it shows."""
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    shown = {page: ROOT / page.relative_to(site).with_suffix(".md") for page in pages}
    return {
        page: source.with_name("README.md") if source.stem == "index" else source
        for page, source in shown.items()
    }


def test_all_that_a_page_loads_is_in_the_site(site: Path) -> None:
    addresses = {(page, address) for page in _pages(site) for address in _loaded(page)}
    addresses |= {
        (sheet, address)
        for sheet in site.rglob("*.css")
        for address in re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", sheet.read_text("utf-8"))
        if not address.startswith(("data:", "#"))
    }
    assert [address for _, address in addresses if _OUTSIDE.match(address)] == []
    missing = [
        (page, address)
        for page, address in addresses
        if not (page.parent / address.partition("#")[0].partition("?")[0]).is_file()
    ]
    assert len(addresses) > 100
    assert missing == []


def _loaded(page: Path) -> list[str]:
    return Shown(page.read_text("utf-8")).loaded


def test_the_site_shows_what_the_repository_shows(site: Path) -> None:
    """Python-Markdown takes some lists for text that are lists in CommonMark, and so on GitHub."""
    github = MarkdownIt("commonmark", {"html": True}).enable("table")
    differences = {}
    for page, source in _pages(site).items():
        ours = Shown(page.read_text("utf-8")).elements
        theirs = Shown(github.render(source.read_text("utf-8")), is_article=True).elements
        if ours != theirs:
            differences[source.name] = {"site": ours - theirs, "GitHub": theirs - ours}
    assert differences == {}


def test_every_page_of_docs_is_in_the_site_and_in_the_index(site: Path) -> None:
    pages = set((ROOT / "docs").rglob("*.md"))
    assert pages <= set(_pages(site).values())
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = {ROOT / "docs" / link for link in re.findall(r"\]\(([^)#]+\.md)\)", index)}
    own = {path for path in pages if path.parent == ROOT / "docs"} - {ROOT / "docs" / "README.md"}
    assert own - linked == set()


@pytest.mark.parametrize("made", [command_page, decision_index])
def test_a_page_that_code_makes_is_current(made: ModuleType) -> None:
    assert made.PAGE.read_text("utf-8") == made.page(), f"{made.PAGE.name} is old: run `make docs`"


GOOD = """\
# D

## A part, or two

[home](../README.md), [here](#a-part-or-two), [code](../code/app.py)
"""


def _small(folder: Path, page: str) -> Path:
    for name, text in {
        "README.md": "# R\n\n[d](docs/d.md#a-part-or-two)\n",
        "docs/d.md": page,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text("print()\n", encoding="utf-8")
    (folder / "code" / "README.md").write_text("# C\n", encoding="utf-8")
    (folder / "mkdocs.yml").write_text(CONFIG, encoding="utf-8")
    return folder / "mkdocs.yml"


def test_links_lead_to_files_beside_docs(tmp_path: Path) -> None:
    config = _small(tmp_path, GOOD)
    done = _build(config, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert 'href="../code/app.py.txt"' in (tmp_path / "out" / "docs" / "d.html").read_text("utf-8")
    assert (tmp_path / "out" / "code" / "app.py.txt").read_text("utf-8") == "print()\n"


BAD = (
    "e.md",
    "../e.md",
    "../../README.md",
    "#b",
    "../README.md#b",
    "../code",
    "../docs",
    "/docs/d.md",
    "e.png",
)


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    links = "".join(f"- [x]({link})\n" for link in BAD)
    done = _build(_small(tmp_path, f"{GOOD}\n{links}"), tmp_path / "out")
    assert done.returncode == 1
    warned = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert [link for link in BAD if not any(f"'{link}" in line for line in warned)] == []
    assert len(warned) == len(BAD)


def test_a_page_that_the_navigation_lacks_fails(tmp_path: Path) -> None:
    config = _small(tmp_path, GOOD)
    (tmp_path / "docs" / "other.md").write_text("# O\n", encoding="utf-8")
    done = _build(config, tmp_path / "out")
    assert done.returncode == 1
    assert "docs/other.md" in done.stderr

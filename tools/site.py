"""The hook that makes the documentation site from the repository's own pages.

The site has the layout of the repository, so each relative link leads to the same file in both.
mkdocs.yml names the pages; a link or a page that leads nowhere fails the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from os.path import normpath
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Browsers show these as they are; other files are served as text.
_SHOWN = {".css", ".gif", ".ipynb", ".json", ".md", ".png", ".svg", ".webp"}
_LINK = re.compile(r"(?<=\]\()[^)#:\s]+(?=[)#])")


def on_config(config: MkDocsConfig) -> None:
    """Replace each navigation entry with `*` by the pages that match."""
    config.nav = list(_expanded(_root(config), config.nav or []))


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Return the theme's files, and the site's, each under its path in the repository.

    The site has all of docs/, the pages that the navigation names, and what its pages link to.
    """
    root = _root(config)
    docs = (path for path in Path(config.docs_dir).rglob("*") if path.is_file())
    paths = {*docs, *(root / entry for entry in _entries(config.nav) if (root / entry).is_file())}
    linked = {target for path in paths if path.suffix == ".md" for target in _linked(root, path)}
    shown = [_file(config, path.relative_to(root)) for path in sorted(paths | linked)]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *shown])


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Let a link to a folder lead to its README.md, as it does on GitHub."""
    folder = (_root(config) / page.file.src_uri).parent

    def file(link: re.Match[str]) -> str:
        is_folder = (folder / link[0] / "README.md").is_file()
        return f"{link[0].rstrip('/')}/README.md" if is_folder else link[0]

    return _LINK.sub(file, markdown)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _file(config: MkDocsConfig, path: Path) -> File:
    file = File.generated(config, path.as_posix(), abs_src_path=str(_root(config) / path))
    if path.suffix not in _SHOWN:
        file.dest_uri += ".txt"
    return file


def _linked(root: Path, page: Path) -> Iterator[Path]:
    """Yield the files of the repository that a page links to."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = Path(normpath(page.parent / link))
        if target.is_file() and target.is_relative_to(root):
            yield target


def _expanded(root: Path, entries: Iterable[Any]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, dict):
            yield {
                title: list(_expanded(root, below)) if isinstance(below, list) else below
                for title, below in entry.items()
            }
        elif "*" in entry:
            yield from sorted(path.relative_to(root).as_posix() for path in root.glob(entry))
        else:
            yield entry


def _entries(nav: Any) -> Iterator[str]:
    """Yield the path of each page in the navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _entries(entry)

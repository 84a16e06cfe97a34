"""The index of the decision records, docs/decisions/README.md, from their titles.

`make docs` writes it again.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
PAGE = FOLDER / "README.md"

_HEAD = """\
# Decisions

<!-- `make docs` makes this page from the titles of the records. -->

Each record has the question, the choice between real alternatives, and what was measured. Some
numbers are not used.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page, in Markdown, with a line for each record."""
    records = sorted(FOLDER.glob("[0-9]*.md"))
    return f"{_HEAD}\n" + "".join(f"- [{_title(record)}]({record.name})\n" for record in records)


def _title(record: Path) -> str:
    first = record.read_text(encoding="utf-8").partition("\n")[0]
    number, _, title = first.removeprefix("# ").partition(". ")
    return f"{int(number)}: {title}"


if __name__ == "__main__":
    main()

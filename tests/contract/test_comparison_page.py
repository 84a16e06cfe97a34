"""docs/comparison.md: every cell has a source, and README repeats the page's marks."""

from __future__ import annotations

import json
import re

import pytest

from tests.environments import ROOT

PAGE = ROOT / "docs" / "comparison.md"
MARKS = {"yes", "partly", "no", "unknown"}
README_MARK = "<!-- from docs/comparison.md -->"

Table = list[list[str]]  # rows of cells; the first row has the headings


def table_after(mark: str, text: str) -> Table:
    """Return the table that follows a comment."""
    after = text.partition(f"{mark}\n")[2]
    lines = re.match(r"(?:\|.*\n)+", after + "\n")
    assert lines, mark
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()]
    return [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)]


def marks_of(table: Table) -> dict[tuple[str, str], str]:
    """Return the mark of each cell, by row and column, without its sources."""
    heading, *rows = table
    return {
        (row[0], column): cell.split(" ")[0]
        for row in rows
        for column, cell in zip(heading[1:], row[1:], strict=True)
    }


def faults(page: str) -> list[str]:
    """List the cells and sources of the page that break its rules."""
    heading, *rows = table_after("<!-- every cell has a source -->", page)
    sources = re.findall(r"^\| (\d+) \| .+ \| .+ \|$", page, re.M)
    places = {
        number: re.sub(r"\W+", "-", section.lower())
        for section, body in re.findall(r"^### (.+)\n((?:(?!#).*\n)*)", page, re.M)
        for number in re.findall(r"^\| (\d+) \|", body, re.M)
    }
    found = [f"column {name} is there twice" for name in heading if heading.count(name) > 1]
    for row in rows:
        for cell in row[1:]:
            form = re.fullmatch(r"(\w+) \[\d+\](, \[\d+\])*", cell)
            if not form or form[1] not in MARKS:
                found.append(f"{row[0]}: {cell!r} is no mark with sources")
        if len(row) != len(heading):
            found.append(f"{row[0]}: {len(row)} cells")
    used = set(re.findall(r"\[(\d+)\](?!:)", page))
    found += [f"source {number} is used and missing" for number in used - set(sources)]
    found += [f"source {number} is never used" for number in set(sources) - used]
    if sources != [str(number) for number in range(1, len(sources) + 1)]:
        found.append("sources are not numbered 1, 2, 3")
    links = dict(re.findall(r"^\[(\d+)\]: #(\S+)$", page, re.M))
    return found + [f"{n}: leads to {links.get(n)}" for n in sources if links.get(n) != places[n]]


def test_every_cell_has_a_source_and_every_source_is_used() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(marks_of(table_after("<!-- every cell has a source -->", page))) > 100
    assert faults(page) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("| yes [1] |", "| yes |"),
        ("| yes [1] |", "| maybe [1] |"),
        ("| yes [1] |", "| yes [1], [3] |"),
        ("| yes [1] |", "| yes [1] | no [2] |"),
        ("no [2]", "no [1]"),
        ("| 2 |", "| 3 |"),
        ("[2]: #them", "[2]: #us"),
        ("[2]: #them\n", ""),
    ],
)
def test_a_fault_is_found(right: str, wrong: str) -> None:
    page = """<!-- every cell has a source -->
| | Us | Them |
|---|---|---|
| Sharp | yes [1] | no [2] |

### Us
| 1 | here | that |

### Them
| 2 | there | this |

[1]: #us
[2]: #them
"""
    assert faults(page) == []
    assert right in page
    assert faults(page.replace(right, wrong, 1))


def test_readme_has_only_rows_and_marks_of_the_page() -> None:
    page = marks_of(table_after("<!-- every cell has a source -->", PAGE.read_text("utf-8")))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = marks_of(table_after(README_MARK, readme))
    assert len(shown) > 50
    assert shown.items() <= page.items()


def test_a_mark_that_differs_from_the_page_is_found() -> None:
    page = marks_of([["", "Us", "Them"], ["Sharp", "yes [1]", "no [2]"]])
    for row, holds in ((["Sharp", "no"], True), (["Sharp", "yes"], False), (["Old", "no"], False)):
        readme = "\n".join([README_MARK, "| | Them |", "|---|---|", f"| {' | '.join(row)} |", ""])
        assert (marks_of(table_after(README_MARK, readme)).items() <= page.items()) is holds


def test_figures_of_speed_are_those_of_the_results() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_bytes())
    medians = {
        row["subject"]: f"{row['p50_us']:.2f}"
        for row in results["rows"]
        if row["axis"] == "latency" and row["p50_us"]
    }
    table = table_after("<!-- from benchmarks/results/latest.json -->", PAGE.read_text("utf-8"))
    assert len(table) > 3
    assert {subject: medians.get(subject) for subject, _ in table[1:]} == dict(table[1:])


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)", PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not (PAGE.parent / link).exists()] == []

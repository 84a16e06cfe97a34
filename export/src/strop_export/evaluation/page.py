"""The figures of an evaluation for people: tables on the terminal, and report.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from strop.commands.terminal import lay_out
from strop.errors import printable
from strop_export.evaluation.summary import (
    LABEL_FIGURES,
    VALUE_FIGURES,
    Figures,
    by_badness,
    confused,
    key_figures,
    label_of,
    number,
    summary,
    worst_first,
)
from strop_export.markdown import escaped, table

_ON_SCREEN: Final = 10  # rows of a table that has one for each class or value
_ON_PAGE: Final = 100
_EXPLAINED: Final = (
    "Limits are of exact 95 % intervals. *ECE*: the expected calibration error, over 15 bins of "
    "equal width. *AUC* and *KS* come from 1,000 fixed bins; what they may be off by stands beside "
    "them. *Macro*: the mean over classes or labels. Slices are sorted worst first, by the best "
    "that their interval allows, so that a few samples do not lead by chance."
)


class Table(NamedTuple):
    """A table.

    Attributes:
        title: what it is about.
        header: the titles of its columns.
        rows: their cells.
        numbers: the titles of the columns that end at the right.
        is_list: it has a row for each of something, the worst first, and may be cut.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str]
    is_list: bool = True


def tables(figures: Figures, width: int | None) -> Iterator[str]:
    """Yield the lines of an evaluation's tables for the terminal.

    Args:
        figures: from `Tally.figures`.
        width: columns of the terminal; None: any number.
    """
    yield f"{figures['samples']:,} samples"
    for made in _tables(figures):
        yield ""
        yield printable(made.title)
        yield ""
        rows = made.rows[:_ON_SCREEN] if made.is_list else made.rows
        yield from lay_out(rows, made.header, room=width, numbers=made.numbers)
        if len(rows) < len(made.rows):
            yield f".. and {len(made.rows) - len(rows):,} more"


def markdown(
    figures: Figures, bad_rows: int, facts: Mapping[str, str], picture: str = "evaluation.png"
) -> str:
    """Write report.md.

    Args:
        figures: from `Tally.figures`.
        bad_rows: the rows set aside.
        facts: what was evaluated, such as the bundle and its digest: texts by what they are.
        picture: the name of the picture's file beside it.
    """
    aside = f"{bad_rows:,}, listed in bad-rows.jsonl" if bad_rows else "none"
    lines = [
        "# Evaluation",
        "",
        *(f"- {escaped(name)}: {escaped(text)}" for name, text in facts.items()),
        f"- samples: {figures['samples']:,}",
        f"- rows set aside: {aside}",
        "",
        f"![confusion, reliability and slices]({picture})",
    ]
    for made in _tables(figures):
        lines += ["", f"## {escaped(made.title)}", ""]
        lines += table(made.header, made.rows[:_ON_PAGE], made.numbers)
        if len(made.rows) > _ON_PAGE:
            lines += ["", f"{len(made.rows) - _ON_PAGE:,} more are in metrics.json."]
    return "\n".join([*lines, "", _EXPLAINED]) + "\n"


def _tables(figures: Figures) -> Iterator[Table]:
    outputs = figures["outputs"]
    for name, own in outputs.items():
        if rows := summary(own):
            header = ("figure", "value", "limits")
            yield Table(f"{name} ({own['kind']})", header, rows, header[1:2], is_list=False)
        yield from _by_class(name, own)
        if pairs := confused(own):
            labels = own["labels"]
            header = ("label", "taken for", "times")
            rows = [(label_of(labels, a), label_of(labels, b), f"{n:,}") for a, b, n in pairs]
            yield Table(f"{name}: taken for another", header, rows, header[2:])
    for column, values in figures["slices"].items():
        if values:
            yield _slices(column, values, outputs)


def _by_class(name: str, own: Figures) -> Iterator[Table]:
    """Yield a table with a row for each class, label or column of an output."""
    if found := own.get("by_class"):
        key, title = ("iou", "IoU") if "iou" in found else ("f1", "F1")
        figures = {"labelled": "labelled", "decided": "decided"}
        if key == "f1":
            figures |= {"precision": "precision", "recall": "recall"}
        figures[title] = key
        yield _list(f"{name}: by class, worst {title} first", own, found, figures, key)
    if found := own.get("by_label"):
        yield _list(f"{name}: by label, worst F1 first", own, found, LABEL_FIGURES, "f1")
    if own["kind"] in ("regression", "raw"):
        yield _list(f"{name}: by column, worst R² first", own, own, VALUE_FIGURES, "r2")


def _list(title: str, own: Figures, found: Figures, shown: Mapping[str, str], key: str) -> Table:
    """Return a table of lists, sorted by one of them.

    Args:
        title: of the table.
        own: the figures of the output, which have the labels.
        found: the lists, by name.
        shown: the names of the columns, by their titles.
        key: the name of the list that decides the order.
    """
    rows = [
        [label_of(own["labels"], i), *(number(found[name][i]) for name in shown.values())]
        for i in worst_first(found[key])
    ]
    return Table(title, ("", *shown), rows, tuple(shown))


def _slices(column: str, values: Mapping[str, Figures], outputs: Figures) -> Table:
    header = [column, "samples"]
    for name, own in outputs.items():
        prefix = f"{name}: " if len(outputs) > 1 else ""
        header += [f"{prefix}{title}" for title in key_figures(own, own)]
    rows = []
    for value in by_badness(values, outputs):
        cells = [value or "(none)", f"{values[value]['samples']:,}"]
        for name, whole in outputs.items():
            cells += key_figures(whole, values[value]["outputs"][name]).values()
        rows.append(cells)
    return Table(f"by {column}, worst first", header, rows, header[1:])

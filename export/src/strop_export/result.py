"""The result of an export, as a script and a notebook see it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from strop.commands.terminal import width
from strop.errors import printable
from strop_export import calibration, footprints, report
from strop_export.columns import Column, cells_of, columns_of
from strop_export.errors import ExportError


class Report:
    """The figures of an export.

    Printed, it is the table that the command line shows; in a notebook, an HTML table.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Wrap the content of a report.json."""
        self._content = dict(content)

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of the content of report.json, as plain JSON values."""
        copy: dict[str, Any] = json.loads(json.dumps(self._content))
        return copy

    def __str__(self) -> str:
        return "\n".join((*report.tables(self._content, width()), *self._notes()))

    def __repr__(self) -> str:
        return f"<Report on {self._content['model']}: {len(self._content['variants'])} proofs>"

    def _repr_html_(self) -> str:
        """Return the tables and the notes as HTML, for notebooks."""
        parts = []
        for bundle in self._content["bundles"]:
            own = [row for row in self._content["variants"] if row["bundle"] == bundle["file"]]
            columns = [column for column in columns_of(own) if not column.page_only]
            rows = [cells for row in own for cells in cells_of(row, columns)]
            parts.append(_table(f"{bundle['file']} ({bundle['bytes']:,} bytes)", columns, rows))
        for name, rows in footprints.by_bundle(self._content["footprints"]).items():
            parts.append(_table(f"{name}: firmware, in bytes", footprints.COLUMNS, rows))
        notes = "".join(f"<li>{_html(note)}</li>" for note in self._notes())
        return "".join(parts) + (f"<ul>{notes}</ul>" if notes else "")

    def _notes(self) -> Iterator[str]:
        yield from map(printable, calibration.lines(self._content))
        yield from map(printable, report.notes(self._content))


@dataclass(frozen=True)
class Result:
    """The result of an export.

    Attributes:
        bundles: the path of each target's bundle, by the target's name.
        refused: why a target has no bundle, by the target's name.
        report: the figures of each proof.
    """

    bundles: Mapping[str, Path]
    refused: Mapping[str, str]
    report: Report

    def __str__(self) -> str:
        made = (f"{target}: {path}" for target, path in self.bundles.items())
        refused = (f"{target}: refused: {reason}" for target, reason in self.refused.items())
        return "\n".join((str(self.report), *map(printable, (*made, *refused))))

    def _repr_html_(self) -> str:
        """Return the report and the paths as HTML, for notebooks."""
        listed = "".join(f"<li>{_html(str(path))}</li>" for path in self.bundles.values())
        refused = "".join(
            f"<li>{_html(f'{target}: refused: {reason}')}</li>"
            for target, reason in self.refused.items()
        )
        return f"{self.report._repr_html_()}<ul>{listed}{refused}</ul>"


class TargetRefused(ExportError):
    """A target that was asked for has no bundle.

    Attributes:
        result: what was made of the other targets.
    """

    kind = "refused"

    def __init__(self, problem: str, mend: str, result: Result) -> None:
        super().__init__(problem, mend)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problem, self.mend, self.result)


def _table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_html(column.title)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in cells)}</tr>" for cells in rows
    )
    return (
        f"<table><caption>{_html(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _html(text: str) -> str:
    return escape(printable(text))

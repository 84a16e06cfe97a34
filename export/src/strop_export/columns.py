"""The columns of a report's table: by the kinds of the outputs, one line for each output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from strop.commands.terminal import lay_out
from strop.engines import on_device

EXPLAINED = (
    "*disagree*: decisions that are not Keras's; *max error*: the largest difference of any value "
    "from Keras's. *rmse*: of the worst column, as a share of its spread; *SQNR*: signal to noise. "
    "The rules by which a variant is left out are in docs/proof.md."
)


@dataclass(frozen=True)
class Column:
    """A column: its title, and its cell for a row and an output."""

    title: str
    cell: Callable[[dict[str, Any], dict[str, Any]], str]
    number: bool = True
    page_only: bool = False  # left to report.md
    common: bool = False  # the same for all outputs of a row


def _engine(row: dict[str, Any], _: dict[str, Any]) -> str:
    software = ", software" if row["adapter"].endswith(", software") else ""  # no chip's proof
    return on_device(f"{row['engine']} {row['engine_version']}", row["device"]) + software


def _figure(name: str) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    return lambda _, output: shown(output["figures"].get(name))


_FIXED = (
    Column("precision", lambda row, _: str(row["precision"]), number=False, common=True),
    Column("format", lambda row, _: str(row["format"]), number=False, common=True),
    Column("proven on", _engine, number=False, common=True),
    Column("bytes", lambda row, _: f"{row['bytes']:,}", common=True),
)
_RECIPE = Column(
    "quantized with", lambda row, _: str(row["recipe"]), number=False, page_only=True, common=True
)
_OUTPUT = Column("output", lambda _, output: str(output["name"]), number=False)
_ACCURACY = Column("accuracy", _figure("accuracy"))
_DISAGREE = Column("disagree", _figure("disagreements"))
_AUC = Column("AUC", _figure("auc"), page_only=True)
_MAX_ERROR = Column("max error", lambda _, output: f"{output['figures']['max_abs_error']:.2g}")
_OF_KIND: dict[str, tuple[Column, ...]] = {
    "class": (_ACCURACY, _DISAGREE),
    "binary": (_ACCURACY, _AUC, _DISAGREE),
    "multilabel": (Column("F1", _figure("f1")), _AUC, _DISAGREE),
    "segmentation": (_DISAGREE, Column("mean IoU", _figure("mean_iou"))),
    "regression": (Column("rmse", lambda _, o: worst(o["figures"].get("rmse_share"))),),
    "raw": (Column("SQNR", lambda _, o: decibels(o["figures"].get("sqnr_db"))),),
}


def columns_of(rows: Iterable[dict[str, Any]]) -> list[Column]:
    """Choose the columns that the rows of a table have figures for.

    Args:
        rows: of the report's `variants`.
    """
    rows = list(rows)
    recipe = [_RECIPE] if any(row["recipe"] for row in rows) else []
    return [
        _FIXED[0],
        *recipe,
        *_FIXED[1:],
        *figure_columns(rows),
        *metric_columns(rows),
        _MAX_ERROR,
    ]


def figure_columns(rows: Iterable[dict[str, Any]]) -> list[Column]:
    """Choose the columns of the figures by kind, after that of the output if there are several.

    Args:
        rows: each with its `outputs`.
    """
    outputs = [output for row in rows for output in row["outputs"]]
    kinds = dict.fromkeys(output["kind"] for output in outputs)
    several = len({output["name"] for output in outputs}) > 1
    own = dict.fromkeys(column for kind in kinds for column in _OF_KIND[kind])
    return [*([_OUTPUT] if several else []), *own]


def metric_columns(rows: Iterable[dict[str, Any]]) -> list[Column]:
    """Return the column of the user's own metric, titled by its name; none without a metric.

    Args:
        rows: each with its `metric`.
    """
    names = dict.fromkeys(row["metric"]["name"] for row in rows if row["metric"])
    return [Column(name, lambda row, _: _found(row["metric"]), common=True) for name in names]


def _found(metric: dict[str, Any] | None) -> str:
    return f"{metric['found']:#.4g}" if metric else "-"


def cells_of(row: dict[str, Any], columns: Sequence[Column]) -> Iterator[list[str]]:
    """Yield the cells of a row, a list for each of its outputs; only the first has the common ones.

    Args:
        row: of the report's `variants`, or another with `outputs`.
        columns: its columns.
    """
    for i, output in enumerate(row["outputs"]):
        known = {_OUTPUT, *_OF_KIND[output["kind"]], _MAX_ERROR}
        yield [
            ("" if i else column.cell(row, output))
            if column.common
            else (column.cell(row, output) if column in known else "-")
            for column in columns
        ]


def laid_out(
    rows: Sequence[Sequence[str]], columns: Sequence[Column], room: int | None
) -> list[str]:
    """Return the lines of a table for a terminal.

    Args:
        rows: the cells.
        columns: the same columns.
        room: columns of the screen; None: any number.
    """
    numbers = {column.title for column in columns if column.number}
    return lay_out(rows, [column.title for column in columns], room=room, numbers=numbers)


def shown(figure: Any) -> str:
    """Write a figure: "-" for none, counts whole, shares with four digits."""
    if figure is None:
        return "-"
    if isinstance(figure, list):
        return ", ".join(map(shown, figure[:8])) + (", .." if len(figure) > 8 else "")
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.4f}"


def worst(shares: list[float] | None) -> str:
    """Write the largest of some shares, in percent."""
    return f"{max(shares):.2%}" if shares else "-"


def decibels(figure: float | None) -> str:
    """Write a ratio in dB."""
    return "-" if figure is None else f"{figure:.1f} dB"


def undecided(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each figure within its bound whose interval goes past the bound."""
    for row in rows:
        for output in row["outputs"]:
            figures = output["figures"]
            if figures.get("settled_by") is None:
                continue
            low, high = figures["disagreements_limits"]
            bound = output["bounds"].get("pixels", output["bounds"].get("disagreements"))
            yield (
                f"{row['bundle']}: {row['format']} {row['precision']} on {row['engine']}, "
                f"{output['name']}: {figures['disagreements']} disagreements, with 95 % confidence "
                f"{low:.2%} to {high:.2%}, {bound:.2%} allowed; about {figures['settled_by']:,} "
                "samples would settle it"
            )

"""The picture of an evaluation: what is confused, is confidence right, which slices are worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from strop_export.evaluation import panels
from strop_export.evaluation.panels import Row
from strop_export.evaluation.summary import Figures, by_badness, key_of, label_of, worst_first
from strop_export.pictures import blank, cut, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_OUTPUTS: Final = 4
_MOST_COLUMNS: Final = 4  # of slices
_MOST_ROWS: Final = 25
_MOST_CELLS: Final = 60  # classes of a confusion; of more, rows have the worst classes
_INCHES: Final = (6.8, 5.6)  # of a panel

Panel = Callable[["Axes"], None]


def draw(figures: Figures) -> bytes:
    """Draw the figures as one PNG.

    Args:
        figures: from `Tally.figures`.

    Returns:
        The bytes of the file.
    """
    return png(lambda: figure_of(figures))


def figure_of(figures: Figures) -> Figure:
    """Make the figure of an evaluation, with a panel for each thing to see; see `draw`."""
    found = list(_panels(figures)) or [panels.nothing]
    across = len(found) if len(found) <= 3 else 2
    down = -(-len(found) // across)
    figure = blank(across * _INCHES[0], down * _INCHES[1], layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes, panel in zip(grid.flat, found, strict=False):
        panel(axes)
    for axes in grid.flat[len(found) :]:
        axes.set_visible(False)
    return figure


def _panels(figures: Figures) -> Iterator[Panel]:
    if not figures["samples"]:
        return
    outputs = figures["outputs"]
    for name, own in list(outputs.items())[:_MOST_OUTPUTS]:
        title = f"{cut(name, 30)}: " if len(outputs) > 1 else ""
        yield from _OF_KIND[own["kind"]](title, own)
    for column, values in list(figures["slices"].items())[:_MOST_COLUMNS]:
        yield from _slices(column, values, outputs)


def _class(title: str, own: Figures) -> Iterator[Panel]:
    yield from _confusion(title, own)
    if own["labelled"] and own["ece"] is not None:
        words = ("confidence", "share that is right")
        said = f"{title}is its confidence right?"
        yield _with(panels.reliability, said, own["reliability"], own["ece"], words)
    else:
        yield _with(panels.bars, f"{title}confidence", own["confidences"], "confidence")


def _binary(title: str, own: Figures) -> Iterator[Panel]:
    yield from _confusion(title, own)
    if own["labelled"] and own["ece"] is not None:
        words = ("probability of yes", "share that is yes")
        said = f"{title}are its probabilities right?"
        yield _with(panels.reliability, said, own["reliability"], own["ece"], words)
    else:
        said = f"{title}probabilities of yes"
        yield _with(panels.bars, said, own["scores"], "probability of yes")


def _multilabel(title: str, own: Figures) -> Iterator[Panel]:
    found = own["by_label"]
    if own["labelled"]:
        yield _worst(f"{title}labels", own, found, "f1", "F1", own["macro_f1"])
    else:
        yield _decided(f"{title}decided as yes", own, found, own["samples"])


def _segmentation(title: str, own: Figures) -> Iterator[Panel]:
    yield from _confusion(title, own)
    if own["labelled"]:
        yield _worst(f"{title}classes", own, own["by_class"], "iou", "IoU", own["label_iou"])


def _values(title: str, own: Figures) -> Iterator[Panel]:
    """Yield the errors of each column as shares of its labels' spread, or else the ranges."""
    names = [label_of(own["labels"], i) for i in range(len(own["mean"]))]
    shares = [
        rmse / spread if rmse is not None and spread else None
        for rmse, spread in zip(own["rmse"], own["label_std"], strict=True)
    ]
    order = sorted(range(len(names)), key=lambda i: -(shares[i] or 0))
    rows = [Row(names[i], share) for i in order if (share := shares[i]) is not None]
    if rows:
        label = "RMSE as a share of the labels' spread (1: no better than their mean)"
        yield _with(panels.rows, f"{title}error by column", rows[:_MOST_ROWS], label)
        return
    columns = zip(names, own["mean"], own["lowest"], own["highest"], strict=True)
    rows = [Row(name, mean, (low, high)) for name, mean, low, high in columns if mean is not None]
    if rows:
        label = "mean, lowest and highest value"
        yield _with(panels.rows, f"{title}values by column", rows[:_MOST_ROWS], label)


_OF_KIND: Final[Mapping[str, Callable[[str, Figures], Iterator[Panel]]]] = {
    "class": _class,
    "binary": _binary,
    "multilabel": _multilabel,
    "segmentation": _segmentation,
    "regression": _values,
    "raw": _values,
}


def _confusion(title: str, own: Figures) -> Iterator[Panel]:
    """Yield what is confused; of many classes the worst, and without labels what is decided."""
    found = own.get("by_class")
    if not own["labelled"]:
        if found:
            total = own.get("samples") or own["pixels"]
            yield _decided(f"{title}what it decides", own, found, total)
    elif own["confusion"] and len(own["confusion"][0]) == len(own["confusion"]) <= _MOST_CELLS:
        names = [label_of(own["labels"], i) for i in range(len(own["confusion"]))]
        yield _with(panels.confusion, f"{title}{_said(own)}", own["confusion"], names)
    elif found and "f1" in found:
        yield _worst(f"{title}classes", own, found, "f1", "F1", own["macro_f1"])


def _said(own: Figures) -> str:
    what = "samples" if own["kind"] in ("class", "binary") else "pixels"
    return f"accuracy {own['accuracy']:.4f} of {own['labelled']:,} {what}"


def _worst(
    title: str, own: Figures, found: Figures, name: str, label: str, of_all: float | None
) -> Panel:
    order = [i for i in worst_first(found[name]) if found[name][i] is not None]
    rows = [
        Row(label_of(own["labels"], i), found[name][i], note=f"{found['labelled'][i]:,}")
        for i in order[:_MOST_ROWS]
    ]
    more = f", the worst {len(rows)} of {len(order)}" if len(order) > len(rows) else ""
    count_of = {"segmentation": "pixels", "multilabel": "yes"}.get(own["kind"], "samples")
    return _with(panels.rows, f"{title}{more}", rows, label, of_all, count_of)


def _decided(title: str, own: Figures, found: Figures, total: int) -> Panel:
    counts = found["decided"]
    order = sorted(range(len(counts)), key=lambda i: (-counts[i], i))[:_MOST_ROWS]
    rows = [
        Row(label_of(own["labels"], i), counts[i] / total, note=f"{counts[i]:,}") for i in order
    ]
    count_of = "pixels" if own["kind"] == "segmentation" else "samples"
    return _with(panels.rows, title, rows, "share of all", None, count_of)


def _slices(
    column: str, values: Mapping[str, Figures], outputs: Mapping[str, Figures]
) -> Iterator[Panel]:
    """Yield the worst slices of a column, by the first output that has a figure."""
    for name, whole in outputs.items():
        order = by_badness(values, {name: whole})
        keys = {value: key_of(whole, values[value]["outputs"][name]) for value in order}
        rows = [
            Row(value, key.value, key.limits, f"{values[value]['samples']:,}")
            for value, key in keys.items()
            if key
        ]
        of_all = key_of(whole, whole)
        if rows and of_all:
            some = f", the worst {_MOST_ROWS} of {len(rows)}" if len(rows) > _MOST_ROWS else ""
            several = f"{cut(name, 30)}, " if len(outputs) > 1 else ""
            title = f"{several}by {cut(column, 30)}{some}"
            yield _with(panels.rows, title, rows[:_MOST_ROWS], of_all.title, of_all.value)
            return


def _with(panel: Callable[..., None], *values: Any) -> Panel:
    return lambda axes: panel(axes, *values)

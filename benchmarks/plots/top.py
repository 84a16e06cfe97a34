"""The ten bars of the README: Strop, the fastest other packages and Keras, for one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import COLOURS, INK, LARGE
from benchmarks.results import PEER, Results
from benchmarks.subjects import Subject, subjects

NAME, AXIS = "top.png", "latency"
AXES = (AXIS,)
ALT = "Microseconds for one image on one core: Strop, the fastest other packages, and Keras"

_BARS = 10
_OTHERS = "#829ab1"
_OURS = ("int8", "float32")  # precisions of Strop's bars
_SOURCE = "Keras"  # the model comes from it: it always has a bar
_BY_HAND = "reference"  # the engine whose raw loop is code for this network, and opens no file
_NAMES = {
    "litert": "LiteRT",
    "tflite": "tflite-runtime",
    "onnx": "ONNX Runtime",
    "TFLite": "TFLite Micro",
}
_PRECISIONS = {"dynamic": "dynamic int8"}  # names for readers who do not know the format's
_LONGEST = 1.5  # times the longest bar but one: a longer bar is cut there, with a mark
_LINE, _AROUND = 0.34, 1.7  # inches: a bar; the title and the notes


def draw(results: Results) -> Figure:
    """Draw the bars, the fastest first."""
    bars = chosen(subjects(results))
    times = [_us(one) for one in bars] or [1.0]
    edge = min(times[-1], _LONGEST * times[-2:][0])
    figure = drawing.card(len(bars) * _LINE + _AROUND)
    axes = figure.add_subplot()
    for place, one in enumerate(bars):
        _bar(axes, place, one, edge)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, edge * 1.16)
    axes.set_xticks([])
    axes.set_yticks(range(len(bars)), map(_label, bars))
    axes.tick_params(labelsize=LARGE, length=0)
    axes.spines[:].set_visible(False)
    for label, one in zip(axes.get_yticklabels(), bars, strict=True):
        label.set(color=_ink(one), fontweight=_weight(one))
    drawing.head(figure, title(bars))
    drawing.foot(figure, _notes(results, bars))
    return figure


def chosen(everyone: Iterable[Subject]) -> list[Subject]:
    """Choose the bars, the fastest first.

    Strop has its fastest subject of int8 and of float32. Every other package has its fastest, at
    any precision; Keras and the fastest of the others are chosen. Only subjects that run the test
    set on the whole CPU count.
    """
    timed = [one for one in everyone if one.is_usual and one.value(AXIS) is not None]
    ours = _fastest((one.precision, one) for one in timed if one.is_strop)
    ours = {precision: one for precision, one in ours.items() if precision in _OURS}
    peers = _fastest(
        (name(one), one) for one in timed if one.kind == PEER and one.engine != _BY_HAND
    )
    source = [peers.pop(_SOURCE)] if _SOURCE in peers else []
    others = sorted(peers.values(), key=_us)[: _BARS - len(ours) - len(source)]
    return sorted([*ours.values(), *others, *source], key=_us)


def name(one: Subject) -> str:
    """Return the name of a subject's package, such as "LiteRT" for "LiteRT set_tensor int8"."""
    package = one.package[1].rstrip(",")
    return "Strop" if one.is_strop else _NAMES.get(package, package)


def title(bars: Sequence[Subject]) -> str:
    """Say in a sentence what Strop and the fastest other package take."""
    ours = next((_us(one) for one in bars if one.is_strop), None)
    other = next((_us(one) for one in bars if not one.is_strop), None)
    if ours is None or other is None:
        return "One digit on one core, in microseconds"
    return (
        f"One digit on one core, each package at its fastest:\n"
        f"{_digits(ours)} microseconds with Strop, {_digits(other)} with the next"
    )


def _notes(results: Results, bars: Sequence[Subject]) -> Iterator[str]:
    about = results.environment
    where = (about.get("cpu", {}).get("model"), about.get("os"), str(about.get("date", ""))[:10])
    yield (
        "Microseconds for a whole call from Python, uint8 pixels to float32 probabilities: medians "
        f"on one thread, {', '.join(filter(None, where))}. The fastest call of each package."
    )
    dense = {one.name: one for one in subjects(results)}
    slower = [
        f"{_digits(_us(other))} in {one.precision}"
        for one in bars
        if one.is_strop and (other := dense.get(f"{one.name} dense"))
    ]
    if slower:
        yield (
            "Strop skips groups of pixels that are 0. On random pixels it takes "
            f"{' and '.join(slower)}."
        )


def _bar(axes: Axes, place: int, one: Subject, edge: float) -> None:
    """Draw a subject's bar and its figure, and a mark if the bar is cut."""
    us = _us(one)
    axes.barh(place, min(us, edge), 0.7, color=COLOURS[0] if one.is_strop else _OTHERS)
    figure = _digits(us)
    if us > edge:
        figure += " (cut)"
        gap = [0.965 * edge, 0.975 * edge]
        axes.plot(gap, [place + 0.45, place - 0.45], color="white", linewidth=4)
    axes.annotate(
        figure,
        (min(us, edge), place),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=LARGE,
        fontweight=_weight(one),
        color=_ink(one),
    )


def _fastest(keyed: Iterable[tuple[str, Subject]]) -> dict[str, Subject]:
    """Return the fastest subject of each key."""
    found: dict[str, Subject] = {}
    for key, one in keyed:
        if key not in found or _us(one) < _us(found[key]):
            found[key] = one
    return found


def _label(one: Subject) -> str:
    return f"{name(one)}, {_PRECISIONS.get(one.precision, one.precision)}"


def _ink(one: Subject) -> str:
    return COLOURS[0] if one.is_strop else INK


def _weight(one: Subject) -> str:
    return "bold" if one.is_strop else "normal"


def _digits(us: float) -> str:
    return f"{us:.2f}" if us < 9.995 else f"{us:.1f}" if us < 99.95 else f"{us:,.0f}"


def _us(one: Subject) -> float:
    return one.value(AXIS) or 0.0

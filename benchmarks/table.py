"""The figures of a run as tables: here on the screen, in `benchmarks.page` in Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks import drawing
from benchmarks.results import STROP, UNITS, Ratio, Results, Row
from benchmarks.subjects import Subject, absent, groups, subjects

_PIPED = 100  # columns, if there is no screen
_BATCHES = (64, 256, 1024, 4096)  # the batch sizes whose throughput is shown, if it was measured
_NONE = "-"
_P = ("p50", "p95", "p99")  # the percentiles of a call
_TAIL = " p99"  # how the name of a ratio of tails ends
_DIFFERENCES = {
    "latency": "us",
    "throughput": "us",
    "c_alone": "us",
    "convolutions": "us",
    "cold_start": "ms",
    "memory": "MiB",
}
_AFTER_NUMPY = ("open", "first answer")  # parts of a cold start

_COSTS = {
    "cold_start": "cold",
    "memory": "memory",
    "device_size": "on device",
    "model_size": "model",
    "export_time": "export",
}


@dataclass(frozen=True)
class Line:
    """A line of a table; Strop's lines are highlighted."""

    cells: tuple[str, ...]
    is_strop: bool = False


@dataclass(frozen=True)
class Section:
    """A table and a note that explains it."""

    title: str
    note: str
    columns: tuple[str, ...]
    texts: int  # the number of left columns that are text
    lines: tuple[Line, ...]


def show(results: Results) -> None:
    """Print the tables, then the subjects that are missing, with the reasons."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED)
    for section in sections(results):
        console.print(_drawn(section))
        console.print(Text(section.note, style="dim"), "")
    for who, why in absent(results):
        console.print(Text.assemble(("not here: ", "dim"), (who, "bold"), f": {why}"))


def sections(results: Results) -> Iterator[Section]:
    """Return the tables that have lines, the most important first."""
    measured = subjects(results)
    ordered = [one for members in groups(measured).values() for one in members]
    digits = [ratio for ratio in results.ratios if not ratio.network]
    networks = [ratio for ratio in results.ratios if ratio.network]
    tables = (
        *(_ratios(digits), _times(ordered), _costs(ordered), _over_numpy(ordered)),
        _counting(results.rows),
        *(_networks_ratios(networks), _networks_times(results.rows)),
    )
    for section in tables:
        if section.lines:
            yield section


def _ratios(ratios: Sequence[Ratio]) -> Section:
    """Make the table of ratios: one line per engine and precision, one column per axis."""
    by_name: dict[str, dict[str, Ratio]] = {}
    for ratio in ratios:
        name = ratio.name.removesuffix(_TAIL)
        by_name.setdefault(name, {})[_column(ratio)] = ratio
    columns = list(dict.fromkeys(_column(ratio) for ratio in ratios))
    return Section(
        "Strop over the same engine's own best loop",
        "Medians over the rounds of one run, in which both alternate. Latency, cold start and "
        "memory are better below 1; images per second (/s) above. Strop's own engine, native, is "
        "compared with the fastest peer of all, in float32 with the fastest of float32; its C "
        "alone with a loop by hand for this network. Dense: on random bytes, as it skips pixels "
        "that are 0. With native held to AVX2, batches are compared with oneDNN held to AVX2. "
        "Python and NumPy, which start the same for both, count the same in each pair of cold "
        "starts.",
        ("", *columns),
        1,
        tuple(
            Line((name, *(f"{of[c].median:.3f}" if c in of else _NONE for c in columns)))
            for name, of in by_name.items()
        ),
    )


def _column(ratio: Ratio) -> str:
    if ratio.axis == "throughput":
        return f"{ratio.batch:,}/s"
    if ratio.axis == "latency":
        return "p99" if ratio.name.endswith(_TAIL) else "p50"
    return ratio.axis.replace("_start", "").replace("_", " ")


def _networks_ratios(ratios: Sequence[Ratio]) -> Section:
    """Make the table of ratios of convolutional networks: a column per network and batch."""
    columns = dict.fromkeys((ratio.network, ratio.batch) for ratio in ratios)
    found = {(ratio.name, ratio.network, ratio.batch): ratio for ratio in ratios}

    def cell(name: str, network: str, batch: int | None) -> str:
        ratio = found.get((name, network, batch))
        return f"{ratio.median:.3f}" if ratio else _NONE

    return Section(
        "Convolutional networks: Strop's time over the fastest peer's",
        "Medians over the rounds of one run, by network and samples a call; better below 1. Native "
        "is compared with the fastest peer of all, in float32 with the fastest of float32, litert "
        "with LiteRT's own best loop. With native held to AVX2, batches are compared with oneDNN "
        "held to AVX2.",
        ("", *(f"{network} {batch}" for network, batch in columns)),
        1,
        tuple(
            Line((name, *(cell(name, *column) for column in columns)))
            for name in dict.fromkeys(ratio.name for ratio in ratios)
        ),
    )


def _networks_times(rows: Sequence[Row]) -> Section:
    """Make the table of times of convolutional networks: a line per network and subject."""
    timed = [row for row in rows if row.axis == "convolutions" and row.value is not None]
    by_line: dict[tuple[str, str, bool], dict[int, Row]] = {}
    for row in timed:
        line = (row.subject, row.network, row.kind == STROP)
        by_line.setdefault(line, {})[row.batch or 1] = row
    batches = sorted({row.batch or 1 for row in timed})
    return Section(
        "Convolutional networks",
        "us for one call, from uint8 samples to float32 probabilities, one thread, by samples a "
        "call. LeNet takes 28 x 28 x 1 values, DS-CNN and ResNet8, of MLPerf Tiny, 49 x 10 x 1 and "
        "32 x 32 x 3. They are trained briefly: times do not depend on the weights.",
        (
            "",
            "network",
            *(f"{batch}: p50 us" if p == "p50" else p for batch in batches for p in _P),
        ),
        2,
        tuple(
            Line(
                (
                    subject,
                    network,
                    *(cell for batch in batches for cell in _percentiles(of, batch)),
                ),
                is_strop,
            )
            for (subject, network, is_strop), of in by_line.items()
        ),
    )


def _percentiles(rows: Mapping[int, Row], batch: int) -> tuple[str, ...]:
    if batch not in rows:
        return (_NONE,) * len(_P)
    row = rows[batch]
    return tuple(three_digits(us) for us in (row.p50_us, row.p95_us, row.p99_us))


def details(ratios: Sequence[Ratio]) -> Section:
    """Make a table of one line per ratio: its raw loop, its spread and the difference."""
    return Section(
        "The ratios one by one",
        "From .. to: 5th and 95th percentile of the rounds. For a ratio of images per second, "
        "the difference is in us per image.",
        ("", "axis", "against", "images", "ratio", "from .. to", "difference"),
        3,
        tuple(
            Line(
                (
                    f"{ratio.network} {ratio.name}".strip(),
                    ratio.axis.replace("_", " "),
                    ratio.against,
                    _NONE if ratio.batch is None else f"{ratio.batch:,}",
                    f"{ratio.median:.3f}",
                    f"{ratio.low:.3f} .. {ratio.high:.3f}",
                    f"{ratio.difference:+.3g} {_DIFFERENCES[ratio.axis]}",
                )
            )
            for ratio in ratios
        ),
    )


def _times(some: Sequence[Subject]) -> Section:
    measured = {batch for one in some for batch in one.by_batch("throughput")}
    batches = [batch for batch in _BATCHES if batch in measured]
    lines = []
    for one in some:
        share = one.value("accuracy")
        cells = (*_latency(one), *(_rate(one, batch) for batch in batches))
        if share is not None or set(cells) != {_NONE}:
            accuracy = _NONE if share is None else f"{share:.4f}"
            lines.append(Line((one.name, *cells, accuracy), one.is_strop))
    return Section(
        "Latency of one image, throughput and accuracy",
        "us for one image, from uint8 pixels to float32 probabilities, one thread; images per "
        "second by batch size; accuracy over the whole test set. Dense: on random bytes instead of "
        "the test set, for those that come near Strop's own engine, which skips groups of pixels "
        "that are 0. No other does: its time is the same for all images.",
        ("", "p50 us", "p95", "p99", *(f"{batch:,}/s" for batch in batches), "accuracy"),
        1,
        tuple(lines),
    )


def _latency(one: Subject) -> tuple[str, ...]:
    row = one.row("latency")
    if row is None:
        return _NONE, _NONE, _NONE
    return tuple(three_digits(us) for us in (row.value, row.p95_us, row.p99_us))


def _rate(one: Subject, batch: int) -> str:
    rate = one.value("throughput", batch)
    return _NONE if rate is None else drawing.short(float(f"{rate:.3g}"))


def _costs(some: Sequence[Subject]) -> Section:
    lines = []
    for one in some:
        costs = [one.value(axis) for axis in _COSTS]
        if set(costs) != {None}:
            lines.append(Line((one.name, *map(three_digits, costs)), one.is_strop))
    return Section(
        "Cold start, memory, size and export",
        "Cold: from the start of a process to its first answer. Memory: the peak of a process "
        "with one model. On device: everything that pip installs, without Python. Model: the file "
        "that is opened; Strop's bundle has all precisions, and golden samples. Export: from the "
        "trained model; for a file built from an exported one, from that.",
        ("", *(f"{title} {UNITS[axis]}" for axis, title in _COSTS.items())),
        1,
        tuple(lines),
    )


def _over_numpy(some: Sequence[Subject]) -> Section:
    """Make the table of what a subject adds to a process that has NumPy."""
    lines = []
    for one in some:
        cells = [three_digits(value) for value in _added(one)]
        if set(cells) != {_NONE}:
            lines.append(Line((one.name, *cells), one.is_strop))
    return Section(
        "Over Python with NumPy",
        "Cold: from the import of NumPy to the first answer; Strop verifies its bundle in that "
        "time. Memory: the peak over that after NumPy's import. File: the one in Strop's bundle "
        "that the engine opens. Extension: the compiled code of Strop's own engine. C alone: one "
        "image without Python, in a program in C.",
        ("", "cold ms", "memory MiB", "file kB", "extension kB", "C alone us"),
        1,
        tuple(lines),
    )


def _counting(rows: Sequence[Row]) -> Section:
    """Make the table of what counting adds to a call."""
    found = [row for row in rows if row.axis == "counting" and row.value is not None]
    return Section(
        "Counting what a model meets",
        "us for one image, without counting and what counting adds: the median over turns of many "
        "calls each, in which a model that counts alternates with one that does not. The calls "
        "that are counted are among them.",
        ("", "one call of", "without us", "adds us"),
        1,
        tuple(
            Line(
                (
                    row.subject,
                    f"{row.parts['every']:,.0f}",
                    f"{row.parts['without']:.3f}",
                    f"{row.value:+.3f}",
                ),
                is_strop=True,
            )
            for row in found
        ),
    )


def _added(one: Subject) -> Iterator[float | None]:
    start, memory = one.row("cold_start"), one.row("memory")
    files, packages = one.row("model_size"), one.row("device_size")
    parts_ms = [start.parts[name] for name in _AFTER_NUMPY if name in start.parts] if start else []
    yield sum(parts_ms) if parts_ms else None
    yield memory.parts.get("over numpy") if memory else None
    parts_kb = files.parts.items() if files else ()
    yield next((kb for name, kb in parts_kb if name.endswith(f"-{one.precision}")), None)
    yield packages.parts.get("extension") if packages else None
    yield one.value("c_alone")


def three_digits(value: float | None) -> str:
    """Write a figure with about three digits, its precision."""
    if value is None:
        return _NONE
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{decimals}f}"


def _drawn(section: Section) -> Table:
    drawn = Table(
        title=section.title,
        title_justify="left",
        title_style="bold italic",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for number, column in enumerate(section.columns):
        drawn.add_column(column, justify="left" if number < section.texts else "right")
    for line in section.lines:
        drawn.add_row(*line.cells, style="bold" if line.is_strop else None)
    return drawn

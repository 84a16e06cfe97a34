"""The files that an evaluation leaves, and what they say."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from strop import durable
from strop.device.cpu import this_cpu, usable_cores
from strop_export.errors import EvaluationError
from strop_export.evaluation import page, picture
from strop_export.evaluation.journal import Journal, bad_line
from strop_export.evaluation.sources.base import BadRows, Data

METRICS: Final = "metrics.json"
RUN: Final = "run.json"
BAD_ROWS: Final = "bad-rows.jsonl"
REPORT: Final = "report.md"
PICTURE: Final = "evaluation.png"

_RUN_FIELDS: Final[Mapping[str, type]] = {
    "on": str,
    "workers": int,
    "finished": str,
    "cpu": str,
    "cores": int,
    "seconds": float,
    "rows": int,
    "rows_per_s": float,
    "rows_of_earlier_runs": int,
    "metrics_sha256": str,
}


class Evaluation(NamedTuple):
    """What came of an evaluation.

    Attributes:
        metrics: what metrics.json holds.
        run: what run.json holds: where and how fast it ran.
        folder: the folder of all its files.
    """

    metrics: dict[str, Any]
    run: dict[str, Any]
    folder: Path

    def is_complete(self, max_bad: float) -> bool:
        """Tell whether the figures are about all the data.

        Args:
            max_bad: the share of rows that may be set aside, 0 to 1.

        Returns:
            True if every file could be opened and read to its end, and no more rows were set aside.
        """
        rows = self.metrics["rows"]
        aside = rows["set_aside"]
        return not rows["files_cut_short"] and aside <= max_bad * (rows["counted"] + aside)


def finished(folder: Path, identity: Mapping[str, Any]) -> Evaluation | None:
    """Return the evaluation that a folder holds, if it is finished and of this identity.

    One whose metrics.json or run.json was changed is none.
    """
    try:
        content = (folder / METRICS).read_bytes()
        run = json.loads((folder / RUN).read_bytes())
        if not _is_run(run) or run["metrics_sha256"] != hashlib.sha256(content).hexdigest():
            return None
        metrics = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(metrics, dict):
        return None
    if any(metrics.get(name) != value for name, value in _plain(identity).items()):
        return None
    return Evaluation(metrics, run, folder)


def exist(folder: Path) -> bool:
    """Tell whether a folder holds a finished evaluation, of whatever identity."""
    return (folder / METRICS).exists()


def _is_run(value: Any) -> bool:
    """Tell whether a value is what run.json holds."""
    return (
        isinstance(value, dict)
        and {name: type(each) for name, each in value.items()} == _RUN_FIELDS
    )


def publish(
    folder: Path,
    journal: Journal,
    identity: Mapping[str, Any],
    data: Data,
    where: Mapping[str, Any],
) -> Evaluation:
    """Write all files of a finished evaluation, metrics.json last, and remove the journal.

    Args:
        folder: the folder.
        journal: all pieces are counted in it.
        identity: what the figures depend on.
        data: what was planned.
        where: what run.json says of where it ran.

    Raises:
        EvaluationError: no row at all could be evaluated; or a file cannot be written.
    """
    cut_short = _write_bad_rows(folder / BAD_ROWS, journal, data.bad)
    counted = journal.counted
    if not (counted.rows or counted.bad_rows or cut_short):
        raise EvaluationError("the data have no rows", "give files that have some")
    if not counted.rows:
        raise EvaluationError(
            f"none of the data could be evaluated: {counted.bad_rows:,} rows and "
            f"{cut_short} files were set aside",
            f"{folder / BAD_ROWS} says why",
        )
    for name in (METRICS, RUN):  # of an earlier evaluation
        with _writing(folder / name):
            (folder / name).unlink(missing_ok=True)
    figures = journal.tally.figures()
    rows = {"counted": counted.rows, "set_aside": counted.bad_rows, "files_cut_short": cut_short}
    metrics = {**_plain(identity), "rows": rows, "figures": figures}
    resumed = journal.resumed
    seconds = max(1e-6, counted.busy_s - resumed.busy_s)
    run = {
        **where,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": this_cpu().model,
        "cores": usable_cores(),
        "seconds": round(seconds, 3),
        "rows": counted.rows - resumed.rows,
        "rows_per_s": round((counted.rows - resumed.rows) / seconds, 1),
        "rows_of_earlier_runs": resumed.rows,
        "metrics_sha256": hashlib.sha256(_json(metrics)).hexdigest(),
    }
    _write(folder / PICTURE, picture.draw(figures))
    report = page.markdown(figures, counted.bad_rows, _facts(metrics, run))
    _write(folder / REPORT, report.encode("utf-8"))
    _write(folder / RUN, _json(run))
    _write(folder / METRICS, _json(metrics))
    with _writing(folder):
        journal.remove()
    return Evaluation(metrics, run, folder)


def _facts(metrics: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, str]:
    """Return what was evaluated, and where, in words."""
    facts = {
        name: "{name} v{model_version} for {target}, {precision} on {engine} {engine_version}, "
        "{device}; SHA-256 of the manifest {sha256}".format(**metrics[name])
        for name in ("bundle", "reference")
        if metrics[name]
    }
    rows = metrics["rows"]
    return {
        **facts,
        "files not read to their end": f"{rows['files_cut_short']}",
        "ran": f"{run['finished']}, on {run['on']}, {run['workers']} workers, {run['cpu']}: "
        f"{run['rows']:,} samples in {run['seconds']:,.1f} s",
    }


def _write_bad_rows(path: Path, journal: Journal, unopened: tuple[BadRows, ...]) -> int:
    """Write all that was set aside; return the number of files whose rest could not be read."""
    cut_short = 0
    draft = path.with_name(f"{path.name}{durable.DRAFT}")
    with _writing(path):
        with draft.open("wb") as file:
            for line in _bad_lines(journal, unopened):
                cut_short += json.loads(line)["count"] is None
                file.write(line)
        draft.replace(path)
    return cut_short


def _bad_lines(journal: Journal, unopened: tuple[BadRows, ...]) -> Iterator[bytes]:
    yield from map(bad_line, unopened)
    for piece in journal.bad_lines():
        yield from piece.splitlines(keepends=True)


def _write(path: Path, content: bytes) -> None:
    with _writing(path):
        durable.write(str(path), content)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise EvaluationError where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"cannot write {path}: {error.strerror or error}",
            "mend that; the same command then goes on with what is counted",
        ) from None


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value as JSON gives it back: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")

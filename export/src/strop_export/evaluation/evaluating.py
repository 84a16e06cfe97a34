"""One evaluation: from the request to the files that it leaves."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from strop import durable
from strop.bundle.file import Bundle
from strop.bundle.manifest import InputSpec, OutputSpec
from strop.bundle.open import open_bundle
from strop.device.cpu import usable_cores
from strop.install.lock import Held, hold
from strop.model.model import Model
from strop.model.select import open_best
from strop_export.errors import EvaluationError
from strop_export.evaluation import identity, on_local, on_ray, progress, results, sources
from strop_export.evaluation.journal import Journal
from strop_export.evaluation.progress import Show, Status
from strop_export.evaluation.results import Evaluation
from strop_export.evaluation.sources.base import Data
from strop_export.evaluation.work import Job, Outcome

LOCAL, RAY = "local", "ray"
BATCH: Final = 1024
_JOURNAL, _LOCK = "journal", ".lock"


def evaluate(
    bundle: str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    on: str = LOCAL,
    workers: int | None = None,
    reference: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    slices: Sequence[str] = (),
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    batch: int = BATCH,
    out: str | os.PathLike[str] = "evaluation",
    restart: bool = False,
    say: Callable[[str], None] | None = print,
    show: Show | None = None,
) -> Evaluation:
    """Evaluate a bundle on the engine that runs it, over data of any size.

    The data are read in pieces, on all workers, and nothing but counts is kept. The figures are the
    same, to the last digit, on one machine and on a cluster, and after any number of
    interruptions: call it again with the same arguments and it goes on. A finished evaluation is
    not done again.

    Messages name the options of the command line: `--workers` is the argument `workers`.

    >>> found = strop_export.evaluate("dist/mnist-mlp-cpu.strop", "shards/*.parquet")
    >>> found.metrics["figures"]["outputs"]["probabilities"]["accuracy"]

    Args:
        bundle: the bundle, a .strop file.
        data: patterns of Parquet or TFRecord files, or folders of pictures, `folder/<label>/...`:
            paths here, or URIs such as "s3://bucket/shards/*.parquet".
        on: "local", or "ray" for a Ray cluster.
        workers: processes that work at the same time, 1 or more; by default the number of CPUs.
        reference: another bundle with the same inputs and outputs, to compare each answer with.
        inputs: columns by input name, where they have other names; "" is the only input. Commas
            separate the columns of a short vector.
        labels: columns of the truth by output name, where they are not called `label`; "" is the
            only output.
        slices: columns; figures are also given for each of their values.
        engine: as in `strop.load`.
        device: as in `strop.load`.
        precision: as in `strop.load`.
        batch: the most samples that the model gets at once, 1 or more.
        out: the folder for what is made: metrics.json, run.json, bad-rows.jsonl, report.md and
            evaluation.png; and the journal until the evaluation is finished.
        restart: forget what `out` holds of an earlier evaluation.
        say: called with each line about the progress; None: nothing is said.
        show: called with the status after each piece; None: `say` gets it every ten seconds.

    Returns:
        The figures, where and how fast it ran, and the folder with all files.

    Raises:
        EvaluationError: the request cannot be met, or the data do not fit the bundle; or a worker
            died; what is counted is kept.
        StropError: a bundle cannot be opened, or the engine failed.
    """
    tell = say or _nothing
    _require(on, workers, batch)
    opened, model = _open(bundle, engine, device, precision)
    other = _open(reference, None, None, None) if reference is not None else None
    if other:
        _require_alike(opened, other[0])
    paths = [data] if isinstance(data, str | os.PathLike) else list(data)
    places = [os.fspath(path) for path in paths]
    found = sources.plan(
        places,
        opened.manifest,
        inputs=inputs or {},
        labels=labels or {},
        slices=slices,
        progress=tell,
    )
    job = Job(
        pickle.dumps(model),
        pickle.dumps(other[1]) if other else None,
        opened.manifest,
        found.columns,
        batch,
    )
    about = identity.identity(opened, model, other, found, batch)
    folder = Path(out)
    with _held(folder):
        if not restart and (before := results.finished(folder, about)):
            tell(f"{folder}/ has this evaluation already: nothing to do")
            return before
        journal = _journal(folder, identity.digest(about), found, job, restart=restart)
        if results.exist(folder):
            tell(f"{folder}/ has an evaluation, which this one will replace")
        if journal.resumed.done:
            tell(f"going on: {journal.resumed.rows:,} samples are counted already")
        show = show or progress.lines(tell)
        if on == RAY:
            tell("connecting to Ray, or starting it")
        with on_ray.started() if on == RAY else nullcontext(usable_cores()) as cpus:
            count = max(1, min(workers or cpus, len(found.units)))
            left = journal.left(found.units)
            outcomes = (
                on_ray.run(job, left, count, gpu=bool(model.adapter))
                if on == RAY
                else on_local.run(job, left, count)
            )
            _count(journal, job, outcomes, len(found.units), show)
        sources.require_unchanged(places, found)  # a mixture would pass for what was planned
        return results.publish(folder, journal, about, found, {"on": on, "workers": count})


def _count(
    journal: Journal, job: Job, outcomes: Generator[Outcome, None, None], units: int, show: Show
) -> None:
    """Count each outcome as it comes; save the journal, whatever stops it."""
    began = time.monotonic()
    before = journal.resumed
    try:
        with closing(outcomes):
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                journal.add(outcome, job)
                done = journal.counted
                per_s = (done.rows - before.rows) / (time.monotonic() - began)
                show(Status(units, done.done.bit_count(), done.rows, done.bad_rows, per_s))
    finally:
        journal.save()


def _journal(folder: Path, request: str, data: Data, job: Job, *, restart: bool) -> Journal:
    path = folder / _JOURNAL
    if restart and path.is_dir():
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise EvaluationError(f"cannot remove {path}: {error.strerror}") from None
    return Journal(path, request, len(data.units), job)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder for one evaluation at a time."""
    try:
        durable.make_folder(str(folder))
    except OSError as error:
        raise EvaluationError(f"cannot make {folder}: {error.strerror}") from None
    try:
        with ExitStack() as held:
            try:
                held.enter_context(hold(str(folder / _LOCK), 0.0, lambda _: None))
            except OSError as error:
                raise EvaluationError(
                    f"cannot write {folder / _LOCK}: {error.strerror}", "choose another --out"
                ) from None
            yield
    except Held as error:
        raise EvaluationError(
            f"process {error} evaluates into {folder}", "choose another --out, or wait for it"
        ) from None


def _nothing(_: str) -> None:
    """Say nothing."""


def _require(on: str, workers: int | None, batch: int) -> None:
    if on not in (LOCAL, RAY):
        raise EvaluationError(f"cannot evaluate on {on!r}", f"choose {LOCAL} or {RAY}")
    for name, value in (("workers", workers), ("batch", batch)):
        if value is not None and (type(value) is not int or value < 1):
            raise EvaluationError(f"--{name} must be a positive integer, got {value!r}")


def _open(
    path: str | os.PathLike[str], engine: str | None, device: str | None, precision: str | None
) -> tuple[Bundle, Model]:
    bundle = open_bundle(path)
    return bundle, open_best(bundle, engine=engine, device=device, precision=precision, threads=1)


def _form(spec: InputSpec | OutputSpec) -> tuple[Any, ...]:
    """Return what two bundles must have in common for their answers to be compared."""
    form = (spec.name, spec.shape, spec.dtype)
    if isinstance(spec, InputSpec):
        return form
    return (*form, spec.kind, spec.labels, spec.logits, spec.threshold)


def _require_alike(bundle: Bundle, reference: Bundle) -> None:
    """Require that both take the same inputs, and give the same outputs."""
    for what in ("inputs", "outputs"):
        mine, its = (
            [_form(spec) for spec in getattr(one.manifest, what)] for one in (bundle, reference)
        )
        if mine != its:
            raise EvaluationError(
                f"the reference {reference.manifest.name} has other {what} than "
                f"{bundle.manifest.name}: {its}, not {mine}",
                "compare bundles of models that take and give the same",
            )

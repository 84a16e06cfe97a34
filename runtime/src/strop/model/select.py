"""The choice of the variant to run, and of its engine and device; and opening it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.manifest import PRECISIONS, Manifest, Variant
from strop.bundle.structs import Struct
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    StropError,
    either,
    one_line,
    warn,
)
from strop.model import tuned_path
from strop.model.model import About, Model
from strop.model.source import ModelSource
from strop.versions import release

if TYPE_CHECKING:
    from strop.model.tuned import Row


class Choice(Struct):
    """A variant, and the engine and device to run it on."""

    engine: str
    variant: Variant
    device: str = engines.CPU


def choose(
    manifest: Manifest, *, engine: str | None = None, precision: str | None = None
) -> Choice:
    """Choose the first proven pair of engine and variant that is as asked for and runs on this CPU.

    Args:
        manifest: of the bundle; its order of engines and variants is the order of preference.
        engine: insist on this one; None: any.
        precision: insist on this one; None: any.

    Raises:
        EngineUnavailable: as `strop.load`.
        InputError: there is no such precision, or no variant of it.
    """
    names = _candidates(manifest, engine)
    variants = _variants(manifest, precision)
    for name in names:
        proven = [v for v in variants if name in (*v.engines, engines.FAKE)]
        if proven and engines.is_installed(name):
            return Choice(name, proven[0])
    able = [n for n in names if any(n in (*v.engines, engines.FAKE) for v in variants)]
    if not able:
        have = _one_of(v.precision for v in manifest.variants if names[0] in v.engines)
        raise EngineUnavailable(
            f"{manifest.name}-{manifest.target} has no {precision} variant for {names[0]}",
            f"ask for {have}",
        )
    if engine is not None:
        raise engines.not_installed(engine, [name for v in variants for name in v.engines])
    raise _none_installed(manifest, able, precision)


def open_best(
    bundle: Bundle,
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    sessions: int | None = None,
) -> Model:
    """Open the best of what was asked for: as tuned on this device, or else as `choose` has it.

    Args:
        bundle: verified.
        engine: as `strop.load` has it.
        device: as `strop.load` has it.
        precision: as `strop.load` has it.
        threads: as `strop.load` has it.
        sessions: as `strop.load` has it.

    Raises:
        StropError: as `strop.load`; a BundleError only for the variant's own file, as `open_model`.
    """
    engines.require_device(device)
    if device == engines.AUTO:
        device = None
    # Where all is asked for, there is nothing left to tune.
    if None in (engine, device, precision, threads) and tuned_path.is_there(bundle.digest):
        from strop.model import tuned

        for row in tuned.recall(bundle, device):
            if (
                engine in (None, row.engine)
                and device in (None, row.device)
                and precision in (None, row.precision)
                and threads in (None, row.threads)
            ):
                count = row.threads if threads is None else threads
                model = _open_tuned(bundle, row, count, sessions)
                if model:
                    return model
                break
    count = 1 if threads is None else threads
    if device == engines.GPU:
        return _open_on_gpu(bundle, engine, precision, count)
    choice = choose(bundle.manifest, engine=engine, precision=precision)
    return open_model(bundle, choice, threads=count, sessions=sessions)


def open_model(
    bundle: Bundle,
    choice: Choice,
    *,
    threads: int = 1,
    sessions: int | None = None,
    tuned: bool = False,
) -> Model:
    """Open a chosen variant of a verified bundle.

    Args:
        bundle: verified.
        choice: what to open, and on what.
        threads: as `strop.load` has it.
        sessions: as `strop.load` has it.
        tuned: whether tuning had a part in the choice, for the model to say so.

    Raises:
        InputError: `threads` or `sessions` is not a positive integer.
        BundleError: the variant is not the file the manifest lists, or reaches for other files.
        EngineUnavailable: the engine cannot be imported, is older than the file needs, or
            refuses the file.
        DeviceUnavailable: the engine cannot use that device, or not for all of this file.
    """
    for name, number in (("threads", threads), ("sessions", sessions)):
        if (number is not None or name == "threads") and (type(number) is not int or number < 1):
            raise InputError(f"`{name}` must be a positive integer, got {number!r}")
    manifest, variant = bundle.manifest, choice.variant
    engine = engines.get(choice.engine)
    _check_floor(choice.engine, engine.version(), variant)
    for able, who in (
        (engines.entry(choice.engine).devices, f"engine {choice.engine!r}"),
        (variant.devices, variant.file),
    ):
        if choice.device not in able:
            raise DeviceUnavailable(
                f"{who} is for {' and '.join(able)} alone", f"use device={able[0]!r}"
            )
    source = ModelSource(bundle.read(variant), variant, choice.engine, choice.device, threads)
    try:
        session = source.open()
    except (BundleError, DeviceUnavailable):
        raise
    except Exception as error:
        raise EngineUnavailable(
            f"engine {choice.engine!r} {engine.version()} is installed and does not open "
            f"{variant.file}: {type(error).__name__}: {one_line(str(error))}",
            "strop doctor says whether it works here",
        ) from error
    about = About(
        name=manifest.name,
        version=manifest.model_version,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        engine_version=engine.version(),
        structure=manifest.structure,
        tuned=tuned,
        sessions=1 if choice.device == engines.GPU else sessions,
    )
    return Model(source, about, session)


def _open_tuned(bundle: Bundle, row: Row, threads: int, sessions: int | None) -> Model | None:
    """Open what tuning found best; warn and give None if its GPU is not there any more."""
    from strop.model import tuned

    (variant,) = (v for v in bundle.manifest.variants if v.file == row.file)
    choice = Choice(row.engine, variant, row.device)
    try:
        model = open_model(bundle, choice, threads=threads, sessions=sessions, tuned=True)
    except DeviceUnavailable as error:
        tuned.ignore(bundle, str(error))
        return None
    if model.adapter != row.adapter:
        model.close()
        tuned.ignore(bundle, f"it was timed on {row.adapter}, and here is {model.adapter}")
        return None
    return model


def _open_on_gpu(bundle: Bundle, engine: str | None, precision: str | None, threads: int) -> Model:
    """Open the first variant made for the GPU on the first engine that can use one here."""
    manifest = bundle.manifest
    names = _candidates(manifest, engine)
    variants = [v for v in _variants(manifest, precision) if engines.GPU in v.devices]
    tried: list[StropError] = []
    absent: list[StropError] = []
    for name in names:
        proven = [v for v in variants if name in v.engines]
        if not proven:
            continue
        if not engines.is_installed(name):
            absent.append(engines.not_installed(name, proven[0].engines))
            continue
        try:
            model = open_model(bundle, Choice(name, proven[0], engines.GPU), threads=threads)
        except DeviceUnavailable as error:
            tried.append(error)
            continue
        if tried:  # it may be another GPU, and slower
            warn(f"{name} runs it on {model.device}, since {'; '.join(map(str, tried))}")
        return model
    tried += absent
    if not tried:
        what = " ".join(filter(None, (precision, "variant", engine and f"for {engine}")))
        able = [v for v in manifest.variants if engines.GPU in v.devices]
        kinds = _one_of(v.precision for v in able)
        others = _one_of(name for v in able for name in v.engines)
        tried = [
            DeviceUnavailable(
                f"{manifest.name}-{manifest.target} has no {what} made for the GPU",
                f"ask for {kinds}, on {others}"
                if able
                else "export it for a target that has one (make export TARGET=gpu)",
            )
        ]
    raise no_gpu(tried)


def no_gpu(reasons: Sequence[StropError]) -> DeviceUnavailable:
    """Give the error to raise where the GPU was asked for and cannot be used.

    Args:
        reasons: the errors that say why not, one or more.
    """
    if len(reasons) == 1:
        return DeviceUnavailable(reasons[0].problem, reasons[0].mend)
    problems = "; ".join(reason.problem for reason in reasons)
    mends = dict.fromkeys(reason.mend for reason in reasons)
    return DeviceUnavailable(f"device 'gpu' cannot be had: {problems}", either(*mends))


def _variants(manifest: Manifest, precision: str | None) -> list[Variant]:
    """Select the variants of a precision, or all."""
    if precision not in (None, *PRECISIONS):
        raise InputError(f"there is no precision {precision!r}", f"ask for {_one_of(PRECISIONS)}")
    variants = [v for v in manifest.variants if precision in (None, v.precision)]
    if not variants:
        raise InputError(
            f"{manifest.name}-{manifest.target} has no {precision} variant",
            f"ask for {_one_of(v.precision for v in manifest.variants)}",
        )
    return variants


def _candidates(manifest: Manifest, engine: str | None) -> tuple[str, ...]:
    """List the engines to try, in order."""
    if engine is None:
        # One from a newer strop is as good as absent; the fake is for those who ask for it.
        known = [
            name for name in manifest.engines if name in engines.NAMES and name != engines.FAKE
        ]
        if not known:
            raise EngineUnavailable(
                f"{manifest.name}-{manifest.target} is for {', '.join(manifest.engines)}; this "
                "strop knows none of them",
                "install the strop wheel that came with the bundle",
            )
        return tuple(known)
    engines.is_installed(engine)  # refuses an unknown name
    if engine != engines.FAKE and engine not in manifest.engines:
        raise EngineUnavailable(
            f"{manifest.name}-{manifest.target} is not proven on {engine}",
            f"ask for {_one_of(manifest.engines)}",
        )
    return (engine,)


def _none_installed(
    manifest: Manifest, able: Sequence[str], precision: str | None
) -> EngineUnavailable:
    """Give the error to raise where none of the engines able to do what was asked is installed."""
    from strop.device import board, wheels

    here = board.read()
    asked = f"{manifest.name}-{manifest.target}" + (f" at {precision}" if precision else "")
    reasons = {name: wheels.why_none(name, here) for name in able}
    lines = [f"{name}: {wheels.mend_absent(name, here)}" for name in able if not reasons[name]]
    if lines:
        return EngineUnavailable(
            f"no engine for {asked} is installed", f"install one of them, {'; '.join(lines)}"
        )
    present = [n for n in manifest.engines if n in engines.NAMES and engines.is_installed(n)]
    running = {v.precision: [n for n in present if n in v.engines] for v in manifest.variants}
    instead = [f"{kind} runs on {_listed(names)}" for kind, names in running.items() if names]
    others = filter(None, (*instead, wheels.mend_absent(able[0], here, among=able)))
    return EngineUnavailable(
        f"no engine for {asked} can be had here: {'; '.join(reasons.values())}", "; ".join(others)
    )


def _one_of(names: Iterable[str]) -> str:
    """Write a choice: "int8", or "one of int8, float32"; each name stands once."""
    names = dict.fromkeys(names)
    return ", ".join(names) if len(names) == 1 else f"one of {', '.join(names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"


def _check_floor(engine: str, installed: str, variant: Variant) -> None:
    """Refuse an engine older than the manifest says the file needs, before it sees the file."""
    floor = variant.requires.get("engines", {}).get(engine, "")
    here = release(installed)
    if here and here < release(floor):
        from strop.versions import install_line

        # The eager strategy: an engine that is there already satisfies the wheel, however old.
        raise EngineUnavailable(
            f"{variant.file} needs engine {engine!r} {floor} or newer and {installed} is installed",
            f"{install_line(engine)} --upgrade --upgrade-strategy eager",
        )

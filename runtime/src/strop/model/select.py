"""The choice of the variant to run, and of its engine and device; and opening it."""

from __future__ import annotations

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
    one_line,
    warn,
)
from strop.model import tuned_path
from strop.model.model import About, Model
from strop.model.source import ModelSource
from strop.model.unavailable import no_gpu, none_installed, one_of
from strop.versions import release

if TYPE_CHECKING:
    from strop.model.counting import Counted
    from strop.model.tuned import Row


MOST = 1024  # threads or sessions: an engine starts as many as it is told


class Choice(Struct):
    """A variant, and the engine and device to run it on."""

    engine: str
    variant: Variant
    device: str = engines.CPU


def choose(
    manifest: Manifest, *, engine: str | None = None, precision: str | None = None
) -> Choice:
    """Choose the first proven pair of engine and variant that fits the request and this CPU.

    Args:
        manifest: the bundle's; it lists engines and variants in order of preference.
        engine: the engine to use; None: any.
        precision: the precision to use; None: any.

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
        have = one_of(v.precision for v in manifest.variants if names[0] in v.engines)
        raise EngineUnavailable(
            f"{manifest.name}-{manifest.target} has no {precision} variant for {names[0]}",
            f"ask for {have}",
        )
    if engine is not None:
        raise engines.not_installed(engine, [name for v in variants for name in v.engines])
    raise none_installed(manifest, able, precision)


def open_best(
    bundle: Bundle,
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    sessions: int | None = None,
    count_every: int | None = None,
) -> Model:
    """Open the best variant that fits the request: the tuned one, else that of `choose`.

    Args:
        bundle: verified.
        engine: as in `strop.load`.
        device: as in `strop.load`.
        precision: as in `strop.load`.
        threads: as in `strop.load`.
        sessions: as in `strop.load`.
        count_every: as in `strop.load`.

    Raises:
        StropError: as in `strop.load`; BundleError only for the variant's own file, as in
            `open_model`, or for the lack of a profile.
    """
    engines.require_device(device)
    counted = None
    if count_every is not None:
        from strop.model.counting import prepare

        counted = prepare(bundle, count_every)
    if device == engines.AUTO:
        device = None
    # A request that fixes everything leaves nothing to tune.
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
                model = _open_tuned(bundle, row, count, sessions, counted)
                if model:
                    return model
                break
    count = 1 if threads is None else threads
    if device == engines.GPU:
        return _open_on_gpu(bundle, engine, precision, count, counted)
    choice = choose(bundle.manifest, engine=engine, precision=precision)
    return open_model(bundle, choice, threads=count, sessions=sessions, counted=counted)


def open_model(
    bundle: Bundle,
    choice: Choice,
    *,
    threads: int = 1,
    sessions: int | None = None,
    tuned: bool = False,
    counted: Counted | None = None,
) -> Model:
    """Open a chosen variant of a verified bundle.

    Args:
        bundle: verified.
        choice: the variant, engine and device.
        threads: as in `strop.load`.
        sessions: as in `strop.load`.
        tuned: whether tuning had a part in the choice; the model reports it.
        counted: what a model that counts needs; None: it does not count.

    Raises:
        InputError: `threads` or `sessions` is not a positive integer.
        BundleError: the variant is not the file in the manifest, or refers to other files.
        EngineUnavailable: the engine cannot be imported, is older than the file needs, or
            refuses the file.
        DeviceUnavailable: the engine cannot use that device, or not for all of this file.
    """
    for name, number in (("threads", threads), ("sessions", sessions)):
        if number is None and name == "sessions":
            continue
        if type(number) is not int or not 0 < number <= MOST:
            raise InputError(f"`{name}` must be an integer from 1 to {MOST}, got {number!r}")
    manifest, variant = bundle.manifest, choice.variant
    engine = engines.get(choice.engine)
    _check_floor(choice.engine, engine.version(), variant)
    for able, who in (
        (engines.entry(choice.engine).devices, f"engine {choice.engine!r}"),
        (variant.devices, variant.file),
    ):
        if choice.device not in able:
            raise DeviceUnavailable(
                f"{who} runs only on {' and '.join(able)}", f"use device={able[0]!r}"
            )
    source = ModelSource(bundle.read(variant), variant, choice.engine, choice.device, threads)
    try:
        session = source.open()
    except (BundleError, DeviceUnavailable):
        raise
    except Exception as error:
        raise EngineUnavailable(
            f"engine {choice.engine!r} {engine.version()} is installed but does not open "
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
    if counted is None:
        return Model(source, about, session)
    from strop.model.counting import CountingModel

    return CountingModel(source, about, session, counted)


def _open_tuned(
    bundle: Bundle, row: Row, threads: int, sessions: int | None, counted: Counted | None
) -> Model | None:
    """Open the tuned choice; warn and return None if its GPU is gone."""
    from strop.model import tuned

    (variant,) = (v for v in bundle.manifest.variants if v.file == row.file)
    choice = Choice(row.engine, variant, row.device)
    try:
        model = open_model(
            bundle, choice, threads=threads, sessions=sessions, tuned=True, counted=counted
        )
    except DeviceUnavailable as error:
        tuned.ignore(bundle, str(error))
        return None
    if model.adapter != row.adapter:
        model.close()
        tuned.ignore(bundle, f"it was timed on {row.adapter}, this is {model.adapter}")
        return None
    return model


def _open_on_gpu(
    bundle: Bundle,
    engine: str | None,
    precision: str | None,
    threads: int,
    counted: Counted | None,
) -> Model:
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
            choice = Choice(name, proven[0], engines.GPU)
            model = open_model(bundle, choice, threads=threads, counted=counted)
        except DeviceUnavailable as error:
            # A copy: the error's frames hold the session, and would keep it until Python's end.
            tried.append(DeviceUnavailable(error.problem, error.mend))
            continue
        if tried:  # this may be another, slower GPU
            warn(f"{name} runs it on {model.device}, since {'; '.join(map(str, tried))}")
        return model
    tried += absent
    if not tried:
        what = " ".join(filter(None, (precision, "variant", engine and f"for {engine}")))
        able = [v for v in manifest.variants if engines.GPU in v.devices]
        kinds = one_of(v.precision for v in able)
        others = one_of(name for v in able for name in v.engines)
        tried = [
            DeviceUnavailable(
                f"{manifest.name}-{manifest.target} has no {what} made for the GPU",
                f"ask for {kinds}, on {others}"
                if able
                else "export it for a target that has one (make export TARGET=gpu)",
            )
        ]
    raise no_gpu(tried)


def _variants(manifest: Manifest, precision: str | None) -> list[Variant]:
    """Select the variants of a precision, or all."""
    if precision not in (None, *PRECISIONS):
        raise InputError(f"there is no precision {precision!r}", f"ask for {one_of(PRECISIONS)}")
    variants = [v for v in manifest.variants if precision in (None, v.precision)]
    if not variants:
        raise InputError(
            f"{manifest.name}-{manifest.target} has no {precision} variant",
            f"ask for {one_of(v.precision for v in manifest.variants)}",
        )
    return variants


def _candidates(manifest: Manifest, engine: str | None) -> tuple[str, ...]:
    """List the engines to try, in order."""
    if engine is None:
        # An engine of a newer strop counts as absent; the fake one runs only on request.
        known = [
            name for name in manifest.engines if name in engines.NAMES and name != engines.FAKE
        ]
        if not known:
            raise EngineUnavailable(
                f"{manifest.name}-{manifest.target} is for {', '.join(manifest.engines)}; this "
                "strop has none of them",
                "install the strop wheel that came with the bundle",
            )
        return tuple(known)
    engines.is_installed(engine)  # refuses an unknown name
    if engine != engines.FAKE and engine not in manifest.engines:
        raise EngineUnavailable(
            f"{manifest.name}-{manifest.target} is not proven on {engine}",
            f"ask for {one_of(manifest.engines)}",
        )
    return (engine,)


def _check_floor(engine: str, installed: str, variant: Variant) -> None:
    """Refuse an engine that is older than the file needs, before it opens the file."""
    floor = variant.requires.get("engines", {}).get(engine, "")
    here = release(installed)
    if here and here < release(floor):
        from strop.versions import install_line

        # The eager strategy: pip would otherwise keep an old engine that satisfies the wheel.
        raise EngineUnavailable(
            f"{variant.file} needs engine {engine!r} {floor} or newer and {installed} is installed",
            f"{install_line(engine)} --upgrade --upgrade-strategy eager",
        )

"""The proof of firmware: its C, compiled for this machine, gives the native engine's bits."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop.bundle.file import Bundle, parse_bundle
from strop.bundle.manifest import Variant
from strop_export.errors import ConversionError, ProofError, TargetError
from strop_export.firmware import fit, sizes
from strop_export.firmware.cpus import CPUS, zig
from strop_export.firmware.folder import Golden, files
from strop_export.firmware.names import model_identifier
from strop_export.firmware.options import Options
from strop_export.formats.plan import Plan
from strop_export.formats.plan_reader import read_plan
from strop_export.paths import NATIVE
from strop_export.proof import environments
from strop_export.proof.companion import Folder, sources_digest
from strop_export.proof.prove import Run
from strop_export.targets import Target

_SOURCES: Final = ("include", "mcu", "src")  # in native/
WORKER: Final = Path(__file__).with_name("firmware_worker.c")
_FLAGS: Final = ("-std=c99", "-O2", "-ffp-contract=off", "-fno-sanitize=undefined")
_COMPILE_LIMIT_S: Final = 600
_RUN_LIMIT_S: Final = 1800


@dataclass(frozen=True)
class Firmware:
    """The C of plans, compiled for this machine.

    Attributes:
        compiler: its command, without flags.
    """

    compiler: tuple[str, ...]

    def run(self, draft: Path, samples: Path, here: Run) -> Run:
        """Run a plan's C over all samples; see `Companion.run`."""
        bundle = parse_bundle(draft.read_bytes())
        (variant,) = bundle.manifest.variants
        data = bundle.read(variant)
        plan = read_plan(data)
        name = bundle.manifest.name
        made = _written(plan, data, name)
        with np.load(samples, allow_pickle=False) as held:
            given = [held[spec.name] for spec in bundle.manifest.inputs]
        with tempfile.TemporaryDirectory(dir=draft.parent) as scratch:
            found = self._answers(made, name, plan, given, Path(scratch))
        _require_same(plan, found, here.outputs, str(here))
        return replace(here, version=f"{here.version} (C)")

    def folder(self, bundle: Path, target: Target, layers: Mapping[str, Sequence[str]]) -> Folder:
        """Write a bundle's first plan as C, and measure it; see `Companion.folder`."""
        read = parse_bundle(bundle.read_bytes())
        variants = read.manifest.variants
        chosen = next((variant for variant in variants if variant.format == "plan"), None)
        if chosen is None:
            raise ProofError("no plan is left, and the firmware is made of one")
        options = target.firmware or Options()
        data, name = read.read(chosen), read.manifest.name
        plan = read_plan(data)
        golden = _golden(read, chosen, plan)
        tflite = next((v for v in variants if _is_source(v, chosen)), None)
        made = _written(
            plan,
            data,
            name,
            None if tflite is None else read.read(tflite),
            _first(golden, options.golden or 0),
            layers[chosen.precision],
        )
        with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
            place = Path(scratch)
            found = self._answers(made, name, plan, golden.inputs, place)
            try:
                _require_same(plan, found, golden.outputs, "the proven outputs")
            except ProofError as error:
                kind = (chosen.format, chosen.precision)
                return Folder(made, {kind: f"plan {chosen.precision} as C: {error.problem}"})
            with ThreadPoolExecutor(max_workers=2) as pool:
                needs = list(pool.map(lambda cpu: sizes.measure(place / "firmware", cpu), CPUS))
        titled = {cpu.title: need for cpu, need in zip(CPUS, needs, strict=True)}
        fit.check(titled, plan, layers[chosen.precision], options)
        return Folder(made, sizes={cpu.name: need for cpu, need in zip(CPUS, needs, strict=True)})

    def _answers(
        self,
        made: Mapping[str, bytes],
        name: str,
        plan: Plan,
        inputs: Sequence[NDArray[Any]],
        place: Path,
    ) -> list[NDArray[Any]]:
        """Compile a folder's C for this machine, and run it.

        Args:
            made: the files of the folder, which is written to `place`.
            name: the model's name.
            plan: the model.
            inputs: (N, ...) for each input.
            place: an empty folder.

        Returns:
            (N, ...) for each output.

        Raises:
            ProofError: it does not compile, or fails.
        """
        for inside, content in made.items():
            file = place / "firmware" / inside
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        source = place / "firmware" / "src"
        folders = sorted({path.parent for path in source.rglob("*.h")})
        program = place / "worker"
        command = [*self.compiler, *_FLAGS, f"-DSTROP_MODEL={model_identifier(name)}"]
        command += [f"-I{folder}" for folder in folders]
        command += [*map(str, sorted(source.rglob("*.c"))), str(WORKER), "-o", str(program)]
        done = environments.run(command, limit_s=_COMPILE_LIMIT_S, cwd=place)
        if done.returncode:
            raise ProofError(f"the generated C does not compile: {_first_error(done.stderr)}")
        given = [place / f"in{i}" for i in range(len(plan.inputs))]
        for number, array, path in zip(plan.inputs, inputs, given, strict=True):
            np.ascontiguousarray(array, plan.tensors[number].dtype).tofile(path)
        answers = [place / f"out{i}" for i in range(len(plan.outputs))]
        done = environments.run(
            [str(path) for path in (program, *given, *answers)], limit_s=_RUN_LIMIT_S
        )
        if done.returncode:
            said = done.stderr.strip() or f"exit {done.returncode}"
            raise ProofError(f"the generated C, compiled for this machine, failed: {said}")
        return [
            np.fromfile(path, plan.tensors[number].dtype).reshape(-1, *plan.tensors[number].dims)
            for number, path in zip(plan.outputs, answers, strict=True)
        ]


def find_firmware() -> Firmware:
    """Find the compiler.

    Raises:
        EngineMissing: it is not installed.
    """
    return Firmware(tuple(zig()))


def digest() -> str:
    """Return a SHA-256 of the C that firmware is made from, and the compiler's version."""
    sources = sources_digest(NATIVE, _SOURCES)
    with contextlib.suppress(PackageNotFoundError):
        sources += version("ziglang")
    return sources


def _written(
    plan: Plan,
    data: bytes,
    name: str,
    tflite: bytes | None = None,
    golden: Golden | None = None,
    layers: Sequence[str] = (),
) -> dict[str, bytes]:
    """Write the folder of a plan.

    Raises:
        ProofError: the plan cannot be written as C.
    """
    try:
        return files(plan, data, name, tflite, golden, layers)
    except ConversionError as error:
        raise ProofError(error.problem, error.mend) from None


def _is_source(variant: Variant, plan: Variant) -> bool:
    """Tell whether a file is the .tflite file that a plan was made from."""
    return (variant.format, variant.precision) == ("tflite", plan.precision)


def _golden(bundle: Bundle, variant: Variant, plan: Plan) -> Golden:
    """Return a bundle's golden samples, with a variant's outputs."""
    dtypes = (plan.tensors[number].dtype for number in plan.inputs)
    given = zip(bundle.manifest.golden.inputs, dtypes, strict=True)
    return Golden(
        [bundle.array(ref).astype(dtype, copy=False) for ref, dtype in given],
        [bundle.array(ref) for ref in variant.golden],
    )


def _first(golden: Golden, count: int) -> Golden | None:
    """Return the first golden samples; None for none.

    Raises:
        TargetError: there are fewer.
    """
    there = len(golden.inputs[0])
    if count > there:
        raise TargetError(
            f"--golden {count}: the bundle has {there} golden samples", "ask for at most those"
        )
    return Golden(*([array[:count] for array in side] for side in golden)) if count else None


def _require_same(
    plan: Plan, found: Sequence[NDArray[Any]], proven: Sequence[NDArray[Any]], whose: str
) -> None:
    """Compare outputs bit by bit.

    Raises:
        ProofError: they differ.
    """
    for number, mine, theirs in zip(plan.outputs, found, proven, strict=True):
        if (mine.dtype, mine.shape) != (theirs.dtype, theirs.shape):
            differ = f"{mine.dtype} {mine.shape}, not {theirs.dtype} {theirs.shape}"
        elif mine.tobytes() != theirs.tobytes():
            unequal = mine.view(f"u{mine.itemsize}") != theirs.view(f"u{theirs.itemsize}")
            differ = f"other bits in {unequal.sum():,} of {mine.size:,} values"
        else:
            continue
        name = plan.tensors[number].name
        raise ProofError(f"the generated C gives for {name}, against {whose}: {differ}")


def _first_error(said: str) -> str:
    """Return a compiler's first error, or its first line."""
    lines = said.strip().splitlines() or ["it says nothing"]
    return next((line for line in lines if "error" in line), lines[0])

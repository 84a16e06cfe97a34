"""Versions of one small model that differ in their answers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

import strop
from strop.bundle import installed
from strop.bundle.digest import sha256_hex
from strop.bundle.file import parse_bundle
from strop.bundle.installed import RecordedResult
from tests import bundles

SAMPLES = np.arange(64, dtype=np.uint8).reshape(4, 4, 4) * 3  # (4, 4, 4)

# The result of one check, for tests of other things.
CHECKED = (RecordedResult("reference", "float32", "weights", "cpu", np.__version__, 1e-7),)


@cache
def content(version: int) -> bytes:
    """The bundle of a version."""
    return bundles.image(seed=version, model_version=version).pack()


def name(version: int) -> str:
    """The name under which that bundle is stored."""
    return sha256_hex(content(version))


def write(folder: Path, *versions: int) -> None:
    """The bundles as files, 1.strop and so on."""
    for version in versions:
        (folder / f"{version}.strop").write_bytes(content(version))


@cache
def answers(version: int) -> bytes:
    """The version's answers to `SAMPLES`, float32 (4, 3), rounded to three digits."""
    draft = bundles.image(seed=version, model_version=version)
    return bundles.answer(draft, SAMPLES).astype(np.float32).round(3).tobytes()


def which(model: strop.Model | strop.Watched, versions: tuple[int, ...]) -> int | None:
    """The version whose answers a model gives; None if they are no version's."""
    given = model.predict(SAMPLES).round(3).tobytes()
    return next((version for version in versions if given == answers(version)), None)


def current(folder: Path, versions: tuple[int, ...]) -> int | None:
    """The version installed in a folder, as an app opens and runs it; 0 if there is none.

    None: it is lost: it does not open, is another version than it says, or answers wrongly.
    """
    try:
        if installed.find(folder) is None:
            return 0
        with strop.load(folder) as model:
            version = which(model, versions)
            return version if version == model.version else None
    except strop.StropError:
        return None


def digest(version: int) -> str:
    """The identity of a version's bundle."""
    return parse_bundle(content(version)).digest

"""What the figures of an evaluation depend on, as facts that can be compared and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from strop.bundle.file import Bundle
from strop.model.model import Model
from strop.versions import __version__
from strop_export.evaluation.sources.base import Data


def identity(
    bundle: Bundle, model: Model, other: tuple[Bundle, Model] | None, data: Data, batch: int
) -> dict[str, Any]:
    """Return all that the figures depend on.

    Where it ran, and on how many workers, is no part of it.

    Args:
        bundle: the bundle.
        model: the variant of it that runs.
        other: the bundle to compare with, and its variant.
        data: what was planned.
        batch: the most samples that the model gets at once.
    """
    return {
        "schema": 1,
        "strop": __version__,
        "bundle": _facts(bundle, model),
        "reference": _facts(*other) if other else None,
        "data": {
            "sha256": data.digest,
            "columns": data.columns._asdict(),
            "pieces": len(data.units),
        },
        "batch": batch,
    }


def _facts(bundle: Bundle, model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "model_version": model.version,
        "target": bundle.manifest.target,
        "sha256": bundle.digest,
        "engine": model.engine,
        "engine_version": model.engine_version,
        "device": model.device,
        "precision": model.precision,
    }


def digest(about: Mapping[str, Any]) -> str:
    """Return the SHA-256 of such facts, in hexadecimal."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode("utf-8")).hexdigest()

"""Export: from a trained Keras model to proven bundles for devices.

>>> import strop_export
>>> result = strop_export.export(model, x_train[:500], (x_test, y_test), target="cpu")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strop_export.runtime import make_importable

if TYPE_CHECKING:
    from strop_export.api import export
    from strop_export.artifact import save_artifact
    from strop_export.errors import (
        CalibrationError,
        ConversionError,
        DeviceMissing,
        DoesNotFit,
        EngineMissing,
        EngineTooOld,
        EvaluationError,
        ExportError,
        NothingToEqualize,
        ProofError,
        SourceError,
        TargetError,
        UnsupportedLayer,
    )
    from strop_export.evaluation.evaluating import evaluate
    from strop_export.evaluation.results import Evaluation
    from strop_export.result import Report, Result, TargetRefused

make_importable()

__all__ = [
    "CalibrationError",
    "ConversionError",
    "DeviceMissing",
    "DoesNotFit",
    "EngineMissing",
    "EngineTooOld",
    "Evaluation",
    "EvaluationError",
    "ExportError",
    "NothingToEqualize",
    "ProofError",
    "Report",
    "Result",
    "SourceError",
    "TargetError",
    "TargetRefused",
    "UnsupportedLayer",
    "evaluate",
    "export",
    "save_artifact",
]

_MODULES = {
    "evaluate": "evaluation.evaluating",
    "Evaluation": "evaluation.results",
    "export": "api",
    "save_artifact": "artifact",
    **dict.fromkeys(("Report", "Result", "TargetRefused"), "result"),
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: the processes of an export need few."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__

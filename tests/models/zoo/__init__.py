"""Small trained models of many kinds, such as users bring to export.

Each family is a module whose public functions build one model each, in a few seconds, from a fixed
seed. The modules import Keras, so they are imported only when a model is built.
"""

from __future__ import annotations

import importlib
import inspect
import os
from types import ModuleType

from tests.models.zoo.specimen import Specimen


def build(family: str, name: str) -> Specimen:
    """Build and train one model.

    Args:
        family: a module of this package.
        name: one of its builders.
    """
    made: Specimen = getattr(_module(family), name)()
    return made


def names(family: str) -> tuple[str, ...]:
    """List the builders of a family, in the order of the module. Imports Keras."""
    module = _module(family)
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [f for name, f in functions if name[0] != "_" and f.__module__ == module.__name__]
    own.sort(key=lambda function: function.__code__.co_firstlineno)
    return tuple(function.__name__ for function in own)


def _module(family: str) -> ModuleType:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return importlib.import_module(f"{__name__}.{family}")

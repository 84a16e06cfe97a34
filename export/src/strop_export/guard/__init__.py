"""The guard: if int8 loses too much, it takes the first step whose file holds.

Each step is judged on calibration samples that are held out; the proof on the evaluation samples
comes after it, and selects nothing.

>>> path = find_path(target, VariantSpec("tflite", "int8"), trials, print)
>>> path.chosen
"""

from strop_export.guard.path import Path, Tried
from strop_export.guard.search import find_path
from strop_export.guard.slots import in_place, is_guarded, with_chosen
from strop_export.guard.trials import Sizes, Trials

__all__ = ["Path", "Sizes", "Trials", "Tried", "find_path", "in_place", "is_guarded", "with_chosen"]

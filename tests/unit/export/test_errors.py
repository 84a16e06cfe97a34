"""The errors of an export: one tree below StropError, with fields that programs read."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import strop
import strop_export
from strop.errors import StropError
from strop_export import errors, source, targets
from strop_export.errors import ExportError, SourceError
from strop_export.formats import VariantSpec
from strop_export.result import Report, Result, TargetRefused
from strop_export.source import arrays

PUBLIC = [getattr(strop_export, name) for name in strop_export.__all__]
CLASSES = [each for each in PUBLIC if inspect.isclass(each) and issubclass(each, StropError)]
IDS = [each.__name__ for each in CLASSES]


def made(error: type[ExportError]) -> ExportError:
    """Make an error with the result that only one of the classes has."""
    if error is TargetRefused:
        return TargetRefused("dry", "oil it", Result({}, {"pi": "dry"}, Report({})))
    return error("dry", "oil it")


def test_all_of_the_tree_in_the_docstring_are_exported() -> None:
    drawn = re.findall(r"^[ │├└─]+(\w+)", str(errors.__doc__), re.MULTILINE)
    assert sorted(drawn) == sorted(IDS)
    own = [
        name
        for name, each in vars(errors).items()
        if inspect.isclass(each) and each is not StropError
    ]
    assert {*own} <= {*IDS, "StropError"}


@pytest.mark.parametrize("error", CLASSES, ids=IDS)
def test_each_is_a_strop_error_that_crosses_to_other_processes_whole(
    error: type[ExportError],
) -> None:
    assert issubclass(error, ExportError)
    assert issubclass(error, strop.StropError)
    other = pickle.loads(pickle.dumps(made(error)))
    assert type(other) is error
    assert (str(other), other.problem, other.mend) == ("dry; oil it", "dry", "oil it")


@pytest.mark.parametrize("error", CLASSES, ids=IDS)
def test_each_keeps_its_class_and_its_fields_in_another_place(error: type[ExportError]) -> None:
    inner = made(error)
    outer = inner.within("/tmp/draft/belt")
    assert type(outer) is error
    assert (outer.problem, outer.mend) == ("/tmp/draft/belt: dry", "oil it")
    assert str(outer.without("/tmp/draft/")) == "belt: dry; oil it"
    own = vars(inner).keys() - {"problem", "mend"}
    assert {name: getattr(outer, name) for name in own} == {n: getattr(inner, n) for n in own}


def test_each_has_a_kind_of_its_own() -> None:
    runtime = [value for _, value in inspect.getmembers(strop.errors, inspect.isclass)]
    kinds = [each.kind for each in (*CLASSES, *runtime) if issubclass(each, StropError)]
    assert len(set(kinds)) == len(kinds)
    assert all(kind.isidentifier() for kind in kinds)


@pytest.mark.parametrize(
    ("refused", "problem", "mend"),
    [
        (lambda: targets.load("boat"), "there is no target 'boat'", "there are cpu, "),
        (
            lambda: VariantSpec("tflite", "int4"),
            "tflite is not written in precision 'int4'",
            "choo",
        ),
        (lambda: source.Files("a b", *[Path("x")] * 2), "'a b' is not a valid model name", "give "),
        (lambda: source.artifact(Path("/no")), "/no is not an artifact directory: ", "make one "),
    ],
)
def test_a_refusal_says_what_was_found_and_what_to_do_apart(
    refused: Callable[[], object], problem: str, mend: str
) -> None:
    with pytest.raises(ExportError) as error:
        refused()
    assert error.value.problem.startswith(problem)
    assert error.value.mend.startswith(mend)


def test_an_error_keeps_its_mend_when_a_caller_names_the_file(tmp_path: Path) -> None:
    samples = tmp_path / "my.npz"
    np.savez(samples, inputs=np.full((3, 2), np.nan, np.float32))
    with pytest.raises(SourceError) as error:
        arrays.samples(samples, arrays.read_arrays(samples), ())
    assert error.value.problem == f"{samples}: inputs: inputs hold NaN or infinity"
    assert error.value.mend == "remove those samples"

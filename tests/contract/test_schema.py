"""docs/bundle.schema.json and strop.bundle.schema.parse agree about manifests."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.bundle.schema import parse
from strop.errors import BundleError
from tests.unit.runtime import manifests

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "bundle.schema.json").read_text(encoding="ascii"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

# The refusals of `parse` that a schema cannot express; docs/bundle-format.md lists them.
BEYOND_SCHEMA = re.compile(
    r"float instead of int"  # JSON Schema takes 1.0 for an integer
    r"|bad labels|bad threshold|bad range|bad statistics|bad picture steps|bad tolerance"
    r"|bad profile"
    r"|not one golden|not one array|not one for each output|have one name|of one name"
    r"|\d (inputs|outputs)$|tensors of different batches"
    r"|listed twice|unlisted engine|proven twice|another shape|not made for"
    r"|(uint8|int8|int32|int64|bool|float32) instead of (uint8|int8|int32|int64|bool|float32)$"
    r"|nested more than"
)

Path_ = tuple[str | int, ...]
Draft = Callable[[], manifests.Content]

ON_GPU = {"device": "gpu", "adapter": "A GPU, Vulkan 1.3"}
GPU_PROOF = {**manifests.small()["variants"][0]["proofs"][0], **ON_GPU}
JUDGED: manifests.Content = {"figures": {}, "bounds": {}}
RESIZED = manifests.step("resize", width=8, height=6)
HUGE = manifests.step("resize", width=2049, height=2048)
NORMALISED = manifests.step("normalise", scale=1, offset=0)
FOUND = manifests.step("find", above=9)
CLASSES = manifests.histogram("class", [], [4, 5])
FREE = ("figures", "bounds")  # maps with any keys, beside `requires` and `export`
DRAFTS = {"small": manifests.small, "several": manifests.several, "full": manifests.full}


def _accepted(content: Any) -> tuple[bool, str]:
    try:
        parse(json.dumps(content).encode("ascii"))
    except BundleError as error:
        return False, str(error)
    return True, ""


def _must_agree(content: Any) -> bool:
    """Tell whether both accept it; fail if they disagree without a known exception."""
    accepted, refusal = _accepted(content)
    valid = VALIDATOR.is_valid(content)
    if accepted:
        assert valid, next(iter(VALIDATOR.iter_errors(content)))
    elif valid:
        assert BEYOND_SCHEMA.search(refusal), f"the schema accepts what parse refuses: {refusal}"
    return accepted and valid


def _places(content: Any, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    if isinstance(content, dict):
        for key, item in content.items():
            yield from _places(item, (*path, key))
    elif isinstance(content, list):
        for i, item in enumerate(content):
            yield from _places(item, (*path, i))


def _distinct(content: Any) -> Iterator[Path_]:
    """The first of the places that differ only by numbers; but every output, step and variant."""
    seen = set()
    for path in _places(content):
        numbered = [i for i in range(len(path)) if i == 1 or path[i - 1] == "steps"]
        template = tuple(s if i in numbered else type(s) is int or s for i, s in enumerate(path))
        if template not in seen:
            seen.add(template)
            yield path


def _edited(content: Any, path: Path_, edit: Any) -> Any:
    content = copy.deepcopy(content)
    if not path:
        return edit(content)
    parent = content
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = edit(parent[path[-1]])
    return content


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.0, 1.0, 0.5, -0.5, 1e299, 1e300, 10**400, 2**26 + 1),
    *("", "a", "a b", "a\n", "\x1b", "\ud800", "\u00e9", "x" * 101, "0" * 64, "float32", "int8"),
    *("cpu", "gpu", ["cpu"], ["gpu"], ["cpu", "cpu"], ["gpu", "cpu"], ["cpu", "npu"]),
    *(255, 256, 2**12, 2**12 + 1, 1e30, 1.1e30, [0] * 11, [0.5] * 3),
    *(
        "border",
        "contrast",
        "light-border",
        "normalise",
        "resize",
        "raw",
        "segmentation",
        "plan",
        "dict",
    ),
    *("2.1", "2.1\n", "2.", "2.1rc1", "\u0662.1", "1" * 10),
    *([], [None], [1], ["a"], ["a", "a"], [None, 1], [0.0, 1.0], [[]], {}, {"a": 1}, {"a": "b"}),
)


FULL, SEVERAL = manifests.full(), manifests.several()
PLACES = [(FULL, path) for path in _distinct(FULL) if path[0:1] != ("variants",)]
PLACES += [(SEVERAL, p) for p in _distinct(SEVERAL) if p[0:1] == ("variants",) and p[1:2] != (0,)]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_valid_manifests_pass_both(draft: Draft) -> None:
    assert _must_agree(draft())


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_each_field_removed_is_refused_by_both(draft: Draft) -> None:
    content = draft()
    for path in _places(content):
        if path and isinstance(path[-1], str) and path[0] != "export":
            broken: Any = copy.deepcopy(content)
            parent = broken
            for step in path[:-1]:
                parent = parent[step]
            del parent[path[-1]]
            free = len(path) > 1 and (path[-2] in FREE or "requires" in path[:-1])
            free = free or path[-1] == "profile"
            assert _must_agree(broken) is free, path


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_an_unknown_field_anywhere_is_refused_by_both(draft: Draft) -> None:
    content = draft()
    for path in _places(content):
        broken = _edited(
            content, path, lambda old: {**old, "extra": 1} if isinstance(old, dict) else old
        )
        if broken != content:
            free = path[:1] == ("export",) or path[-1:] in [(key,) for key in ("requires", *FREE)]
            assert _must_agree(broken) is free, path


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_any_value_anywhere_is_judged_alike(value: Any) -> None:
    judged = [_must_agree(_edited(content, path, lambda _: value)) for content, path in PLACES]
    assert not all(judged)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_several_changes_at_once_are_judged_alike(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from([manifests.several, manifests.full]))()
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(_places(content))[1:]))
        value = data.draw(st.sampled_from(VALUES))
        content = _edited(content, path, lambda _, value=value: value)
    _must_agree(content)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("outputs", 0, "labels"), ["one"], "as many labels"),
        (("outputs", 0, "name"), "binary", "no two inputs"),
        (("outputs", 4, "threshold"), 0.5, "has a threshold if its last axis is 1"),
        (("inputs", 0, "range"), [1, 0], "`range` is in order"),
        (("inputs", 0, "shape"), [None, 2**14, 2**14], "67,108,864"),
        (("inputs", 0, "picture", "steps", 8), RESIZED, "the input's dtype"),
        (("inputs", 0, "picture", "steps", 7, "options", "width"), 5, "the input's size"),
        (("inputs", 0, "picture", "steps", 5), HUGE, "at most 4,194,304 pixels"),
        (
            ("inputs", 0, "picture", "steps", 2, "options", "side"),
            513,
            "at most 512 pixels per side",
        ),
        (("inputs", 0, "picture", "steps", 1, "options", "low"), 99, "`low` is below `high`"),
        (("inputs", 0, "picture", "steps", 1), NORMALISED, "`normalise` is the last"),
        (("inputs", 0, "picture", "steps", 7), FOUND, "no `find` comes after"),
        (("inputs", 1, "statistics"), [manifests.statistics()] * 3, "as many statistics"),
        (("inputs", 1, "statistics", 0, "deciles"), [1, *[0] * 10], "deciles are in order"),
        (("inputs", 1, "profile", 0, "figure"), "value 1", "each of another figure"),
        (("inputs", 1, "profile", 0, "edges"), [0, 0.5, -1], "edges are in order"),
        (("inputs", 1, "profile", 0, "edges"), [0, 1], "one more count than edges"),
        (("inputs", 1, "profile", 1, "counts"), [4, 4], "of the same samples"),
        (("outputs", 0, "profile", 1, "counts"), [8, 1], "a count for each class"),
        (("inputs", 1, "profile", 1), CLASSES, "only an output of kind"),
        (("golden", "inputs", 0, "file"), "golden/keras.0.npy", "no file is listed twice"),
        (("golden", "keras"), manifests.small()["golden"]["keras"], "one golden array"),
        (("variants", 0, "golden", 0, "tolerance"), [1, 1], "as many tolerances"),
        (("variants", 0, "proofs", 0, "outputs"), [JUDGED], "as many `outputs`"),
        (("engines",), ["onnx"], "is in `engines`"),
        (("variants", 0, "proofs", 0), GPU_PROOF, "in the variant's `devices`"),
        (("variants", 0, "inputs", 1, "shape"), [None, 16], "same sample shape"),
        (("variants", 0, "inputs", 1, "shape"), [1, 2], "the same batch"),
        (("variants", 0, "inputs", 1, "dtype"), "int8", "same dtype"),
        (("variants", 0, "inputs", 1, "name"), "photo", "distinct names"),
        (("model_version",), 1.0, "no fraction"),
    ],
)
def test_what_a_schema_cannot_say_is_refused_by_parse_and_written_down(
    path: Path_, value: Any, rule: str
) -> None:
    content = _edited(manifests.full(), path, lambda _: value)
    assert VALIDATOR.is_valid(content)
    assert not _accepted(content)[0]
    assert rule in " ".join((DOCS / "bundle-format.md").read_text(encoding="utf-8").split())


def test_an_integer_as_large_as_one_likes_is_no_figure() -> None:
    """To print it, a program would convert it to a float."""
    path = ("variants", 0, "proofs", 0, "outputs", 0, "figures", "accuracy")
    assert not _must_agree(_edited(manifests.small(), path, lambda _: 10**400))

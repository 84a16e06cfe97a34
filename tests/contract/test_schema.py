"""docs/bundle.schema.json and strop.bundle.schema.parse say the same of a manifest."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.bundle.schema import parse
from strop.errors import BundleError
from tests import bundles

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "bundle.schema.json").read_text(encoding="ascii"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

# The refusals of `parse` that a schema cannot express; docs/bundle-format.md lists them.
BEYOND_SCHEMA = re.compile(
    r"float instead of int"  # JSON Schema takes 1.0 for an integer
    r"|bad labels|bad range|bad image size"
    r"|listed twice|unlisted engine|proven twice|another shape|not made for"
    r"|(uint8|int8|float32) instead of (uint8|int8|float32)$"
    r"|nested more than"
)

Path_ = tuple[str | int, ...]

ON_GPU = {"device": "gpu", "adapter": "A GPU, Vulkan 1.3"}
GPU_PROOF = {**bundles.image().variant["proofs"][0], **ON_GPU}


def _drafts() -> dict[str, bundles.Draft]:
    full = bundles.image(export={"versions": {"keras": "3"}, "nested": [[1, None], True]})
    full.add_variant("tflite", "int8", ["litert", "tflite"])
    gpu = full.add_variant("tflite", "float32", ["litert"])
    gpu["devices"].append("gpu")
    gpu["proofs"].append({**gpu["proofs"][0], **ON_GPU})
    full.variant["proofs"][0].update(accuracy=0.97, tolerance={"max_abs_error": 1})
    full.variant["inputs"][0].update(scale=1, zero_point=0)
    full.variant["requires"]["engines"] = {"reference": "1.26"}
    return {"image": bundles.image(), "vector": bundles.vector(), "full": full}


def _accepted(content: Any) -> tuple[bool, str]:
    try:
        parse(json.dumps(content).encode("ascii"))
    except BundleError as error:
        return False, str(error)
    return True, ""


def _must_agree(content: Any) -> bool:
    """Whether both accept it; fails if one does and the other has no excuse."""
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
    *("2.1", "2.1\n", "2.", "2.1rc1", "\u0662.1", "1" * 10),
    *([], [None], [1], ["a"], ["a", "a"], [None, 1], [0.0, 1.0], [[]], {}, {"a": 1}, {"a": "b"}),
)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ["image", "vector", "full"])
def test_valid_manifests_pass_both(name: str) -> None:
    assert _must_agree(_drafts()[name].content)


@pytest.mark.parametrize("name", ["image", "vector", "full"])
def test_each_field_removed_is_refused_by_both(name: str) -> None:
    content = _drafts()[name].content
    for path in _places(content):
        if path and isinstance(path[-1], str) and path[0] != "export":
            broken: Any = copy.deepcopy(content)
            parent = broken
            for step in path[:-1]:
                parent = parent[step]
            del parent[path[-1]]
            # Maps with any keys.
            free = len(path) > 1 and (path[-2] == "tolerance" or "requires" in path[:-1])
            assert _must_agree(broken) is free, path


def test_an_unknown_field_anywhere_is_refused_by_both() -> None:
    content = _drafts()["full"].content
    for path in _places(content):
        broken = _edited(
            content, path, lambda old: {**old, "extra": 1} if isinstance(old, dict) else old
        )
        if broken != content:
            free = path[:1] == ("export",) or path[-1:] in (("requires",), ("tolerance",))
            assert _must_agree(broken) is free, path


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_any_value_anywhere_is_judged_alike(value: Any) -> None:
    content = _drafts()["full"].content
    judged = [_must_agree(_edited(content, path, lambda _: value)) for path in _places(content)]
    assert not all(judged)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_several_changes_at_once_are_judged_alike(data: st.DataObject) -> None:
    content = _drafts()["full"].content
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(_places(content))[1:]))
        value = data.draw(st.sampled_from(VALUES))
        content = _edited(content, path, lambda _, value=value: value)
    _must_agree(content)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("outputs", 0, "labels"), ["one"], "as many labels"),
        (("inputs", 0, "range"), [1, 0], "`range` is in order"),
        (("inputs", 0, "shape"), [None, 2**14, 2**14], "67,108,864"),
        (("inputs", 0, "image", "width"), 5, "picture's size"),
        (("golden", "inputs", "file"), "golden/keras.npy", "no file is listed twice"),
        (("engines",), ["onnx"], "is in `engines`"),
        (("variants", 0, "proofs", 0), GPU_PROOF, "in the variant's `devices`"),
        (("variants", 0, "inputs", 0, "shape"), [None, 16], "same sample shape"),
        (("variants", 0, "inputs", 0, "dtype"), "int8", "same dtype"),
        (("model_version",), 1.0, "no fraction"),
    ],
)
def test_what_a_schema_cannot_say_is_refused_by_parse_and_written_down(
    path: Path_, value: Any, rule: str
) -> None:
    content = _edited(bundles.image().content, path, lambda _: value)
    assert VALIDATOR.is_valid(content)
    assert not _accepted(content)[0]
    assert rule in " ".join((DOCS / "bundle-format.md").read_text(encoding="utf-8").split())

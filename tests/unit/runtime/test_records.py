"""The strict JSON reader for hostile bytes, compared with the standard library's."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from strop.bundle import records
from strop.bundle.records import MAX_DEPTH, decode
from strop.errors import BundleError
from tests import bundles

SOUND = [
    b"{}",
    b"[]",
    b' \t\r\n{"a": [1, -2.5e3, true, false, null, "\\u00e9\\n"]}\n\n',
    b"0",
    b'"text"',
    b'{"a": {"b": {"c": []}}}',
    '{"é": "\U0001f600"}'.encode(),
    b"12345678901234567890123",
]
BROKEN = [
    (b"", "no value at character 0"),
    (b"  ", "no value at character 2"),
    (b"{", "not JSON"),
    (b'{"a"}', "not JSON"),
    (b'{"a": 1,}', "not JSON"),
    (b"[1 2]", "not JSON"),
    (b"{} {}", "there is text after its end, at character 2"),
    (b"{}\0", "there is text after its end"),
    (b"{}\xc2\xa0", "there is text after its end"),  # a space to Python, and not to JSON
    (b"\xef\xbb\xbf{}", "no value at character 0"),
    (b'{"a": 1, "a": 1}', "a key is twice"),
    (b"NaN", "NaN is not a number"),
    (b"[-Infinity]", "-Infinity is not a number"),
    (b'"\n"', "control character"),
    (b"'a'", "no value at character 0"),
    (b"01", "there is text after its end"),
    (b"[" * 100_000, "not JSON"),
    (b"9" * 5000, "not JSON"),
    ('{"a": 1}'.encode("utf-16"), "not JSON"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested more than 32 levels"),
]


TELLING = b'{}[]":, \t0123456789-.eEtfnu\\a'  # bytes that a reader may misread


@pytest.mark.parametrize("error", [AttributeError, ImportError])
def test_a_scanner_that_wants_more_than_this_strop_knows_is_not_used(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_scanner(context: Any) -> None:
        raise error("array_hook_of_a_later_python")

    monkeypatch.setitem(sys.modules, "_json", SimpleNamespace(make_scanner=make_scanner))
    scan = records._scanner()
    assert scan('{"a": [1, 2.5]}', 0) == ({"a": [1, 2.5]}, 15)


@pytest.fixture(params=["C", "Python"])
def scanner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both scanners of the standard library: the one in C, and the one of a Python without it."""
    if request.param == "Python":
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "_json", None)
            scan = records._scanner()
        monkeypatch.setattr(records, "_scan", scan)


@pytest.mark.usefixtures("scanner")
class TestDecode:
    @pytest.mark.parametrize("data", SOUND)
    def test_what_json_reads_is_read_alike(self, data: bytes) -> None:
        assert decode(data, "it") == json.loads(data)

    @pytest.mark.parametrize(("data", "why"), BROKEN)
    def test_all_else_is_refused_and_said_why(self, data: bytes, why: str) -> None:
        with pytest.raises(BundleError, match=f"^it is .*{why}"):
            decode(data, "it")


@pytest.mark.usefixtures("scanner")
def test_mutants_of_a_manifest_are_read_as_json_reads_them_or_refused_as_it_does() -> None:
    whole = bundles.image().manifest()
    chance = random.Random(0)
    refused = 0
    for _ in range(3_000):
        mutant = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            mutant[chance.randrange(len(mutant))] = chance.choice(TELLING)
        ours = _or_none(partial(decode, bytes(mutant), "it"))
        assert ours == _or_none(partial(_strictly, bytes(mutant)))
        refused += ours is None
    assert 500 < refused < 2_900  # both occur often


def _strictly(data: bytes) -> Any:
    """Read with json, with duplicate keys as an error."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    return json.loads(data.decode("utf-8"), object_pairs_hook=unique)


def _or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (ValueError, BundleError):
        return None

"""The reader in JavaScript takes what the one in Python takes, and refuses all else as it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from strop.bundle import archive
from strop.bundle.file import parse_bundle
from strop.errors import BundleError
from tests import bundles
from tests.fuzz import seeds
from tests.fuzz.mutants import Seed, mutant
from tests.unit.runtime import manifests, test_archive, test_manifest, test_records
from tests.web import plans
from tests.web.conftest import Verdict

Verdicts = Callable[[Iterable[bytes]], list[Verdict]]
MUTANTS = 1_500


def python(data: bytes) -> Verdict:
    try:
        parse_bundle(data)
    except BundleError as error:
        return error.kind, error.problem, error.mend
    return None


def test_manifests_that_break_a_rule_are_refused_in_the_same_words(verdicts: Verdicts) -> None:
    hostile = []
    cases = [(_image, case) for case in test_manifest.RANGES]
    cases += [(manifests.full, case) for case in test_manifest.SEVERAL]
    for make, (path, value, _) in cases:
        content = make()
        test_manifest._at(content, path[:-1])[path[-1]] = value
        hostile.append(_with_manifest(content))
    for where, name in test_manifest._fields():
        for other in (None, True, 1, 1.5, "1", [1], {"a": 1}):
            content = bundles.image().content
            test_manifest._at(content, test_manifest.OBJECTS[where])[name] = other
            hostile.append(_with_manifest(content))
        content = bundles.image().content
        del test_manifest._at(content, test_manifest.OBJECTS[where])[name]
        hostile.append(_with_manifest(content))
    found = verdicts(hostile)

    wanted = [python(data) for data in hostile]
    assert [v and v[0] for v in found] == [v and v[0] for v in wanted]
    differ = [
        (mine, theirs)
        for mine, theirs in zip(found, wanted, strict=True)
        if mine and theirs and mine[1] != theirs[1] and "has schema" not in theirs[1]
    ]
    assert differ == []


def _image() -> manifests.Content:
    return bundles.image().content


def test_json_is_read_alike(verdicts: Verdicts) -> None:
    texts = [*test_records.SOUND, *(data for data, _ in test_records.BROKEN)]
    around = bundles.image().manifest().decode()
    hostile = [archive.pack({archive.MANIFEST: data, **bundles.image().files}) for data in texts]
    for text in (*map(_text, texts), "1e999", "9" * 4000, "9" * 4301, "[" * 33 + "]" * 33, "[1,]"):
        if text is not None:
            manifest = around.replace('"export": {}', f'"export": {{"a": {text}}}')
            hostile.append(
                archive.pack({archive.MANIFEST: manifest.encode(), **bundles.image().files})
            )

    assert _kinds(verdicts(hostile)) == _kinds(map(python, hostile))


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _kinds(found: Iterable[Verdict]) -> list[str | None]:
    return [verdict and verdict[0] for verdict in found]


def test_archives_that_other_tools_write_are_refused(verdicts: Verdicts) -> None:
    zipped, entries = test_archive._zip, test_archive.TestOtherZips.entries
    whole = bundles.vector().pack()
    hostile = [
        b"",
        b"PK",
        bytes(64),
        bundles.reseal(bytes(64)),
        whole[:-1],
        bundles.reseal(b"#!/bin/sh\n" + whole),
        bundles.reseal(whole + whole),
        bundles.reseal(whole[:40] + bytes(64)),
        zipped(*entries, extra=b"\x99\x99\x02\x00hi"),
        zipped(*entries, comment=b"hello"),
        zipped(*entries, mode=0o100755),
        zipped(*entries, date=(2026, 1, 1, 0, 0, 0)),
        zipped(*reversed(entries)),
        zipped((archive.MANIFEST, b"{}"), ("b", b""), ("a", b"")),
        zipped(("a", b"first")),
        zipped(),
        zipped((archive.MANIFEST, b"{}"), ("caf\u00e9", b"")),
        zipped((archive.MANIFEST, b"{}"), *((f"{i:04}", b"") for i in range(archive.MAX_MEMBERS))),
        *(zipped(entries[0], (n, b"")) for n in ("/etc/passwd", "../a", "a//b", "a/", "C:a")),
    ]
    for at in (18, 22, 26):  # sizes and lengths that lie
        for size in (0, 1, 2**16 - 1):
            false = bytearray(whole)
            false[at : at + 2] = size.to_bytes(2, "little")
            hostile.append(bundles.reseal(bytes(false)))
    found = verdicts([whole, *hostile])

    assert found[0] is None
    wanted = [python(data) for data in hostile]
    assert _kinds(found[1:]) == _kinds(wanted) == ["bundle"] * len(hostile)
    for mine, theirs in zip(found[1:], wanted, strict=True):
        assert mine
        assert theirs
        if "unreadable ZIP" not in theirs[1]:  # Python's own words follow
            assert mine == theirs


def test_members_that_the_manifest_does_not_describe_are_refused(verdicts: Verdicts) -> None:
    hostile = []
    for name in bundles.image().files:
        draft = bundles.image()
        content = draft.files.pop(name)
        hostile.append(draft.pack())
        draft.files[name] = content + b"."
        hostile.append(draft.pack())
    draft.files["another"] = b""
    hostile.append(draft.pack())

    assert verdicts(hostile) == [python(data) for data in hostile]


def test_mutants_get_the_same_verdict(verdicts: Verdicts) -> None:
    seed = seeds.whole(bundles.vector())
    unsealed = seed._replace(data=seed.data[:-64])
    made = []
    for number in range(MUTANTS):
        whole = mutant(unsealed if number % 2 else seed, number)
        made.append(bundles.reseal(whole + bytes(64)) if number % 2 else whole)
        content = (manifests.small, manifests.full)[number % 2]()
        manifest = Seed(f"web {number % 2}", manifests.write(content), is_json=True)
        made.append(_replaced(manifests.pack(content), mutant(manifest, number)))
    found = _kinds(verdicts(made))

    wanted = _kinds(map(python, made))
    assert [i for i in range(len(made)) if found[i] != wanted[i]] == []
    assert None in found  # some mutants of manifests are still valid


def _with_manifest(content: manifests.Content) -> bytes:
    """A bundle without members: nobody looks for them before the manifest is read."""
    return archive.pack({archive.MANIFEST: manifests.write(content)})


def _replaced(data: bytes, manifest: bytes) -> bytes:
    members = dict(archive.unpack(data))
    return archive.pack({**members, archive.MANIFEST: memoryview(manifest)})


@pytest.mark.parametrize("change", ["float64", "object", "shape", "cut", "fortran"])
def test_golden_arrays_that_are_not_as_described_are_refused(
    change: str, ask: Callable[[Any], Any], tmp_path: Any
) -> None:
    draft = plans.classifier()
    ref = draft.content["golden"]["inputs"][0]
    pixels = np.zeros((bundles.SAMPLES, 4, 4), np.uint8)
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4, 4), }"
    draft.put(
        ref,
        {
            "float64": bundles.npy(pixels.astype(np.float64)),
            "object": bundles.npy_header(header.replace("|u1", "|O")),
            "shape": bundles.npy(pixels[:, :2]),
            "cut": bundles.npy(pixels)[:-1],
            "fortran": bundles.npy_header(header.replace("False", "True")) + pixels.tobytes(),
        }[change],
    )
    job = {"bundle": str(draft.write(tmp_path / "small.strop")), "calls": [["check"]]}
    ((answer,),) = ask([job])

    assert answer["error"]["kind"] == "bundle"
    assert ref["file"] in answer["error"]["problem"]


def test_a_member_that_was_replaced_is_refused(ask: Callable[[Any], Any], tmp_path: Any) -> None:
    draft = plans.classifier()
    name = draft.variant["file"]
    draft.files[name] = draft.files[name][:-1] + b"!"
    (answer,) = ask([{"bundle": str(draft.write(tmp_path / "small.strop")), "calls": []}])

    assert answer["error"]["problem"].endswith("not the file the manifest lists: hash differs")


def test_mutants_of_a_plan_are_opened_or_refused_as_in_python(
    ask: Callable[[Any], Any], tmp_path: Any
) -> None:
    native = pytest.importorskip("strop_native")
    plan = plans.several().files["variants/small.plan"]
    seed = Seed("web plan", plan, [(at, 4) for at in range(0, 64 + 56 * 4, 4)])
    jobs, wanted = [], []
    for number in range(150):
        draft = plans.several()
        data = mutant(seed, number)
        draft.put(draft.variant, data)
        path = draft.write(tmp_path / f"{number}.strop")
        jobs.append({"bundle": str(path), "calls": [["check"]]})
        try:
            native.Model(data)
            wanted.append("opened")
        except ValueError:
            wanted.append("refused")
    answers = ask(jobs)

    kinds: dict[str, set[str | None]] = {"refused": set(), "opened": set()}
    for word, answer in zip(wanted, answers, strict=True):
        error = _one(answer).get("error", {})
        kinds[word].add(error.get("kind"))
    assert kinds["refused"] == {"engine"}
    assert kinds["opened"] <= {None, "bundle"}  # the manifest may describe other borders


def _one(answer: Any) -> dict[str, Any]:
    (one,) = answer if isinstance(answer, list) else (answer,)
    return dict(one)


def test_json_can_be_written_in_any_order(verdicts: Verdicts) -> None:
    draft = bundles.image()
    compact = json.dumps(dict(reversed(draft.content.items()))).encode()

    assert verdicts([archive.pack({archive.MANIFEST: compact, **draft.files})]) == [None]

"""A plan opened with its manifest alone: what it does, and which parts are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests import bundles
from tests.unit.runtime import test_records
from tests.web import plans
from tests.web.conftest import Ask, Use

PIXELS = np.arange(0, 256, 16, dtype=np.uint8)
PLAN = "variants/small.plan"


def array(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def draft() -> bundles.Draft:
    return plans.classifier(labels=("a", "b", "c"))


@pytest.fixture
def open_parts(ask: Ask) -> Callable[..., Any]:
    """Open a manifest and a plan in the module, and call the model."""

    def call(manifest: bytes, plan: bytes, *calls: Any, **options: Any) -> Any:
        parts = {"manifest": array(manifest), "plan": array(plan)}
        given = {"digest": sha256(manifest), **options}
        (answer,) = ask([{"parts": parts, "options": given, "calls": calls}])
        return answer

    return call


def test_it_is_the_model_of_the_whole_bundle(
    draft: bundles.Draft, use: Use, open_parts: Callable[..., Any]
) -> None:
    facts = ("name", "digest", "planDigest", "precision", "labels", "signedBy", "inputs")
    calls = [*([fact] for fact in facts), ["classify", PIXELS]]
    whole = use(draft, *calls)
    parts = open_parts(draft.manifest(), draft.files[PLAN], *calls)

    answers = [answer.pop("probabilities").tobytes() for answer in (whole[-1], parts[-1])]
    assert answers[0] == answers[1]
    assert parts == whole
    assert parts[1:3] == [sha256(draft.manifest()), sha256(draft.files[PLAN])]


def test_what_needs_the_whole_bundle_says_so(
    draft: bundles.Draft, open_parts: Callable[..., Any]
) -> None:
    other = draft.add_variant("tflite", "int8", ["litert"])["file"]
    plan = draft.files[PLAN]
    check, tflite, own = open_parts(
        draft.manifest(),
        plan,
        ["check"],
        ["readVariant", {"format": "tflite"}],
        ["readVariant", {"format": "plan"}],
    )

    assert check["error"]["kind"] == tflite["error"]["kind"] == "bundle"
    assert check["error"]["mend"] == "load the whole bundle"
    assert tflite["error"]["problem"] == f"small-web was opened by its parts, without {other}"
    assert own.tobytes() == plan


class TestRefused:
    @pytest.mark.parametrize("change", [b" ", b"\n", b"x"])
    def test_a_manifest_with_another_digest(
        self, change: bytes, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        trusted = sha256(draft.manifest())
        answer = open_parts(draft.manifest() + change, draft.files[PLAN], digest=trusted)

        assert answer["error"]["kind"] == "bundle"
        assert answer["error"]["problem"].endswith(f" instead of {trusted}")

    @pytest.mark.parametrize("data", [data for data, _ in test_records.BROKEN])
    def test_a_manifest_that_is_none(
        self, data: bytes, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        assert open_parts(data, draft.files[PLAN])["error"]["kind"] == "bundle"

    @pytest.mark.parametrize(
        "change",
        [
            lambda plan: b"",
            lambda plan: plan[:-1],
            lambda plan: plan + b"\0",
            lambda plan: plan[:99] + bytes([plan[99] ^ 1]) + plan[100:],
            lambda plan: plans.several().files[PLAN],
        ],
    )
    def test_a_plan_that_the_manifest_does_not_have(
        self,
        change: Callable[[bytes], bytes],
        draft: bundles.Draft,
        open_parts: Callable[..., Any],
    ) -> None:
        answer = open_parts(draft.manifest(), change(draft.files[PLAN]))

        assert answer["error"]["kind"] == "bundle"
        assert "small-web has no plan of " in answer["error"]["problem"]

    def test_a_plan_of_another_size_than_listed(
        self, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        draft.variant["bytes"] += 1

        assert open_parts(draft.manifest(), draft.files[PLAN])["error"]["kind"] == "bundle"

    def test_a_member_that_is_no_plan(
        self, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        file = draft.add_variant("tflite", "int8", ["litert"])["file"]

        assert open_parts(draft.manifest(), draft.files[file])["error"]["kind"] == "bundle"

    def test_a_plan_that_is_proven_on_no_engine_here(
        self, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        draft.content["engines"] = ["other"]
        draft.variant["proofs"][0]["engine"] = "other"

        assert open_parts(draft.manifest(), draft.files[PLAN])["error"]["kind"] == "engine"

    def test_a_plan_that_the_manifest_describes_otherwise(
        self, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        draft.variant["outputs"][0]["name"] = "other"

        assert open_parts(draft.manifest(), draft.files[PLAN])["error"]["kind"] == "bundle"

    @pytest.mark.parametrize("digest", [None, "", "0" * 63, "G" * 64, ["0" * 64], 0])
    def test_a_digest_that_is_none(
        self, digest: Any, draft: bundles.Draft, open_parts: Callable[..., Any]
    ) -> None:
        answer = open_parts(draft.manifest(), draft.files[PLAN], digest=digest)

        assert answer["error"]["kind"] == "input"

    @pytest.mark.parametrize("parts", [{}, {"manifest": 1, "plan": 2}])
    def test_parts_that_are_no_bytes(self, parts: Any, ask: Ask) -> None:
        options = {"digest": "0" * 64}
        (answer,) = ask([{"parts": parts, "options": options, "calls": []}])

        assert answer["error"]["kind"] == "input"

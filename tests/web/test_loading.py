"""Loading in a page: the choice of a plan, and trusted signatures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import strop
from strop.bundle import signing
from tests import bundles
from tests.web import plans
from tests.web.conftest import Use

pytest.importorskip("strop_native")


LOST = """
const { load } = await import(process.argv[1]);
const detached = new Uint8Array(8);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const cut = new Response(new ReadableStream({
  start(body) { body.enqueue(new Uint8Array(8)); body.error(new TypeError("cut")); },
}));
const kinds = [];
for (const source of [detached, detached.buffer, cut])
  kinds.push(await load(source).catch(({ kind }) => kind));
console.log(JSON.stringify(kinds));
"""
NO_WEBASSEMBLY = """
void Response; // Node 20 begins to compile a part of fetch, which needs the rest of WebAssembly
delete WebAssembly.compile;
const { load } = await import(process.argv[1]);
const { readFile } = await import("node:fs/promises");
const { kind, mend } = await load(await readFile(process.argv[2])).catch(error => error);
console.log(JSON.stringify([kind, mend]));
"""


@pytest.fixture
def run_script(node: str, module: Path) -> Callable[..., Any]:
    """Run a script in Node, and return the JSON that it prints."""

    def call(script: str, *arguments: Path) -> Any:
        options = ["--input-type=module", "--eval", script]
        command = [node, *options, (module / "strop.mjs").as_uri(), *map(str, arguments)]
        return json.loads(subprocess.check_output(command, text=True, timeout=60))

    return call


def test_bytes_that_are_lost_on_the_way_are_an_error_of_ours(
    run_script: Callable[..., Any],
) -> None:
    assert run_script(LOST) == ["input", "input", "bundle"]


def test_a_browser_without_webassembly_is_told(
    run_script: Callable[..., Any], tmp_path: Path
) -> None:
    bundle = plans.classifier().write(tmp_path / "small.strop")
    kind, mend = run_script(NO_WEBASSEMBLY, bundle)
    assert (kind, mend) == ("engine", "use a browser with SIMD: of 2023 or newer")


class TestChoice:
    def test_the_first_plan_runs_and_a_precision_may_be_asked_for(self, use: Use) -> None:
        draft = plans.classifier()
        draft.add_variant("tflite", "int8", ["litert"])
        draft.content["variants"].reverse()
        (first,) = use(draft, ["precision"])
        (same,) = use(draft, ["precision"], precision="float32")
        (none,) = use(draft, precision="int8")
        (unknown,) = use(draft, precision="int4")

        assert (first, same) == ("float32", "float32")
        assert none["error"]["problem"] == "small-web has no int8 variant for native"
        assert (none["error"]["kind"], unknown["error"]["kind"]) == ("input", "input")

    def test_a_bundle_without_plans_is_refused(self, use: Use) -> None:
        (answer,) = use(bundles.image())

        assert answer["error"]["kind"] == "engine"
        assert answer["error"]["problem"] == "shapes-cpu has no plan that is proven on native"

    @pytest.mark.parametrize(("floor", "opens"), [("0.1", True), ("0", True), ("0.2", False)])
    def test_a_plan_for_a_newer_engine_is_refused(self, floor: str, opens: bool, use: Use) -> None:
        draft = plans.classifier()
        draft.variant["requires"] = {"engines": {"native": floor}}
        (answer,) = use(draft, ["precision"])

        assert opens == (answer == "float32")
        assert opens or answer["error"]["kind"] == "engine"

    def test_a_plan_that_is_not_the_one_described_is_refused(self, use: Use) -> None:
        draft = plans.classifier()
        draft.variant["outputs"][0]["name"] = "other"
        (answer,) = use(draft)

        assert answer["error"]["kind"] == "bundle"

    @pytest.mark.parametrize("rounding", ["reference", "float"])
    def test_the_manifest_names_the_plan_s_rounding(self, rounding: str, use: Use) -> None:
        draft = plans.several()  # its plan rounds as float
        draft.variant["rounding"] = rounding
        (answer,) = use(draft, ["rounding"])

        assert answer == rounding if rounding == "float" else answer["error"]["kind"] == "bundle"


class TestTrust:
    KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))

    @pytest.mark.parametrize("signer", [KEY, OTHER, None, "another message", "spaces"])
    def test_a_trusted_key_must_have_signed(self, signer: Any, use: Use, tmp_path: Path) -> None:
        trusted = signing.public_half(self.KEY).text
        draft = plans.classifier()
        manifest = draft.manifest()
        if signer:
            key = self.KEY if isinstance(signer, str) else signer
            signed = signing.sign(manifest + b" " * (signer == "another message"), key)
            draft.files["signature.json"] = signed + b"\n" * (signer == "spaces")
        (answer,) = use(draft, ["signedBy"], trustedKeys=[f"{trusted} release"])
        (ignored,) = use(draft, ["signedBy"])

        assert ignored is None
        try:
            strop.load(draft.write(tmp_path / "python.strop"), trusted_keys=[trusted]).close()
            assert answer == trusted
        except strop.BundleError as error:
            assert answer["error"]["kind"] == "bundle"
            problem = error.problem.partition(": ")[2].replace(" (release)", "")
            assert answer["error"]["problem"] == problem

    @pytest.mark.parametrize(
        "keys", [[], ["secret"], [f"ed25519:{'00' * 32}"], [f"ed25519:{'ff' * 32}"], [1]]
    )
    def test_keys_that_protect_nothing_are_refused(self, keys: list[Any], use: Use) -> None:
        (answer,) = use(plans.classifier(), trustedKeys=keys)

        assert answer["error"]["kind"] in ("bundle", "input")
        assert "secret" not in answer["error"]["message"]

"""manifest.json: read strictly, refused by name, written in one form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.bundle import records, schema
from strop.bundle.schema import parse
from strop.errors import BundleError
from tests import bundles
from tests.unit.runtime import manifests

DRAFTS: dict[str, Callable[[], bundles.Draft]] = {"image": bundles.image, "vector": bundles.vector}

# The place of each object of the schema, and the parser's name for it.
OBJECTS: dict[str, tuple[str | int, ...]] = {
    "manifest": (),
    "manifest.inputs[0]": ("inputs", 0),
    "manifest.inputs[0].picture": ("inputs", 0, "picture"),
    "manifest.inputs[0].picture.steps[0]": ("inputs", 0, "picture", "steps", 0),
    "manifest.outputs[0]": ("outputs", 0),
    "manifest.golden": ("golden",),
    "manifest.golden.inputs[0]": ("golden", "inputs", 0),
    "manifest.golden.keras[0]": ("golden", "keras", 0),
    "manifest.variants[0]": ("variants", 0),
    "manifest.variants[0].golden[0]": ("variants", 0, "golden", 0),
    "manifest.variants[0].inputs[0]": ("variants", 0, "inputs", 0),
    "manifest.variants[0].outputs[0]": ("variants", 0, "outputs", 0),
    "manifest.variants[0].proofs[0]": ("variants", 0, "proofs", 0),
    "manifest.variants[0].proofs[0].outputs[0]": ("variants", 0, "proofs", 0, "outputs", 0),
}


def _at(content: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        content = content[step]
    return content


def _fields() -> list[tuple[str, str]]:
    content = bundles.image().content
    return [(where, name) for where, path in OBJECTS.items() for name in _at(content, path)]


def _refusal(draft: bundles.Draft) -> str:
    with pytest.raises(BundleError) as caught:
        parse(draft.manifest())
    return str(caught.value)


class TestRoundTrip:
    @pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
    def test_what_is_written_is_what_was_read(self, draft: Callable[[], bundles.Draft]) -> None:
        data = draft().manifest()
        assert parse(data).to_json() == data

    def test_the_spacing_and_order_of_what_is_read_do_not_matter(self) -> None:
        draft = bundles.image()
        compact = json.dumps(dict(reversed(draft.content.items()))).encode()
        assert parse(compact) == parse(draft.manifest())

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        )
    )
    def test_the_record_of_the_export_may_be_any_json(self, record: Any) -> None:
        data = bundles.vector(export={"record": record}).manifest()
        assert parse(parse(data).to_json()).export == {"record": record}

    def test_whole_numbers_are_taken_for_fractions(self) -> None:
        draft = bundles.image()
        draft.variant["golden"][0]["tolerance"] = [0]
        (tolerance,) = parse(draft.manifest()).variants[0].golden[0].tolerance
        assert (type(tolerance), tolerance) == (float, 0.0)


class TestFields:
    """Each field of each object."""

    @pytest.mark.parametrize(("where", "name"), _fields())
    def test_a_missing_one_is_named(self, where: str, name: str) -> None:
        draft = bundles.image()
        del _at(draft.content, OBJECTS[where])[name]
        message = _refusal(draft)
        if (where, name) == ("manifest", "schema"):
            assert "has schema None; this strop reads 2" in message
        else:
            assert message == f"{where}: field {name!r} is missing"

    @pytest.mark.parametrize("where", OBJECTS)
    def test_an_unknown_one_is_named(self, where: str) -> None:
        draft = bundles.image()
        _at(draft.content, OBJECTS[where])["suprise"] = 1
        assert _refusal(draft) == f"{where}: unknown field 'suprise'"

    @pytest.mark.parametrize(("where", "name"), _fields())
    def test_a_value_of_another_type_is_named(self, where: str, name: str) -> None:
        here = _at(bundles.image().content, OBJECTS[where])[name]
        for other in (None, True, 1, 1.5, "1", [1], {"a": 1}):
            legal = type(other) is type(here) or (type(here), type(other)) == (float, int)
            if legal or (where, name) == ("manifest", "schema") or _may_be(name, other):
                continue
            draft = bundles.image()
            _at(draft.content, OBJECTS[where])[name] = other
            assert _refusal(draft).startswith(f"{where}.{name}"), other

    @pytest.mark.parametrize("where", [place for place in OBJECTS if place != "manifest"])
    def test_another_value_for_an_object_is_named(self, where: str) -> None:
        *path, last = OBJECTS[where]
        draft = bundles.image()
        _at(draft.content, tuple(path))[last] = []
        assert _refusal(draft).startswith(f"{where}: list instead of")


def _may_be(name: str, value: object) -> bool:
    """Fields that may be null, and floats among those that are null in the factory's bundles."""
    if value is None:
        return name in ("range", "picture", "threshold", "rounding", "scale", "zero_point")
    return (
        (name in ("scale", "threshold") and type(value) in (int, float))
        or (name == "zero_point" and type(value) is int)
        or (name == "rounding" and type(value) is str)
    )


SHA = "0" * 63
FIGURES = ("variants", 0, "proofs", 0, "outputs", 0, "figures")
BOUNDS = ("variants", 0, "proofs", 0, "outputs", 0, "bounds")

RANGES: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("name",), "", "'' is not a valid name"),
    (("name",), "-rf", "'-rf' is not a valid name"),
    (("name",), "a/b", "'a/b' is not a valid name"),
    (("name",), "x" * 101, "is not a valid name"),
    (("name",), "caf\u00e9", "is not a valid name"),
    (("target",), "../up", "'../up' is not a valid name"),
    (("model_version",), -1, "model_version is negative"),
    (("inputs",), [], "0 inputs"),
    (("outputs",), [], "0 outputs"),
    (("variants",), [], "there are no variants"),
    (("engines",), [], "unlisted engine"),
    (("engines",), ["reference", "reference"], "an engine is listed twice"),
    (("golden", "samples"), 0, "there are no golden samples"),
    (("inputs", 0, "dtype"), "float64", "image: unknown dtype 'float64'"),
    (("inputs", 0, "shape"), [], "image: bad shape"),
    (("structure",), "tuple", "unknown structure 'tuple'"),
    (("inputs", 0, "shape"), [1, 4, 4], "image: bad shape"),
    (("inputs", 0, "shape"), [None, None, 4], "image: bad shape"),
    (("inputs", 0, "shape"), [None, 0, 4], "image: bad shape"),
    (("inputs", 0, "shape"), [None, -4, 4], "image: bad shape"),
    (("inputs", 0, "shape"), [None, 2**14, 2**14], "image: bad shape"),
    (("inputs", 0, "shape"), [None, 10**30], "image: bad shape"),
    (("inputs", 0, "shape"), [None, 4, 5], "image: bad picture steps"),
    (("inputs", 0, "range"), [1.0, 0.0], "image: bad range"),
    (("inputs", 0, "range"), [1.0], "manifest.inputs[0].range: 1 values instead of 2"),
    (
        ("inputs", 0, "range"),
        [0, 10**400],
        "manifest.inputs[0].range[1]: the number is too large",
    ),
    (("inputs", 0, "picture", "mode"), "CMYK", "image: bad picture steps"),
    (("inputs", 0, "picture", "mode"), "RGB", "image: bad picture steps"),
    (("inputs", 0, "picture", "steps"), [], "image: bad picture steps"),
    (("inputs", 0, "picture", "steps", 0, "step"), "blur", "image: bad picture steps"),
    (("inputs", 0, "statistics"), [manifests.statistics()] * 3, "image: bad statistics"),
    (
        ("inputs", 0, "statistics"),
        [{**manifests.statistics(), "std": -1}],
        "image: bad statistics",
    ),
    (
        ("inputs", 0, "statistics"),
        [{**manifests.statistics(), "deciles": [0] * 10}],
        "image: bad statistics",
    ),
    (
        ("inputs", 0, "statistics"),
        [{**manifests.statistics(), "deciles": [1, *[0] * 10]}],
        "image: bad statistics",
    ),
    (("inputs", 0, "statistics"), [{**manifests.statistics(), "samples": 0}], "bad statistics"),
    (("outputs", 0, "dtype"), "uint8", "probabilities: class is float32"),
    (("outputs", 0, "kind"), "guess", "probabilities: unknown kind 'guess'"),
    (("outputs", 0, "kind"), "multilabel", "probabilities: bad threshold"),
    (("outputs", 0, "threshold"), 0.5, "probabilities: bad threshold"),
    (("outputs", 0, "shape"), [None, 3, 1], "probabilities: bad labels"),
    (("outputs", 0, "labels"), ["one"], "probabilities: bad labels"),
    (("outputs", 0, "labels"), ["a", "b", "b"], "probabilities: a label is there twice"),
    (("outputs", 0, "labels"), ["a", "b", "\x1b[2J"], "manifest.outputs[0].labels[2]"),
    (("outputs", 0, "labels"), ["a", "b", "\ud800"], "characters that cannot be printed"),
    (("outputs", 0, "labels"), ["a", "b", "c\n"], "characters that cannot be printed"),
    (("golden", "inputs", 0, "sha256"), SHA, "golden/inputs.npy: bad sha256"),
    (("golden", "inputs", 0, "sha256"), SHA + "G", "golden/inputs.npy: bad sha256"),
    (("golden", "inputs", 0, "sha256"), SHA + "00", "golden/inputs.npy: bad sha256"),
    (("golden", "inputs", 0, "bytes"), -1, "golden/inputs.npy: negative size"),
    (("golden", "inputs", 0, "file"), "golden/keras.npy", "a file is listed twice"),
    (("variants", 0, "format"), "pickle", "unknown format 'pickle'"),
    (("variants", 0, "precision"), "int4", "bad precision"),
    (("variants", 0, "devices"), [], "bad devices"),
    (("variants", 0, "devices"), ["gpu"], "bad devices"),
    (("variants", 0, "devices"), ["cpu", "cpu"], "bad devices"),
    (("variants", 0, "devices"), ["cpu", "npu"], "bad devices"),
    (("variants", 0, "proofs"), [], "proven on no engine"),
    (("variants", 0, "proofs", 0, "engine"), "litert", "unlisted engine"),
    (("variants", 0, "proofs", 0, "samples"), -1, "on reference: negative samples"),
    (("variants", 0, "proofs", 0, "outputs"), [], "on reference: not one for each output"),
    (FIGURES, {"accuracy": True}, "on reference: bad figures"),
    (FIGURES, {"accuracy": {}}, "on reference: bad figures"),
    (FIGURES, {"accuracy": 1e300}, "on reference: bad figures"),
    (FIGURES, {"accuracy": 10**400}, "on reference: bad figures"),
    (FIGURES, {"rmse": [0.5, None]}, "on reference: bad figures"),
    (FIGURES, {"rmse": [[0.5]]}, "on reference: bad figures"),
    (FIGURES, {"judged_by": "\x1b[2J"}, "on reference: bad figures"),
    (FIGURES, {"\x1b[2J": 1}, "on reference: bad figures"),
    (BOUNDS, {"\x1b[2J": 1}, "on reference: bad figures"),
    (("variants", 0, "proofs", 0, "device"), "gpu", "not made for 'gpu'"),
    (("variants", 0, "proofs", 0, "device"), "npu", "not made for 'npu'"),
    (("variants", 0, "proofs", 0, "adapter"), "GPU", "bad adapter for reference"),
    (("variants", 0, "golden"), [], "not one golden for each output"),
    (("variants", 0, "golden", 0, "tolerance"), [-1e-9], "bad tolerance"),
    (("variants", 0, "golden", 0, "tolerance"), [], "bad tolerance"),
    (("variants", 0, "golden", 0, "tolerance"), [1, 1], "bad tolerance"),
    (("variants", 0, "rounding"), "up", "unknown rounding"),
    (("variants", 0, "rounding"), "float", "only a plan has rounding"),
    (("golden", "inputs"), [], "not one golden array for each input"),
    (("golden", "keras"), [], "not one Keras array for each output"),
    (("variants", 0, "inputs"), [], "shapes.float32.npz: 0 inputs"),
    (("variants", 0, "inputs", 0, "dtype"), "int8", "int8 instead of uint8"),
    (("variants", 0, "inputs", 0, "dtype"), "int4", "unknown dtype 'int4'"),
    (("variants", 0, "inputs", 0, "shape"), [2, 4, 4], "bad shape"),
    (("variants", 0, "inputs", 0, "shape"), [1, 16], "another shape"),
    (("variants", 0, "outputs", 0, "dtype"), "int8", "int8 instead of float32"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), RANGES, ids=[f"{p} {str(v)[:30]!a}" for p, v, _ in RANGES]
)
def test_a_value_out_of_range_is_refused_by_name(
    path: tuple[str | int, ...], value: Any, message: str
) -> None:
    draft = bundles.image()
    _at(draft.content, path[:-1])[path[-1]] = value
    assert message in _refusal(draft)


PROFILE = ("inputs", 1, "profile")
MANY = [manifests.histogram(f"value {i}", [2], [4, 5]) for i in range(19)]

SEVERAL: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("structure",), "one", "structure 'one' has several outputs"),
    (("inputs", 1, "name"), "photo", "two inputs have one name"),
    (("outputs", 1, "name"), "class", "two outputs have one name"),
    (("outputs", 0, "shape"), [None, 1], "class: bad labels"),
    (("outputs", 1, "shape"), [None, 2], "binary: binary of shape"),
    (("outputs", 1, "threshold"), None, "binary: bad threshold"),
    (("outputs", 2, "threshold"), None, "multilabel: bad threshold"),
    (("outputs", 3, "logits"), True, "regression: bad logits"),
    (("outputs", 4, "threshold"), 0.5, "segmentation: bad threshold"),
    (("outputs", 4, "shape"), [None, 3], "segmentation: segmentation of shape"),
    (("outputs", 5, "logits"), True, "raw: bad logits"),
    (PROFILE, [], "manifest.inputs[1].profile: it is there, but empty"),
    (PROFILE, MANY, "sensors: bad profile"),
    ((*PROFILE, 0, "figure"), "value 1", "sensors: bad profile"),
    ((*PROFILE, 0, "edges"), [0, 0, 1], "sensors: bad profile"),
    ((*PROFILE, 0, "edges"), [0, 2, 1], "sensors: bad profile"),
    ((*PROFILE, 0, "edges"), [0, 1e301, 2], "manifest.inputs[1].profile[0].edges[1]"),
    ((*PROFILE, 0, "edges"), [0, "1", 2], "manifest.inputs[1].profile[0].edges[1]"),
    ((*PROFILE, 0, "edges"), [], "sensors: bad profile"),
    ((*PROFILE, 0, "counts"), [9], "sensors: bad profile"),
    ((*PROFILE, 0, "counts"), [0, 5, 1, 2], "sensors: bad profile"),
    ((*PROFILE, 0, "counts"), [0, 5, 5, -1], "sensors: bad profile"),
    ((*PROFILE, 0, "counts"), [0, 5, 1, 10**400], "sensors: bad profile"),
    ((*PROFILE, 0, "counts"), [0, 5, 1.0, 3], "manifest.inputs[1].profile[0].counts[2]"),
    ((*PROFILE, 0, "counts"), [0, 5, True, 3], "manifest.inputs[1].profile[0].counts[2]"),
    (PROFILE, [manifests.histogram("mean", [0], [0, 0])], "sensors: bad profile"),
    (PROFILE, [manifests.histogram("class", [], [4, 5])], "sensors: bad profile"),
    (("outputs", 0, "profile", 1, "counts"), [9, 0], "class: bad profile"),
    (("outputs", 0, "profile", 1, "edges"), [1], "class: bad profile"),
    (("outputs", 3, "profile"), [manifests.histogram("class", [], [4, 5])], "bad profile"),
    (("variants", 0, "inputs", 1, "name"), "photo", "two inputs of one name"),
    (("variants", 0, "inputs", 1, "shape"), [1, 2], "tensors of different batches"),
    (("variants", 0, "inputs", 2, "dtype"), "float32", "float32 instead of int64"),
    (("variants", 0, "outputs", 5, "dtype"), "float32", "float32 instead of int32"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), SEVERAL, ids=[f"{p} {str(v)[:30]!a}" for p, v, _ in SEVERAL]
)
def test_several_inputs_and_outputs_are_refused_by_name(
    path: tuple[str | int, ...], value: Any, message: str
) -> None:
    content = manifests.full()
    _at(content, path[:-1])[path[-1]] = value
    with pytest.raises(BundleError, match=re.escape(message)):
        parse(manifests.write(content))


def test_there_are_so_many_inputs_and_no_more() -> None:
    content = manifests.full()
    content["inputs"] = [{**content["inputs"][1], "name": f"x{i}"} for i in range(65)]
    with pytest.raises(BundleError, match="65 inputs"):
        parse(manifests.write(content))


def test_all_inputs_together_have_so_many_histograms_and_no_more() -> None:
    content = manifests.full()
    profile = [manifests.histogram(f"value {i}", [2], [4, 5]) for i in range(9)]
    variant = content["variants"][0]
    for place in (content, variant):
        place["inputs"] = [{**place["inputs"][1], "name": f"x{i}"} for i in range(8)]
    content["golden"]["inputs"] = [
        {**content["golden"]["inputs"][0], "file": f"golden/x{i}.npy"} for i in range(8)
    ]
    for number, spec in enumerate(content["inputs"]):
        spec["profile"] = profile[: 9 if number else 1]
    assert sum(len(spec.profile) for spec in parse(manifests.write(content)).inputs) == 64
    content["inputs"][0]["profile"] = profile[:2]
    with pytest.raises(BundleError, match="bad profile: 65 figures of inputs"):
        parse(manifests.write(content))


def test_a_manifest_without_profiles_is_read_and_written_as_it_is() -> None:
    data = bundles.image().manifest()
    assert b"profile" not in data
    assert parse(data).inputs[0].profile == ()


def test_floats_are_never_cut_down_to_bytes() -> None:
    draft = bundles.vector()
    draft.variant["inputs"][0]["dtype"] = "uint8"
    assert "uint8 instead of float32" in _refusal(draft)


def _gpu_draft() -> bundles.Draft:
    """A variant that the reference engine claims to have run on a GPU too."""
    draft = bundles.image()
    (proof,) = draft.variant["proofs"]
    draft.variant["devices"] = ["cpu", "gpu"]
    draft.variant["proofs"].append({**proof, "device": "gpu", "adapter": "A GPU, Vulkan 1.3"})
    return draft


def test_an_engine_may_have_proven_a_variant_on_each_device() -> None:
    variant = parse(_gpu_draft().manifest()).variants[0]
    assert variant.devices == ("cpu", "gpu")
    assert [proof.adapter for proof in variant.proofs] == ["", "A GPU, Vulkan 1.3"]
    assert variant.engines == ("reference",)


@pytest.mark.parametrize("number", [0, 1])
def test_a_variant_is_proven_once_on_an_engine_and_device(number: int) -> None:
    draft = _gpu_draft()
    draft.variant["proofs"].append(draft.variant["proofs"][number])
    assert "proven twice" in _refusal(draft)


def test_a_proof_on_a_gpu_names_the_adapter() -> None:
    draft = _gpu_draft()
    draft.variant["proofs"][1]["adapter"] = ""
    assert "bad adapter for reference" in _refusal(draft)


def test_a_grey_picture_may_have_a_channel_axis() -> None:
    draft = bundles.image()
    for tensor in (draft.content["inputs"][0], draft.variant["inputs"][0]):
        tensor["shape"] = [None, 4, 4, 1]
    assert parse(draft.manifest()).inputs[0].shape == (None, 4, 4, 1)


class TestJson:
    """The manifest as JSON, before it is parsed."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{",
            b"\x00",
            b"{} {}",
            b"// no\n{}",
            b'{"schema": NaN}',
            b'{"schema": 1, "x": Infinity}',
            b'{"schema": 1, "x": -Infinity}',
            b'{"schema": 1, "schema": 1}',
            b'{"schema": 1, "x": {"a": 1, "a": 2}}',
            b'{"schema": 1, "x": ' + b"9" * 5000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            "{}".encode("utf-16"),
            "{}".encode("utf-32"),
            b"\xef\xbb\xbf{}",
            b'{"schema": "\xff"}',
        ],
        ids=lambda data: repr(data[:30]),
    )
    def test_what_is_not_plain_json_is_refused(self, data: bytes) -> None:
        with pytest.raises(BundleError, match="the manifest is not JSON"):
            parse(data)

    @pytest.mark.parametrize("content", [None, [], 1, "1", {}, {"schema": 1}, {"schema": True}])
    def test_another_schema_is_refused_with_what_to_install(self, content: Any) -> None:
        with pytest.raises(BundleError, match="install the strop wheel that came with the bundle"):
            parse(json.dumps(content).encode())

    def test_a_schema_with_a_fraction_is_refused(self) -> None:
        with pytest.raises(BundleError, match=r"manifest.schema: float instead of int"):
            parse(bundles.image(schema=2.0).manifest())

    def test_a_version_from_the_future_is_refused_whatever_else_it_says(self) -> None:
        with pytest.raises(BundleError, match="has schema 3; this strop reads 2"):
            parse(bundles.image(schema=3, future="unknown").manifest())

    @pytest.mark.parametrize("levels", [records.MAX_DEPTH, 500, 3000])
    def test_deep_nesting_is_refused_where_any_json_may_stand(self, levels: int) -> None:
        text = bundles.vector().manifest().decode()
        nested = "[" * levels + "]" * levels
        data = text.replace('"export": {}', f'"export": {{"x": {nested}}}').encode()
        with pytest.raises(BundleError, match=r"nested more than 32 levels deep|is not JSON"):
            parse(data)

    def test_nesting_up_to_the_limit_is_read_and_written(self) -> None:
        record: Any = 1
        for _ in range(records.MAX_DEPTH - 2):
            record = [record]
        data = bundles.vector(export={"x": record}).manifest()
        assert parse(data).to_json() == data

    def test_a_large_one_is_refused_before_it_is_parsed(self) -> None:
        data = b" " * (schema.MAX_MANIFEST_BYTES + 1)
        with pytest.raises(BundleError, match="the manifest has more than 4194304 bytes"):
            parse(data)
        with pytest.raises(BundleError, match="not JSON"):
            parse(data[:-1])

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "[[1e999]]", '{"a": [1e999]}'])
    def test_a_number_too_large_to_write_again_is_refused_wherever_any_json_may_stand(
        self, number: str
    ) -> None:
        data = bundles.vector().manifest()
        for field in (b"export", b"requires"):
            broken = data.replace(
                b'"%s": {}' % field, b'"%s": {"x": %s}' % (field, number.encode())
            )
            with pytest.raises(BundleError, match=r"\.x: the number is too large$"):
                parse(broken)

    def test_a_key_is_quoted_in_a_refusal_so_that_no_terminal_obeys_it(self) -> None:
        draft = bundles.vector()
        _at(draft.content, BOUNDS[:-1])["bounds"] = {"\x1b[2J": "much"}
        assert "\x1b" not in _refusal(draft)
        assert _refusal(draft).endswith("[2J: str instead of float")

    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, data: bytes) -> None:
        with pytest.raises(BundleError):
            parse(data)

    @given(st.data())
    def test_a_manifest_with_any_value_replaced_is_read_faithfully_or_refused(
        self, data: st.DataObject
    ) -> None:
        draft = bundles.image()
        paths = list(_paths(draft.content))
        *path, last = data.draw(st.sampled_from(paths))
        value: Any = data.draw(
            st.sampled_from([None, True, 0, -1, 2**80, 1.5, "", "a", "\u2028", [], {}, [1], [[]]])
        )
        _at(draft.content, tuple(path))[last] = value
        try:
            content = parse(draft.manifest())
        except BundleError:
            return
        assert json.loads(content.to_json()) == draft.content


def _paths(content: Any, path: tuple[str | int, ...] = ()) -> Any:
    if path:
        yield path
    if isinstance(content, dict):
        for key, item in content.items():
            yield from _paths(item, (*path, key))
    elif isinstance(content, list):
        for i, item in enumerate(content):
            yield from _paths(item, (*path, i))

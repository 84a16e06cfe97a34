"""Files of counts: written in one way, added, and refused by name if anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.bundle.counts import MAX_COUNTS_BYTES, Counts, add, matches, read_counts
from strop.bundle.schema import parse
from strop.errors import InputError, StropError
from tests.unit.runtime import manifests

DIGEST = "ab" * 32


def made(**changes: Any) -> Counts:
    """Counts of `manifests.full`, of its one input and two outputs with a profile."""
    fields = {
        "schema": 1,
        "bundle": DIGEST,
        "name": "everything",
        "model_version": 1,
        "engine": "native",
        "precision": "int8",
        "every": 1000,
        "calls": 5000,
        "samples": 5,
        "since": "2026-11-28T09:30:00Z",
        "until": "2026-11-28T10:30:00Z",
        "inputs": (((1, 2, 2, 0), (0, 5)),),
        "outputs": (((5, 0, 0), (0, 0, 5)),),
    }
    return Counts(**{**fields, **changes})


def edited(**changes: Any) -> bytes:
    content = {**json.loads(made().to_json()), **changes}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"


class TestReading:
    def test_what_is_written_is_what_was_read(self) -> None:
        assert read_counts(made().to_json()) == made()
        assert read_counts(edited()) == made()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"schema": 2}, "has schema 2; this strop reads 1; install a newer"),
            ({"bundle": "ab"}, "their bundle is not named by its SHA-256"),
            ({"name": ""}, "they name no model"),
            ({"name": "../x"}, "they name no model"),
            ({"name": "\x1b[2J"}, "cannot be printed"),
            ({"engine": ""}, "they name no engine or precision"),
            ({"precision": "x" * 101}, "they name no engine or precision"),
            ({"since": "yesterday"}, "they have no time in UTC"),
            ({"until": "2026-11-28T10:30:00Z "}, "they have no time in UTC"),
            ({"until": "٢026-11-28T10:30:00Z"}, "they have no time in UTC"),
            ({"every": 0}, "a number in them is out of range"),
            ({"calls": -1}, "a number in them is out of range"),
            ({"calls": 2**63}, "a number in them is out of range"),
            ({"calls": 0}, "they have more samples than their calls"),
            ({"calls": True}, "bool instead of int"),
            ({"samples": 6}, "does not hold all samples"),
            ({"samples": "5"}, "str instead of int"),
            ({"inputs": []}, "no inputs or outputs, or too many"),
            ({"inputs": [[]]}, "no histograms, or too many"),
            ({"inputs": [[[0, 5]] * 19]}, "no histograms, or too many"),
            ({"inputs": [[[5]]]}, "a histogram in them is malformed"),
            ({"inputs": [[[6, -1]]]}, "a histogram in them is malformed"),
            ({"inputs": [[[0, 5.0]]]}, "float instead of int"),
            ({"inputs": [[{}]]}, "dict instead of tuple"),
            ({"outputs": [[[0, 5]]] * 65}, "no inputs or outputs, or too many"),
            ({"outputs": [[[0] * 1000 + [5]]]}, "a histogram in them is malformed"),
            ({"extra": 1}, "unknown field 'extra'"),
        ],
    )
    def test_what_is_malformed_is_refused_by_name(
        self, changes: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(InputError, match=words):
            read_counts(edited(**changes))

    @pytest.mark.parametrize("name", list(json.loads(made().to_json())))
    def test_no_field_may_be_missing(self, name: str) -> None:
        content = json.loads(made().to_json())
        del content[name]
        with pytest.raises(InputError, match="is missing|schema None"):
            read_counts(json.dumps(content).encode())

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b"{" * 100_000,
            b'{"schema": NaN}',
            made().to_json() * 2,
            made().to_json().strip(),
            made().to_json().replace(b":", b": "),
            made().to_json().replace(b"5000", b"9" * 5000),
            b" " * (MAX_COUNTS_BYTES + 1),
        ],
        ids=lambda data: repr(data[:20]),
    )
    def test_other_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(InputError):
            read_counts(data)

    @given(st.binary(max_size=60), st.integers(0, 1000))
    def test_bytes_changed_anywhere_are_refused_or_read_as_they_are(
        self, noise: bytes, place: int
    ) -> None:
        data = made().to_json()
        data = data[:place] + noise + data[place + len(noise) :]
        try:
            counts = read_counts(data)
        except InputError:
            return
        assert counts.to_json() == data


class TestWriting:
    def test_a_file_is_replaced_as_a_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "counts.json"
        made(calls=6000).save(path)
        made().save(str(path))
        assert path.read_bytes() == made().to_json()
        assert [*tmp_path.iterdir()] == [path]

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StropError, match="cannot write .*none/counts.json"):
            made().save(tmp_path / "none" / "counts.json")

    def test_a_pipe_stays_one(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StropError, match="not a regular file"):
            made().save(tmp_path / "pipe")
        assert (tmp_path / "pipe").is_fifo()

    @pytest.mark.parametrize("path", [5, None, "\0", "\ud800"])
    def test_what_is_no_path_is_refused(self, path: Any) -> None:
        with pytest.raises(InputError, match="`path` must be"):
            made().save(path)

    def test_counts_too_large_to_read_again_are_not_written(self, tmp_path: Path) -> None:
        large = made(inputs=(((10**9,) * 1000,) * 3,))
        with pytest.raises(InputError, match="more than 24576"):
            large.save(tmp_path / "counts.json")
        assert [*tmp_path.iterdir()] == []

    def test_what_one_strop_counts_fits(self) -> None:
        """The most histograms that a profile has, with a million samples in each bin."""
        many = 10**6
        inputs = (((many,) * 10,) * 16,) * 4
        outputs = (((many,) * 10, (many,) * 1000),)
        assert len(made(inputs=inputs, outputs=outputs).to_json()) < MAX_COUNTS_BYTES


class TestAdding:
    def test_sums_and_times(self) -> None:
        other = made(
            every=10,
            calls=50,
            since="2026-11-28T08:00:00Z",
            until="2026-11-28T09:00:00Z",
            engine="litert",
            inputs=(((5, 0, 0, 0), (1, 4)),),
        )
        both = add(made(), other)
        assert both == add(other, made())
        assert (both.calls, both.samples, both.every) == (5050, 10, 1000)
        assert (both.since, both.until) == ("2026-11-28T08:00:00Z", "2026-11-28T10:30:00Z")
        assert (both.engine, both.precision) == ("several", "int8")
        assert both.inputs == (((6, 2, 2, 0), (1, 9)),)
        assert read_counts(both.to_json()) == both

    def test_nothing_overflows(self) -> None:
        large = made(calls=2**62, samples=2**62, inputs=(((2**62, 0), (0, 2**62)),))
        assert add(large, large).inputs == (((2**63, 0), (0, 2**63)),)

    @pytest.mark.parametrize(
        "changes",
        [{"bundle": "cd" * 32}, {"name": "x"}, {"model_version": 2}, {"inputs": (((0, 5),),)}],
    )
    def test_those_of_two_bundles_are_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="counts of two bundles"):
            add(made(), made(**changes))


def test_they_match_the_bundle_that_made_them() -> None:
    manifest = parse(manifests.write(manifests.full()))
    kept = manifest._replace(inputs=manifest.inputs[1:2], outputs=manifest.outputs[:1])
    assert matches(made(), kept, DIGEST)
    assert not matches(made(), kept, "cd" * 32)
    assert not matches(made(model_version=2), kept, DIGEST)
    assert not matches(made(inputs=(((1, 2, 2), (0, 5)),)), kept, DIGEST)
    assert not matches(made(), manifest, DIGEST)

"""The format to the byte: every version reads and writes the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from strop.bundle import archive, manifest, pictures, records, schema, signing
from strop.bundle.file import parse_bundle
from strop.model import decoding, images
from tests.contract.layout import fields
from tests.needs import unavailable
from tests.unit.runtime import manifests

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "bundle-format.md").read_text(encoding="utf-8")

SMALLEST = (
    # local header of manifest.json, its content; the same of "a"
    "504b0304" "1400" "0000" "0000" "0000" "2100" "43bfa6a3" "02000000" "02000000" "0d00" "0000"
    "6d616e69666573742e6a736f6e" "7b7d"
    "504b0304" "1400" "0000" "0000" "0000" "2100" "43beb7e8" "01000000" "01000000" "0100" "0000"
    "61" "61"
    # central directory
    "504b0102" "1403" "1400" "0000" "0000" "0000" "2100" "43bfa6a3" "02000000" "02000000" "0d00"
    "0000" "0000" "0000" "0000" "0000a481" "00000000" "6d616e69666573742e6a736f6e"
    "504b0102" "1403" "1400" "0000" "0000" "0000" "2100" "43beb7e8" "01000000" "01000000" "0100"
    "0000" "0000" "0000" "0000" "0000a481" "2d000000" "61"
    # end record
    "504b0506" "0000" "0000" "0200" "0200" "6a000000" "4d000000" "4000"
)  # fmt: skip

SMALL = "6a4cd18151ad10d4d5f41be62463eabd9a4f4281ef521eb1627ebb9772e27110"
FULL = "dd31577b5ed844608c75742673f8e6ca45dcefb1b122ca23adf8068a4b8496e7"

# Runs on a Python without numpy: the archive and the manifest do not need it.
REWRITE = """
import hashlib, sys, types
strop = types.ModuleType("strop")
strop.__path__ = [sys.argv[1]]
sys.modules["strop"] = strop
from strop.bundle import archive, schema
members = {name: bytes(view) for name, view in archive.unpack(sys.stdin.buffer.read()).items()}
members[archive.MANIFEST] = schema.parse(members[archive.MANIFEST]).to_json()
print(hashlib.sha256(archive.pack(members)).hexdigest())
"""


def test_the_smallest_archive_is_pinned() -> None:
    data = archive.pack({archive.MANIFEST: b"{}", "a": b"a"})
    assert data[:-64].hex() == SMALLEST
    assert data[-64:].decode("ascii") == hashlib.sha256(bytes.fromhex(SMALLEST)).hexdigest()


@pytest.mark.parametrize(
    ("content", "digest"), [(manifests.small(), SMALL), (manifests.full(), FULL)]
)
def test_small_bundles_are_pinned(content: manifests.Content, digest: str) -> None:
    assert hashlib.sha256(manifests.pack(content)).hexdigest() == digest


def test_the_manifest_is_written_as_documented() -> None:
    data = schema.parse(manifests.write(manifests.full())).to_json()
    assert schema.parse(data).to_json() == data
    content = json.loads(data)
    assert content == manifests.full()
    assert data == json.dumps(content, indent=2, sort_keys=True).encode("ascii") + b"\n"


def _as_written(content: manifests.Content) -> manifests.Content:
    """The content with numbers as Strop writes them: 1.0 if a fraction is allowed."""
    written: manifests.Content = json.loads(schema.parse(manifests.write(content)).to_json())
    return written


def _pythons() -> dict[str, str]:
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for minor in range(10, 15):
        names = [shutil.which(f"python3.{minor}") or ""]
        names += map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        for name in filter(None, names):
            works = subprocess.run([name, "-c", ""], capture_output=True, check=False)
            if works.returncode == 0:
                found.setdefault(f"3.{minor}", name)
    return found


def test_every_python_here_writes_the_same_bytes() -> None:
    data = manifests.pack(_as_written(manifests.full()))
    digests = {}
    for version, python in _pythons().items():
        done = subprocess.run(
            [python, "-I", "-c", REWRITE, str(ROOT / "runtime" / "src" / "strop")],
            input=data,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        digests[version] = done.stdout.decode().strip()
    assert set(digests.values()) == {hashlib.sha256(data).hexdigest()}, digests


class TestDocumentedLayout:
    """docs/bundle-format.md has tables of the three headers; a reader written from them works."""

    @pytest.mark.parametrize(
        ("heading", "size", "theirs"),
        [
            ("Local header", 30, archive._LOCAL),
            ("Directory entry", 46, archive._CENTRAL),
            ("End record", 22, archive._END),
        ],
    )
    def test_the_fields_follow_each_other_and_fill_the_header(
        self, heading: str, size: int, theirs: struct.Struct
    ) -> None:
        rows = fields(DOC, heading)
        assert sum(length for _, length, _ in rows) == size == theirs.size
        ends = [offset + length for offset, length, _ in rows]
        assert [offset for offset, _, _ in rows] == [0, *ends[:-1]]
        codes = {2: "H", 4: "I"}
        layout = "<4s" + "".join(codes[length] for _, length, _ in rows[1:])
        expanded = re.sub(r"(\d+)([HI])", lambda m: int(m[1]) * m[2], theirs.format[3:])
        assert layout == "<4s" + expanded

    def test_a_bundle_read_by_the_tables_alone_is_what_unpack_reads(self) -> None:
        data = manifests.pack(manifests.small())
        members = archive.unpack(data)
        offset, found, offsets = 0, {}, []
        while data[offset : offset + 4] == b"PK\3\4":
            values = self._read("Local header", data, offset)
            name_at = offset + 30
            name = data[name_at : name_at + values["length of the name"]].decode("ascii")
            start = name_at + values["length of the name"]
            content = data[start : start + values["size of the content"]]
            assert values["CRC-32 of the content"] == zlib.crc32(content)
            offsets.append(offset)
            found[name], offset = content, start + len(content)
        assert found == members
        directory = offset
        for name, at in zip(members, offsets, strict=True):
            values = self._read("Directory entry", data, offset)
            assert values["offset of the local header"] == at
            assert data[offset + 46 : offset + 46 + len(name)] == name.encode("ascii")
            offset += 46 + len(name)
        values = self._read("End record", data, offset)
        assert values["number of members"] == len(members)
        assert values["size of the directory"] == offset - directory
        assert values["offset of the directory"] == directory
        assert offset + 22 + 64 == len(data)

    def _read(self, heading: str, data: bytes, at: int) -> dict[str, int]:
        """Return the variable fields by description, and compare the constant ones."""
        values: dict[str, int] = {}
        for offset, size, content in fields(DOC, heading):
            raw = data[at + offset : at + offset + size]
            fixed = re.match(r"`([0-9a-f ]+)`", content)
            if fixed:
                assert raw == bytes.fromhex(fixed[1]), (heading, content)
            else:
                name = content.partition(",")[0]
                value = int.from_bytes(raw, "little")
                assert values.setdefault(name, value) == value
        return values

    @pytest.mark.parametrize(
        ("limit", "written"),
        [
            (archive.MAX_ARCHIVE_BYTES, "536,870,912"),
            (archive.MAX_MEMBERS, "1,024"),
            (archive.MAX_NAME_BYTES, "255"),
            (schema.MAX_MANIFEST_BYTES, "4,194,304"),
            (signing.MAX_BYTES, "1,024"),
            (records.MAX_DEPTH, "32"),
            (schema.MAX_ELEMENTS, "67,108,864"),
            (schema.MAX_TENSORS, "64"),
            (pictures.MAX_SIDE, "4,096"),
            (pictures.MAX_AREA, "4,194,304"),
            (pictures.MAX_DRAWING, "512"),
            (decoding.MAX_PIXELS, "16,777,216"),
            (decoding.MAX_WEBP_PIXELS, "12,582,912"),
            (decoding.MAX_JPEG_PIXELS, "67,108,864"),
            (decoding.MAX_SIDE, "24,576"),
            (images.MAX_FILE_BYTES, "268,435,456"),
            (pictures.MAX_STEPS, "32"),
        ],
    )
    def test_the_limits_are_those_of_the_code(self, limit: int, written: str) -> None:
        assert f"{limit:,}" == written
        assert re.search(rf"\b{written}\b", DOC)

    def test_every_field_of_the_manifest_has_a_row(self) -> None:
        names = {name for head in ("field", "option") for cells in _rows(head) for name in cells[0]}
        schema = json.loads((ROOT / "docs" / "bundle.schema.json").read_text(encoding="ascii"))
        fields = {
            name for definition in schema["$defs"].values() for name in _properties(definition)
        }
        assert names == fields

    def test_every_step_has_a_row_with_its_options_and_a_rule(self) -> None:
        rows = [(step, options) for ((step, *_), options, _) in _rows("step")]
        options = {
            step: [name for name in names if name not in ("light-border", "contrast")]
            for step, names in rows
        }
        assert options == {step: list(rules) for step, rules in pictures.STEPS.items()}
        assert re.findall(r"^- \*\*(\w+)\*\*:", DOC, re.MULTILINE) == list(pictures.STEPS)

    def test_every_word_of_the_manifest_is_there(self) -> None:
        assert {cells[0][0] for cells in _rows("kind") if len(cells) == 5} == set(manifest.KINDS)
        words = re.findall(r"`(\w+)`", DOC)
        for known in (manifest.FORMATS, manifest.PRECISIONS, manifest.DTYPES, manifest.DEVICES):
            assert set(known) <= set(words)
        assert {*manifest.STRUCTURES, *manifest.ROUNDINGS} <= set(words)

    def test_every_figure_is_explained(self) -> None:
        kinds = [figures.split(", ") for _, figures in _cells(r"kind \| figures")]
        explained = [name for figures, *_ in _cells("figure ") for name in figures.split(", ")]
        assert set(explained) == {name for figures in kinds for name in figures} | {"judged_by"}


def _cells(head: str) -> list[list[str]]:
    """The rows of all tables whose first heading starts with a text."""
    tables = re.findall(rf"^\| {head}.*\n\|-.*\n((?:\|.*\n)+)", DOC, re.MULTILINE)
    return [row.strip("| ").split(" | ") for table in tables for row in table.splitlines()]


def _rows(head: str) -> list[tuple[list[str], ...]]:
    """The same rows, with only the code words of each cell."""
    return [tuple(re.findall(r"`([\w-]+)`", cell) for cell in row) for row in _cells(rf"{head}\b")]


def _properties(schema: Any) -> Iterator[str]:
    """The names of the properties of a JSON Schema, nested ones included."""
    if isinstance(schema, dict):
        found = schema.get("properties", {})
        yield from found
        for key, inner in schema.items():
            for item in found.values() if key == "properties" else [inner]:
                yield from _properties(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from _properties(item)


def test_a_signature_is_verified_by_the_page_alone() -> None:
    data = manifests.write(manifests.small())
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    content = json.loads(signing.sign(data, key))
    (section,) = re.findall(r"## The signature\n(.*?)\n## ", DOC, re.DOTALL)
    assert re.findall(r"^- `(\w+)`:", section, re.MULTILINE) == sorted(content)
    (line,) = re.findall(r"is the line `(.+)`, its newline", section)
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(content["public_key"]))
    public.verify(bytes.fromhex(content["signature"]), line.encode("ascii") + b"\n" + data)


def test_a_bundle_of_today_is_read() -> None:
    content = manifests.full()
    assert parse_bundle(manifests.pack(content)).digest == (
        hashlib.sha256(manifests.write(content)).hexdigest()
    )


def test_several_pythons_are_compared() -> None:
    if len(_pythons()) < 2:
        unavailable("one version of Python on this machine", "install another of 3.10 to 3.13")

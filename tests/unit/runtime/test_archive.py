"""The archive: one way to write it, and nothing else is read."""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strop.bundle import archive
from strop.bundle.archive import MANIFEST, pack, unpack
from strop.errors import BundleError
from tests import bundles
from tests.needs import unavailable

LOCAL = struct.Struct("<4s5H3I2H")
END = struct.Struct("<4s4H2IH")

MEMBERS = {MANIFEST: b"{}", "a": b"first", "b/c.bin": bytes(range(256))}

names = st.lists(
    st.text("abcXYZ0189._- ", min_size=1, max_size=8).filter(lambda part: part not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)
contents = st.dictionaries(names, st.binary(max_size=64), max_size=6).map(
    lambda members: {**members, MANIFEST: b"{}"}
)


class TestRoundTrip:
    @given(contents)
    def test_what_is_packed_is_what_is_unpacked(self, members: dict[str, bytes]) -> None:
        assert unpack(pack(members)) == members

    @given(contents)
    def test_the_order_members_are_given_in_changes_no_byte(
        self, members: dict[str, bytes]
    ) -> None:
        assert pack(dict(reversed(members.items()))) == pack(members)

    @given(contents)
    def test_the_standard_library_reads_the_same_members(self, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(io.BytesIO(pack(members))) as file:
            assert file.testzip() is None
            assert {name: file.read(name) for name in file.namelist()} == members

    def test_the_manifest_is_first_and_the_others_follow_by_name(self) -> None:
        data = pack({"z": b"", "B": b"", MANIFEST: b"{}", "a": b"", "n/1": b""})
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            assert file.namelist() == [MANIFEST, "B", "a", "n/1", "z"]

    def test_unzip_finds_no_fault(self, tmp_path: Path) -> None:
        unzip = shutil.which("unzip")
        if unzip is None:
            unavailable("no unzip on this machine", "apt install unzip")
        path = tmp_path / "bundle.strop"
        path.write_bytes(pack(MEMBERS))
        done = subprocess.run([unzip, "-t", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_members_cannot_be_changed_after_the_check(self) -> None:
        with pytest.raises(TypeError):
            unpack(pack(MEMBERS))["a"] = b"other"  # type: ignore[index]


class TestDamage:
    """One bundle, every bit of it."""

    @pytest.fixture
    def data(self) -> bytes:
        return bundles.vector().pack()

    @staticmethod
    def _accepted_flips(data: bytes, alter: Callable[[bytes], bytes]) -> list[int]:
        accepted = []
        flipped = bytearray(data)
        for bit in range(8 * len(data)):
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                unpack(alter(bytes(flipped)))
            except BundleError:
                pass
            else:
                accepted.append(bit)
            flipped[bit // 8] ^= 1 << bit % 8
        return accepted

    def test_every_single_flipped_bit_is_refused(self, data: bytes) -> None:
        assert self._accepted_flips(data, lambda flipped: flipped) == []

    def test_every_single_flipped_bit_is_refused_under_a_matching_digest(self) -> None:
        data = pack(MEMBERS)
        body = 8 * (len(data) - 64)
        found = self._accepted_flips(data, bundles.reseal)
        assert [bit for bit in found if bit < body] == []  # resealing mends the digest itself

    def test_every_truncation_is_refused(self, data: bytes) -> None:
        for size in range(len(data)):
            with pytest.raises(BundleError):
                unpack(data[:size])

    @given(st.binary(max_size=400))
    def test_noise_under_a_matching_digest_is_refused(self, noise: bytes) -> None:
        with pytest.raises(BundleError):
            unpack(bundles.reseal(noise + bytes(64)))

    @given(st.binary(min_size=1, max_size=40), st.data())
    def test_bytes_put_in_anywhere_are_refused(self, hidden: bytes, data: st.DataObject) -> None:
        whole = pack(MEMBERS)
        at = data.draw(st.integers(0, len(whole) - 64))
        with pytest.raises(BundleError):
            unpack(bundles.reseal(whole[:at] + hidden + whole[at:]))

    @given(st.data())
    def test_bytes_left_out_anywhere_are_refused(self, data: st.DataObject) -> None:
        whole = pack(MEMBERS)
        first = data.draw(st.integers(0, len(whole) - 65))
        last = data.draw(st.integers(first + 1, len(whole) - 64))
        with pytest.raises(BundleError):
            unpack(bundles.reseal(whole[:first] + whole[last:]))

    def test_the_message_says_what_to_do(self, data: bytes) -> None:
        with pytest.raises(BundleError, match="do not match the SHA-256 at its end; copy it again"):
            unpack(data[:-1])


def _zip(
    *entries: tuple[str, bytes],
    compression: int = zipfile.ZIP_STORED,
    extra: bytes = b"",
    comment: bytes = b"",
    mode: int = 0o100644,
    date: tuple[int, int, int, int, int, int] = (1980, 1, 1, 0, 0, 0),
) -> bytes:
    """An archive written by the standard library, as close to ours as possible, with our digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries:
            info = zipfile.ZipInfo(name, date)
            info.external_attr, info.create_system = mode << 16, 3
            info.extra, info.comment, info.compress_type = extra, comment, compression
            file.writestr(info, content)
        file.comment = bytes(64)
    return bundles.reseal(buffer.getvalue())


class TestOtherZips:
    """Valid ZIPs with valid digests that are not in the canonical form."""

    entries = ((MANIFEST, b"{}"), ("a", b"first" * 20))

    def test_the_standard_library_as_near_to_ours_as_it_goes_is_the_control(self) -> None:
        assert unpack(_zip(*self.entries)) == dict(self.entries)

    def test_one_written_without_care_is_refused(self) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr(MANIFEST, b"{}")
        with pytest.raises(BundleError):
            unpack(buffer.getvalue())

    def test_a_duplicate_is_refused(self) -> None:
        with pytest.warns(UserWarning, match="Duplicate"):
            data = _zip(*self.entries, ("a", b"second"))
        with pytest.raises(BundleError, match="'a' is there twice"):
            unpack(data)

    def test_a_compressed_member_is_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip(*self.entries, compression=zipfile.ZIP_DEFLATED))

    def test_an_extra_field_is_refused(self) -> None:
        with pytest.raises(BundleError):
            unpack(_zip(*self.entries, extra=b"\x99\x99\x02\x00hi"))

    def test_a_comment_on_a_member_is_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip(*self.entries, comment=b"hello"))

    def test_another_mode_is_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip(*self.entries, mode=0o100755))

    def test_another_date_is_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip(*self.entries, date=(2026, 1, 1, 0, 0, 0)))

    def test_another_order_is_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip(*reversed(self.entries)))

    def test_members_out_of_order_after_the_manifest_are_refused(self) -> None:
        with pytest.raises(BundleError, match="tampered"):
            unpack(_zip((MANIFEST, b"{}"), ("b", b""), ("a", b"")))

    def test_no_manifest_is_refused(self) -> None:
        with pytest.raises(BundleError, match=r"manifest\.json"):
            unpack(_zip(("a", b"first")))

    def test_an_empty_archive_is_refused(self) -> None:
        with pytest.raises(BundleError, match=r"manifest\.json"):
            unpack(_zip())

    def test_a_hidden_prefix_is_refused(self) -> None:
        with pytest.raises(BundleError):
            unpack(bundles.reseal(b"#!/bin/sh\n" + pack(MEMBERS)))

    def test_a_second_archive_after_the_first_is_refused(self) -> None:
        with pytest.raises(BundleError):
            unpack(bundles.reseal(pack(MEMBERS) + pack(MEMBERS)))

    def test_a_member_missing_from_the_directory_is_refused(self) -> None:
        """Readers of the directory and readers of the local headers would see two bundles."""
        hidden = b"payload"
        whole = pack({MANIFEST: b"{}"})
        header = LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 33, 0, len(hidden), len(hidden), 1, 0)
        end = len(whole) - 64 - END.size
        directory = whole.index(b"PK\1\2")
        body = whole[:directory] + header + b"x" + hidden + whole[directory:end]
        size = end - directory
        offset = directory + len(header) + 1 + len(hidden)
        body += END.pack(b"PK\5\6", 0, 0, 1, 1, size, offset, 64)
        with zipfile.ZipFile(io.BytesIO(body + bytes(64))) as file:
            assert file.namelist() == [MANIFEST]  # the attack works
        with pytest.raises(BundleError, match="tampered"):
            unpack(bundles.reseal(body + bytes(64)))

    @pytest.mark.parametrize("size", [0, 1, 2**31, 2**32 - 1])
    def test_a_size_that_lies_is_refused(self, size: int) -> None:
        data = bytearray(pack(MEMBERS))
        struct.pack_into("<2I", data, 18, size, size)
        with pytest.raises(BundleError):
            unpack(bundles.reseal(bytes(data)))

    @pytest.mark.parametrize("count", [0, 2, 4, 2**16 - 1])
    def test_a_count_that_lies_is_refused(self, count: int) -> None:
        data = bytearray(pack(MEMBERS))
        struct.pack_into("<2H", data, len(data) - 64 - END.size + 8, count, count)
        with pytest.raises(BundleError, match="tampered"):
            unpack(bundles.reseal(bytes(data)))


class TestNames:
    BAD = (
        *("", "/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "./a", "a//b", "a/", "/"),
        *("a\\b", "C:a", "a:b", "a\nb", "a\x00b", "caf\u00e9", "\x7f", "x" * 256),
    )

    @pytest.mark.parametrize("name", BAD)
    def test_what_could_leave_a_folder_or_mislead_is_not_packed(self, name: str) -> None:
        with pytest.raises(BundleError, match="a member's name is "):
            pack({MANIFEST: b"{}", name: b""})

    @pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../b", "a//b", "a/", "C:a"])
    def test_what_could_leave_a_folder_is_not_unpacked(self, name: str) -> None:
        with pytest.raises(BundleError, match="a member's name is "):
            unpack(_zip((MANIFEST, b"{}"), (name, b"")))

    def test_a_name_outside_ascii_is_not_unpacked(self) -> None:
        with pytest.raises(BundleError, match="unreadable ZIP"):
            unpack(_zip((MANIFEST, b"{}"), ("caf\u00e9", b"")))

    @given(st.text(max_size=12))
    def test_any_name_is_packed_faithfully_or_refused(self, name: str) -> None:
        assume(name != MANIFEST)
        members = {MANIFEST: b"{}", name: b"x"}
        try:
            data = pack(members)
        except BundleError:
            return
        assert unpack(data) == members
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            assert set(file.namelist()) == set(members)

    def test_a_name_may_have_255_bytes(self) -> None:
        assert "x" * 255 in unpack(pack({MANIFEST: b"{}", "x" * 255: b""}))


class TestLimits:
    def test_as_many_members_as_allowed_are_taken_and_no_more(self) -> None:
        members = {MANIFEST: b"{}", **{f"{i:04}": b"" for i in range(archive.MAX_MEMBERS - 1)}}
        assert len(unpack(pack(members))) == archive.MAX_MEMBERS
        members["one more"] = b""
        with pytest.raises(BundleError, match="at most 1024 members, not 1025"):
            pack(members)

    def test_a_flood_of_headers_is_refused_before_it_is_counted(self) -> None:
        names = [MANIFEST, *(f"{i:06}" for i in range(20_000))]
        flood = b"".join(
            LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name.encode("ascii")
            for name in names
        )
        with pytest.raises(BundleError, match="at most 1024 members, not 1025"):
            unpack(bundles.reseal(flood + bytes(64)))

    def test_the_limit_on_size_is_the_same_both_ways(self, monkeypatch: pytest.MonkeyPatch) -> None:
        size = len(pack(MEMBERS))
        monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", size)
        assert unpack(pack(MEMBERS)) == MEMBERS
        monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", size - 1)
        with pytest.raises(BundleError, match=f"at most {size - 1} bytes, not {size}"):
            pack(MEMBERS)
        monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", size)
        data = pack(MEMBERS)
        monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", size - 1)
        with pytest.raises(BundleError, match=f"more than {size - 1} bytes"):
            unpack(data)


def test_the_comment_is_the_digest_of_all_before_it() -> None:
    data = pack(MEMBERS)
    assert data[-64:].decode("ascii") == hashlib.sha256(data[:-64]).hexdigest()
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.comment == data[-64:]

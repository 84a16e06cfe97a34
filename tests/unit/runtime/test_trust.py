"""The trusted keys: their form, the files that list them, and the places of a device's keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop.bundle import open as opening
from strop.bundle import trust
from strop.bundle.trust import PublicKey, parse_key, read_trust
from strop.errors import BundleError, InputError
from tests import bundles

# The public keys of the first two tests of RFC 8032, 7.1.
ONE = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
TWO = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

PRIME = 2**255 - 19
GROUP = 2**252 + 27742317777372353535851937790883648493  # the order of the large subgroup
D = -121665 * pow(121666, -1, PRIME) % PRIME

Point = tuple[int, int]


def _add(a: Point, b: Point) -> Point:
    """The sum of two points of the curve -x2 + y2 = 1 + d x2 y2."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, PRIME)
    return x % PRIME, y % PRIME


def _times(n: int, point: Point) -> Point:
    total = (0, 1)
    while n:
        total = _add(total, point) if n & 1 else total
        point, n = _add(point, point), n >> 1
    return total


def _any_point(y: int) -> Point:
    """A point with this y coordinate, or with the next one that has a point."""
    while True:
        square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
        x = pow(square, (PRIME + 3) // 8, PRIME)
        for root in (x, x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME):
            if root * root % PRIME == square:
                return root, y
        y += 1


def _small_subgroup() -> set[Point]:
    """The points whose order divides 8, found from points of any order."""
    found = {(0, 1)}
    for y in range(2, 40, 4):
        point = _times(GROUP, _any_point(y))
        found |= {_times(n, point) for n in range(8)}
    return found


def _encodings(point: Point) -> list[bytes]:
    """All 32-byte encodings that some reader takes for the point: sign in the top bit, y below."""
    x, y = point
    heights = [y, y + PRIME] if y + PRIME < 2**255 else [y]
    signs = (0, 1) if x == 0 else (x & 1,)
    return [(sign << 255 | height).to_bytes(32, "little") for height in heights for sign in signs]


class TestKeys:
    @given(
        st.integers(2, PRIME - 2).map(lambda height: height.to_bytes(32, "little")),
        st.text(st.characters(categories=["L", "N", "P"]), max_size=9),
    )
    def test_what_is_written_is_read(self, raw: bytes, comment: str) -> None:
        key = PublicKey(raw, comment)
        assert parse_key(key.line.decode("utf-8")) == key

    def test_a_key_is_said_with_its_comment(self) -> None:
        assert str(parse_key(f"{ONE}   build 7 ")) == f"{ONE} (build 7)"
        assert str(parse_key(ONE)) == ONE

    @pytest.mark.parametrize(
        "line",
        [
            "",
            ONE[8:],
            ONE.upper(),
            ONE[:-1],
            f"{ONE}0",
            f"{ONE}comment",
            f" # {ONE}",
            ONE.replace(":", ": "),
            ONE.replace("ed25519", "rsa"),
            f"{ONE} \x1b[2J",
            f"{ONE} a\x00b",
            f"{ONE}\n{TWO}",
            f"ssh-ed25519 {'A' * 68} me",
        ],
    )
    def test_what_is_no_key_is_refused_with_how_to_write_one(self, line: str) -> None:
        with pytest.raises(BundleError, match="not a public key; write ed25519: and 64 hex"):
            parse_key(line)

    def test_what_stands_there_is_not_shown_for_it_may_be_a_private_key(self) -> None:
        with pytest.raises(BundleError) as caught:
            parse_key("secret " * 10**6)
        assert "secret" not in str(caught.value)

    def test_the_small_subgroup_is_refused_in_every_encoding(self) -> None:
        """Anybody can sign for these keys, so listing one would trust everybody."""
        points = _small_subgroup()
        assert len(points) == 8
        encodings = [encoding for point in points for encoding in _encodings(point)]
        assert len(set(encodings)) == 14  # the number that libsodium and others list
        for encoding in encodings:
            with pytest.raises(BundleError, match="anybody could sign for ed25519:"):
                parse_key(PublicKey(encoding).text)

    @pytest.mark.parametrize("excess", range(19))
    def test_a_height_that_the_field_has_under_another_number_is_refused(self, excess: int) -> None:
        for sign in (0, 1):
            raw = (sign << 255 | PRIME + excess).to_bytes(32, "little")
            with pytest.raises(BundleError, match="weak key"):
                parse_key(PublicKey(raw).text)


class TestFiles:
    def test_a_file_holds_a_key_a_line_and_remarks(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        text = f"# ours\r\n \t# indented\n{ONE} first é\r\n\r\n  \n{TWO}\n"
        path.write_text(text, encoding="utf-8")
        for given_as in (path, str(path)):
            found = read_trust(given_as)
            assert [str(key) for key in found.keys] == [f"{ONE} (first é)", TWO]
            assert found.source == f"the trusted keys in {path}"

    def test_keys_may_be_given_themselves(self) -> None:
        found = read_trust([ONE, f"{TWO} second"])
        assert [str(key) for key in found.keys] == [ONE, f"{TWO} (second)"]
        assert found.find(bytes.fromhex(TWO[8:])) == found.keys[1]
        assert found.find(bytes(32)) is None

    def test_the_line_that_is_no_key_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"# ours\n{ONE}\nnonsense\n", encoding="ascii")
        with pytest.raises(BundleError, match="keys, line 3: not a public key"):
            read_trust(path)
        with pytest.raises(BundleError, match="the trusted keys given, line 2: not a public"):
            read_trust([ONE, "x"])

    @pytest.mark.parametrize("content", ["", "\n \n", "# a remark\n"])
    def test_no_key_at_all_is_no_trust_in_everybody(self, content: str, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(content, encoding="ascii")
        with pytest.raises(BundleError, match="there is no key in it, so no bundle can be trusted"):
            read_trust(path)

    def test_an_empty_list_is_no_trust_in_everybody(self, image_path: Path) -> None:
        with pytest.raises(BundleError, match="the trusted keys given: there is no key in it"):
            strop.load(image_path, trusted_keys=[])

    def test_a_missing_file_and_a_folder_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="cannot read the trusted keys in .*gone: No such"):
            read_trust(tmp_path / "gone")
        with pytest.raises(BundleError, match="Is a directory"):
            read_trust(tmp_path)
        with pytest.raises(BundleError, match="keys in '': No such file"):
            read_trust("")

    def test_a_key_where_a_path_belongs_is_told_so(self) -> None:
        with pytest.raises(BundleError, match="name a file of keys with trusted_keys=,"):
            read_trust(ONE)

    @pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
    def test_a_file_that_others_may_write_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "keys"
        path.write_text(ONE, encoding="ascii")
        path.chmod(mode)
        with pytest.raises(BundleError, match=f"other users may .*; chmod go-w {path}$"):
            read_trust(path)
        path.chmod(0o644)
        assert read_trust(path).keys

    @pytest.mark.parametrize("mode", [0o777, 0o775])
    @pytest.mark.parametrize("through", ["keys", "link"])
    def test_a_folder_that_others_may_write_is_refused(
        self, tmp_path: Path, mode: int, through: str
    ) -> None:
        """Whoever may write the folder, of the file or of a link to it, may replace the file."""
        folders = {name: tmp_path / f"folder of {name}" for name in ("keys", "link")}
        for folder in folders.values():
            folder.mkdir(mode=0o755)
        (folders["keys"] / "keys").write_text(ONE, encoding="ascii")
        link = folders["link"] / "link"
        link.symlink_to(folders["keys"] / "keys")
        assert read_trust(link).keys
        folders[through].chmod(mode)
        with pytest.raises(BundleError, match=f"chmod go-w {folders[through]}$"):
            read_trust(link)
        folders[through].chmod(0o1777)  # as /tmp: nobody may replace another's file there
        assert read_trust(link).keys

    @pytest.mark.parametrize("through", ["first", "middle", "last"])
    def test_each_folder_in_a_chain_of_links_is_checked(self, tmp_path: Path, through: str) -> None:
        folders = {name: tmp_path / name for name in ("first", "middle", "last")}
        for folder in folders.values():
            folder.mkdir(mode=0o755)
        (folders["last"] / "keys").write_text(ONE, encoding="ascii")
        (folders["middle"] / "link").symlink_to("../last/keys")
        (folders["first"] / "link").symlink_to(folders["middle"] / "link")
        assert read_trust(folders["first"] / "link").keys
        folders[through].chmod(0o777)
        with pytest.raises(BundleError, match=f"chmod go-w {folders[through]}$"):
            read_trust(folders["first"] / "link")

    def test_a_relative_path_is_checked_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "keys").write_text(ONE, encoding="ascii")
        monkeypatch.chdir(tmp_path)
        assert read_trust("keys").keys
        tmp_path.chmod(0o777)
        with pytest.raises(BundleError, match=f"chmod go-w {tmp_path}$"):
            read_trust("keys")

    def test_links_in_a_circle_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "keys").symlink_to("keys")
        with pytest.raises(BundleError, match="Too many levels of symbolic links"):
            read_trust(tmp_path / "keys")

    @pytest.mark.parametrize("whose", ["file", "folder"])
    def test_another_users_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
    ) -> None:
        path = tmp_path / "keys"
        path.write_text(ONE, encoding="ascii")
        named = path if whose == "file" else tmp_path
        status = named.stat()
        another = os.stat_result((*status[:4], 12345, *status[5:10]))
        call = f"{'f' if whose == 'file' else ''}stat"
        monkeypatch.setattr(os, call, lambda _: another)
        with pytest.raises(BundleError, match=f"user 12345 may .*; chown root {named}$"):
            read_trust(path)

    @pytest.mark.parametrize("keys", [5, b"keys", [5], [ONE, None], {ONE: ""}, object()])
    def test_another_type_is_refused(self, keys: Any, image_path: Path) -> None:
        with pytest.raises(InputError, match="`trusted_keys` must be the path of a file, or a"):
            strop.load(image_path, trusted_keys=keys)

    def test_a_file_that_is_too_large_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_bytes(f"{ONE}\n".encode() * (trust.MAX_BYTES // 73 + 1))
        with pytest.raises(BundleError, match="more than 65536 bytes"):
            read_trust(path)

    def test_what_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_bytes(b"\xff\xfe" + ONE.encode("utf-16-le"))
        with pytest.raises(BundleError, match="not UTF-8 text"):
            read_trust(path)


class TestTheDevice:
    """The places where a device's trust is configured; each is read at every start."""

    @pytest.fixture(autouse=True)
    def system_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv(opening.TRUST_VARIABLE, raising=False)
        path = tmp_path / "etc" / "trusted-keys"
        monkeypatch.setattr(opening, "TRUST_FILE", str(path))
        return path

    def test_with_nothing_configured_an_unsigned_bundle_loads(self, image_path: Path) -> None:
        assert opening.configured_trust() is None
        strop.load(image_path).close()

    def test_the_file_of_the_device_is_honoured(self, system_file: Path, image_path: Path) -> None:
        system_file.parent.mkdir()
        system_file.write_text(ONE, encoding="ascii")
        with pytest.raises(BundleError, match=f"not signed, .* keys in {system_file}"):
            strop.load(image_path)

    def test_one_that_leads_nowhere_refuses(self, system_file: Path, image_path: Path) -> None:
        system_file.parent.mkdir()
        system_file.symlink_to("gone")
        with pytest.raises(BundleError, match=f"cannot read the trusted keys in {system_file}"):
            strop.load(image_path)

    def test_one_that_cannot_be_looked_for_refuses(
        self, system_file: Path, image_path: Path
    ) -> None:
        system_file.parent.write_bytes(b"no folder")
        with pytest.raises(BundleError, match=f"keys in {system_file}: Not a directory"):
            strop.load(image_path)

    def test_the_variable_goes_before_the_file(
        self,
        system_file: Path,
        tmp_path: Path,
        image_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        system_file.parent.mkdir()
        system_file.write_text("nonsense", encoding="ascii")
        mine = tmp_path / "mine"
        mine.write_text(ONE, encoding="ascii")
        monkeypatch.setenv("STROP_TRUSTED_KEYS", str(mine))
        with pytest.raises(BundleError, match=f"not signed, .* keys in {mine}"):
            strop.load(image_path)
        with pytest.raises(BundleError, match="not signed, .* the trusted keys given"):
            strop.load(image_path, trusted_keys=[TWO])

    @pytest.mark.parametrize("value", ["", "/nowhere/keys"])
    def test_a_variable_that_names_no_file_refuses(
        self, value: str, image_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STROP_TRUSTED_KEYS", value)
        with pytest.raises(BundleError, match="cannot read the trusted keys in .*: No such file"):
            strop.load(image_path)


def test_without_trust_an_app_imports_none_of_it(tmp_path: Path) -> None:
    path = bundles.image().write(tmp_path / "a.strop")
    code = f"import sys, strop; strop.load({str(path)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "strop.bundle.file" in loaded
    assert not {
        "strop.bundle.trust",
        "strop.bundle.signing",
        "strop.bundle.keys",
        "cryptography",
    } & set(loaded)

"""Signatures: made and verified, and the refusals with configured trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop.bundle import archive, signing
from strop.bundle.file import parse_bundle
from strop.bundle.keys import make_pair, read_private
from strop.bundle.open import open_bundle
from strop.bundle.trust import PublicKey, Trust
from strop.cli import main
from strop.errors import BundleError, InputError
from tests import bundles

# RFC 8032, 7.1, test 1: a published private key and its public key.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
TRUST = Trust((PublicKey(bytes.fromhex(PUBLIC), "known"),), "the keys of the test")
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))

# The signature of the manifest `{}`; a change of the format changes it.
SIGNED = (
    "5757ab16d548640953b90c0beb5e0acf635feeab52ce9bafd382810434ea176a"
    "bf043c48382ada046df667e1bd488e03c6b43e2ed7040d46b604797892bec80a"
)
PINNED = f"""{{
  "algorithm": "ed25519",
  "public_key": "{PUBLIC}",
  "schema": 1,
  "signature": "{SIGNED}"
}}
"""


def _signed(draft: bundles.Draft, key: Ed25519PrivateKey = KEY) -> bundles.Draft:
    draft.files["signature.json"] = signing.sign(draft.manifest(), key)
    return draft


def _fields(**changes: Any) -> bytes:
    """A valid signature of the small bundle with some fields changed, in the right form."""
    content = json.loads(signing.sign(bundles.image().manifest(), KEY))
    content.update(changes)
    content = {name: value for name, value in content.items() if value is not None}
    return json.dumps(content, indent=2, sort_keys=True).encode("ascii") + b"\n"


def _refusal(
    content: bytes | None, trust: Trust = TRUST, draft: bundles.Draft | None = None
) -> str:
    draft = draft or bundles.image()
    if content is not None:
        draft.files["signature.json"] = content
    with pytest.raises(BundleError) as caught:
        parse_bundle(draft.pack(), trust)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


class TestSignatures:
    def test_the_format_is_pinned_to_the_byte(self) -> None:
        assert signing.sign(b"{}", KEY).decode("ascii") == PINNED

    def test_a_bundle_signed_by_a_trusted_key_opens_and_says_whose_it_is(self) -> None:
        bundle = parse_bundle(_signed(bundles.image()).pack(), TRUST)
        assert str(bundle.signed_by) == f"ed25519:{PUBLIC} (known)"
        assert parse_bundle(bundles.image().pack()).signed_by is None

    def test_any_of_several_keys_will_do(self) -> None:
        both = Trust((signing.public_half(OTHER), *TRUST.keys), "both")
        for key in (KEY, OTHER):
            bundle = parse_bundle(_signed(bundles.image(), key).pack(), both)
            assert bundle.signed_by is not None
            assert bundle.signed_by.raw == signing.public_half(key).raw

    def test_a_signature_changes_neither_identity_nor_members(self) -> None:
        plain, signed = (
            parse_bundle(d.pack()) for d in (bundles.image(), _signed(bundles.image()))
        )
        assert plain.digest == signed.digest
        members = {name: bytes(view) for name, view in signed.members.items()}
        del members["signature.json"]
        assert members == plain.members

    @given(st.binary(max_size=200))
    def test_what_was_signed_is_verified_and_nothing_else(self, manifest: bytes) -> None:
        content = signing.sign(manifest, KEY)
        assert signing.require_signature(manifest, content, TRUST) == TRUST.keys[0]
        with pytest.raises(BundleError, match="did not sign this manifest"):
            signing.require_signature(manifest + b"\0", content, TRUST)

    def test_a_signature_of_the_manifest_alone_is_none(self) -> None:
        """The key may sign other things too: our signed text starts with its purpose."""
        bare = KEY.sign(bundles.image().manifest()).hex()
        assert "tampered with" in _refusal(_fields(signature=bare))


class TestRefusals:
    def test_an_unsigned_bundle(self) -> None:
        assert _refusal(None) == (
            "not signed, and it must be signed with one of the keys of the test; use strop sign"
        )

    def test_one_signed_by_a_key_that_is_not_listed(self) -> None:
        content = signing.sign(bundles.image().manifest(), OTHER)
        found = _refusal(content)
        assert found.startswith(f"signed by {signing.public_half(OTHER)}, which is not among")

    def test_one_that_says_it_is_signed_by_a_listed_key(self) -> None:
        content = json.loads(signing.sign(bundles.image().manifest(), OTHER))
        assert "tampered with" in _refusal(_fields(signature=content["signature"]))

    def test_a_signature_moved_from_another_bundle(self) -> None:
        moved = signing.sign(bundles.vector().manifest(), KEY)
        assert "tampered with" in _refusal(moved)
        assert "tampered with" in _refusal(moved, draft=bundles.image(model_version=2))

    def test_a_manifest_changed_after_signing(self) -> None:
        draft = _signed(bundles.image())
        draft.content["model_version"] = 2
        assert "tampered with: ed25519:d75a98" in _refusal(None, draft=draft)

    def test_a_manifest_that_says_the_same_in_other_bytes(self) -> None:
        draft = _signed(bundles.image())
        members = {**draft.files, archive.MANIFEST: draft.manifest() + b" "}
        parse_bundle(archive.pack(members))
        with pytest.raises(BundleError, match="tampered with"):
            parse_bundle(archive.pack(members), TRUST)

    def test_it_comes_before_the_manifest_is_parsed(self) -> None:
        members = {archive.MANIFEST: b"no JSON"}
        with pytest.raises(BundleError, match="not signed"):
            parse_bundle(archive.pack(members), TRUST)

    def test_a_member_changed_after_signing(self) -> None:
        draft = _signed(bundles.image())
        name = draft.variant["file"]
        draft.files[name] = draft.files[name][:-1] + b"\1"
        with pytest.raises(BundleError, match="is not the file the manifest lists"):
            parse_bundle(draft.pack(), TRUST).check_digests()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "is not JSON"),
            (b"{}", "has schema None"),
            (b"[]", "has schema None"),
            (b"null", "has schema None"),
            (b"\xff", "is not JSON"),
            (b'{"schema": 1, "schema": 1}', "a key is twice"),
            (b'{"schema": NaN}', "NaN is not a number"),
            (b"[" * 500 + b"]" * 500, "nested more than"),
            (b"[" * 1024, "is not JSON"),
            (b" " * 1025, "signature.json has more than 1024 bytes"),
            (b" " * 10**6, "signature.json has more than 1024 bytes"),
            (_fields(schema=2), "has schema 2; this strop reads 1; install the strop wheel"),
            (_fields(schema=True), "has schema True"),
            (_fields(schema=1.0), "int"),
            (_fields(algorithm="none"), "algorithm is 'none', not ed25519"),
            (_fields(algorithm="\x1b[2J"), "cannot be printed"),
            (_fields(algorithm=None), "field 'algorithm' is missing"),
            (_fields(signature=None), "field 'signature' is missing"),
            (_fields(comment="mine"), "unknown field 'comment'"),
            (_fields(signature=""), "signature is not 128 hexadecimal digits"),
            (_fields(signature="0" * 126), "signature is not 128"),
            (_fields(signature="0" * 130), "signature is not 128"),
            (_fields(signature="0" * 127 + "g"), "signature is not 128"),
            (_fields(signature="0" * 127 + "\n"), "cannot be printed"),
            (_fields(signature="\u0660" * 128), "signature is not 128"),
            (_fields(signature=["0" * 128]), "list instead of str"),
            (_fields(public_key=PUBLIC.upper()), "public_key is not 64"),
            (_fields(public_key=PUBLIC[:-2]), "public_key is not 64"),
            (_fields(signature="0" * 128), "tampered with"),
            (_fields().replace(b"  ", b" "), "not written as Strop writes it"),
            (_fields()[:-1], "not written as Strop writes it"),
            (_fields() + b"\n", "not written as Strop writes it"),
            (_fields().replace(b'"ed25519"', b'"ed2551\\u0039"'), "not written as Strop"),
        ],
        ids=lambda value: repr(value[:40]),
    )
    def test_what_is_no_signature(self, content: bytes, reason: str) -> None:
        assert reason in _refusal(content)

    @given(st.data())
    def test_any_change_of_its_bytes(self, data: st.DataObject) -> None:
        right = _fields()
        start = data.draw(st.integers(0, len(right)))
        end = data.draw(st.integers(start, min(len(right), start + 8)))
        changed = right[:start] + data.draw(st.binary(max_size=8)) + right[end:]
        if changed == right:
            return
        with pytest.raises(BundleError):
            signing.require_signature(bundles.image().manifest(), changed, TRUST)

    def test_a_key_of_small_order_cannot_even_be_listed(self, image_path: Path) -> None:
        """For the neutral point, this is a valid signature of any message."""
        neutral = b"\1" + bytes(31)
        draft = bundles.image()
        draft.files["signature.json"] = signing.Signature(
            1, "ed25519", neutral.hex(), (neutral + bytes(32)).hex()
        ).to_json()
        draft.write(image_path)
        with pytest.raises(BundleError, match="anybody could sign for ed25519:01"):
            open_bundle(image_path, [f"ed25519:{neutral.hex()}"])

    def test_without_trust_it_is_not_looked_at(self) -> None:
        draft = bundles.image()
        draft.files["signature.json"] = b"nonsense"
        assert parse_bundle(draft.pack()).signed_by is None


class TestKeyFiles:
    @pytest.fixture(autouse=True)
    def any_umask(self) -> Any:
        before = os.umask(0)
        yield
        os.umask(before)

    def test_a_pair_is_private_and_public(self, tmp_path: Path) -> None:
        path = tmp_path / "release"
        public = make_pair(str(path))
        assert public.comment == "release"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.with_suffix(".pub").stat().st_mode & 0o777 == 0o644
        assert path.with_suffix(".pub").read_bytes() == public.line
        assert signing.public_half(read_private(str(path))).raw == public.raw
        assert sorted(p.name for p in tmp_path.iterdir()) == ["release", "release.pub"]

    def test_two_pairs_differ(self, tmp_path: Path) -> None:
        assert make_pair(str(tmp_path / "a")).raw != make_pair(str(tmp_path / "b")).raw

    @pytest.mark.parametrize("there", ["release", "release.pub"])
    def test_no_file_is_overwritten_and_none_left(self, there: str, tmp_path: Path) -> None:
        (tmp_path / there).write_bytes(b"precious")
        with pytest.raises(InputError, match=f"{there} exists, and strop does not overwrite keys"):
            make_pair(str(tmp_path / "release"))
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(there, b"precious")]

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "release").symlink_to("elsewhere")
        with pytest.raises(InputError, match="exists, and strop does not overwrite keys"):
            make_pair(str(tmp_path / "release"))
        assert not (tmp_path / "elsewhere").exists()

    def test_where_nothing_can_be_written_none_is_left(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot write .*/none/release: No such file"):
            make_pair(str(tmp_path / "none" / "release"))
        name = "r" * 255  # the public file's name is then too long
        with pytest.raises(InputError, match="cannot write .*pub: File name too long"):
            make_pair(str(tmp_path / name))
        assert list(tmp_path.iterdir()) == []

    def test_a_comment_is_one_line(self, tmp_path: Path) -> None:
        assert make_pair(str(tmp_path / "a"), " the build \u00e9 ").comment == "the build \u00e9"
        assert make_pair(str(tmp_path / "b"), "").comment == ""
        with pytest.raises(InputError, match="is not one line of text"):
            make_pair(str(tmp_path / "c"), "a\nb")
        assert not (tmp_path / "c").exists()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666])
    def test_one_that_others_may_read_is_not_used(self, mode: int, tmp_path: Path) -> None:
        path = tmp_path / "release"
        make_pair(str(path))
        path.chmod(mode)
        with pytest.raises(InputError, match=f"other users may read or write .*; chmod 600 {path}"):
            read_private(str(path))

    def test_what_is_no_private_key_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        plain = serialization.NoEncryption()
        others = rsa.generate_private_key(65537, 2048).private_bytes(*pem, plain)
        own = KEY.private_bytes(*pem, plain)
        for content in (
            b"",
            b"noise",
            others,
            own[:60],
            own.replace(b"MC4", b"MC5"),
            TRUST.keys[0].line,
        ):
            path.write_bytes(content)
            path.chmod(0o600)
            with pytest.raises(InputError, match="key is not a private Ed25519 key") as caught:
                read_private(str(path))
            assert own.splitlines()[1].decode() not in str(caught.value)
        path.write_bytes(KEY.private_bytes(*pem, serialization.BestAvailableEncryption(b"x")))
        with pytest.raises(InputError, match="key has a password"):
            read_private(str(path))
        with pytest.raises(InputError, match="cannot read the key .*gone: No such file"):
            read_private(str(tmp_path / "gone"))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    make_pair(str(tmp_path / "release"))
    return tmp_path / "release"


def _run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    return (status, *capfd.readouterr())


class TestCommands:
    def test_a_bundle_signed_in_place_stays_the_file_it_was(
        self, release: Path, image_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        image_path.chmod(0o640)
        (tmp_path / "link").symlink_to(image_path)
        before = open_bundle(image_path).digest
        status, out, err = _run(capfd, "sign", tmp_path / "link", "--key", release)
        public = f"{release}.pub"
        assert (status, err) == (0, "")
        assert out.startswith(f"{tmp_path / 'link'}: signed by ed25519:")
        assert (tmp_path / "link").is_symlink()
        assert image_path.stat().st_mode & 0o777 == 0o640
        assert open_bundle(image_path, public).digest == before
        once = image_path.read_bytes()
        assert _run(capfd, "sign", image_path, "--key", release)[0] == 0
        assert image_path.read_bytes() == once
        names = {"release", "release.pub", "link", image_path.name}
        assert {path.name for path in tmp_path.iterdir()} == names

    def test_a_copy_leaves_the_bundle(
        self, release: Path, image_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = image_path.read_bytes()
        copy = tmp_path / "copy.strop"
        arguments = ("sign", image_path, "--key", release, "--output", copy, "--json")
        status, out, _ = _run(capfd, *arguments)
        assert (status, image_path.read_bytes()) == (0, before)
        key = open_bundle(copy, f"{release}.pub").signed_by
        assert key is not None
        assert json.loads(out) == {
            "bundle": str(copy),
            "digest": open_bundle(image_path).digest,
            "public_key": key.text,
        }

    def test_anothers_signature_is_not_replaced_unasked(
        self, release: Path, image_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "other"
        make_pair(str(other))
        _run(capfd, "sign", image_path, "--key", other)
        before = image_path.read_bytes()
        status, _, err = _run(capfd, "sign", image_path, "--key", release)
        assert (status, image_path.read_bytes()) == (2, before)
        assert "; --replace replaces that signature" in err
        assert _run(capfd, "sign", image_path, "--key", release, "--replace")[0] == 0
        open_bundle(image_path, f"{release}.pub")

    def test_a_signature_that_is_none_is_not_replaced_unasked(
        self, release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        draft = bundles.image()
        draft.files["signature.json"] = b"{}"
        path = draft.write(tmp_path / "odd.strop")
        status, _, err = _run(capfd, "sign", path, "--key", release)
        assert (status, path.read_bytes()) == (2, draft.pack())
        assert "odd.strop: signature.json has schema None" in err
        assert _run(capfd, "sign", path, "--key", release, "--replace")[0] == 0

    def test_only_a_whole_bundle_is_signed(
        self, release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        draft = bundles.image()
        name = draft.variant["file"]
        draft.files[name] = draft.files[name][:-1] + b"\1"
        path = draft.write(tmp_path / "tampered.strop")
        status, _, err = _run(capfd, "sign", path, "--key", release)
        assert (status, path.read_bytes()) == (2, draft.pack())
        assert f"{name} is not the file the manifest lists" in err

    def test_signing_needs_no_trust_in_what_is_signed(
        self,
        release: Path,
        image_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("STROP_TRUSTED_KEYS", f"{release}.pub")
        assert _run(capfd, "check", image_path)[0] == 2
        assert _run(capfd, "sign", image_path, "--key", release)[0] == 0
        assert _run(capfd, "check", image_path)[0] == 0

    @pytest.mark.parametrize(
        ("target", "reason"), [(".", "Is a directory"), ("none/a.strop", "No such file")]
    )
    def test_what_cannot_be_written_is_said(
        self,
        target: str,
        reason: str,
        release: Path,
        image_path: Path,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        output = tmp_path / target
        status, _, err = _run(capfd, "sign", image_path, "--key", release, "--output", output)
        assert status == 2
        assert err == f"strop: cannot write {output}: {reason}{err.partition(reason)[2]}"
        assert not list(tmp_path.glob("*.part"))

    def test_a_folder_is_not_signed(
        self, release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        status, _, err = _run(capfd, "sign", tmp_path, "--key", release)
        assert (status, err) == (
            2,
            f"strop: {tmp_path} is a folder; sign the bundle, then install it\n",
        )

    @pytest.mark.parametrize(
        "command", ["info", "run", "check", "bench", "tune", "sweep", "verify"]
    )
    def test_every_command_that_opens_a_bundle_asks_for_trust(
        self,
        command: str,
        release: Path,
        image_path: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        inputs = [image_path] if command == "run" else []  # nothing is read before the bundle
        status, out, err = _run(
            capfd, command, image_path, *inputs, "--trusted-keys", f"{release}.pub"
        )
        assert (status, out) == (2, "")
        assert "not signed, and it must be" in err
        monkeypatch.setenv("STROP_TRUSTED_KEYS", f"{release}.pub")
        assert _run(capfd, command, image_path, *inputs) == (status, out, err)

    def test_verify_wants_trust_configured(
        self, image_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("STROP_TRUSTED_KEYS", raising=False)
        status, _, err = _run(capfd, "verify", image_path)
        assert status == 2
        assert err.startswith("strop: no trusted keys are configured; give --trusted-keys FILE")

    def test_verify_looks_at_every_member(
        self, release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        draft = _signed(bundles.image(), read_private(str(release)))
        content = draft.files["golden/keras.npy"]
        draft.files["golden/keras.npy"] = content[:-1] + bytes([content[-1] ^ 1])
        path = draft.write(tmp_path / "a.strop")
        status, _, err = _run(capfd, "verify", path, "--trusted-keys", f"{release}.pub")
        assert status == 2
        assert "golden/keras.npy is not the file the manifest lists" in err

    def test_verify_and_info_say_who_signed(
        self, release: Path, image_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        trusted = ("--trusted-keys", f"{release}.pub")
        assert "signed   by nobody\n" in _run(capfd, "info", image_path)[1]
        assert json.loads(_run(capfd, "info", image_path, "--json")[1])["signature"] is None
        _run(capfd, "sign", image_path, "--key", release)
        digest = open_bundle(image_path).digest
        text = signing.public_half(read_private(str(release))).text
        assert _run(capfd, "verify", image_path, *trusted)[:2] == (
            0,
            f"shapes v1 for cpu\ndigest   {digest}\nsigned   by {text} (release), verified\n",
        )
        signature = {"public_key": text, "comment": "release", "verified": True}
        assert json.loads(_run(capfd, "verify", image_path, *trusted, "--json")[1]) == {
            "bundle": str(image_path),
            "digest": digest,
            "name": "shapes",
            "model_version": 1,
            "target": "cpu",
            "signature": signature,
        }
        found = _run(capfd, "info", image_path, *trusted)[1]
        assert f"signed   by {text} (release), verified\n" in found
        found = _run(capfd, "info", image_path)[1]
        assert f"signed   by {text}, not verified: no trusted keys are configured\n" in found
        found = _run(capfd, "info", image_path, "--json")[1]
        unverified = {"public_key": text, "comment": "", "verified": False}
        assert json.loads(found)["signature"] == unverified

    def test_info_refuses_what_is_no_signature(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        draft = bundles.image()
        draft.files["signature.json"] = b"{}"
        status, out, err = _run(capfd, "info", draft.write(tmp_path / "a.strop"), "--json")
        assert status == 2
        assert json.loads(out)["error"] == {
            "kind": "bundle",
            "problem": "bundle shapes-cpu refused: signature.json has schema None; this strop "
            "reads 1",
            "mend": "install the strop wheel that came with the bundle",
        }
        assert err.startswith("strop: bundle shapes-cpu refused: signature.json has schema None")

    def test_the_private_key_is_never_printed(
        self, image_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        key = tmp_path / "key"
        said = [_run(capfd, "keygen", key, "--comment", "ours"), _run(capfd, "keygen", key)]
        for arguments in ((), ("--json",), ("--replace",)):
            said.append(_run(capfd, "sign", image_path, "--key", key, *arguments))
        said.append(_run(capfd, "verify", image_path, "--trusted-keys", key))  # the wrong file
        said.append(_run(capfd, "sign", key, "--key", key))
        said.append(_run(capfd, "sign", image_path, "--key", f"{key}.pub"))
        assert [status for status, _, _ in said] == [0, 2, 0, 0, 0, 2, 2, 2]
        texts = "".join(out + err for _, out, err in said)
        raw = (serialization.Encoding.Raw, serialization.PrivateFormat.Raw)
        private = read_private(str(key))
        secret = private.private_bytes(*raw, serialization.NoEncryption())
        lines = [line for line in key.read_text(encoding="ascii").splitlines() if line[0] != "-"]
        assert len(lines) == 1
        for form in (lines[0], lines[0][22:], secret.hex(), repr(secret), "PRIVATE"):
            assert form not in texts


# The library is absent: some commands fail, others work.
ABSENT = """
import sys
sys.modules["cryptography"] = None
import strop
from strop.cli import main
bundle, key, public = sys.argv[1:]
strop.load(bundle).close()
try:
    strop.load(bundle, trusted_keys=public)
except strop.BundleError as error:
    print(error)
print([main(a) for a in (
    ["check", bundle, "--trusted-keys", public],
    ["verify", bundle, "--trusted-keys", public],
    ["keygen", key + "2"],
    ["sign", bundle, "--key", key],
    ["info", bundle, "--json"],
)])
"""


def test_without_the_library_trust_lets_nothing_through(release: Path, image_path: Path) -> None:
    assert main(["sign", str(image_path), "--key", str(release)]) == 0
    before = image_path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", ABSENT, image_path, release, f"{release}.pub"],
        capture_output=True,
        text=True,
        check=True,
    )
    mend = f"pip install './strop-{strop.__version__}-py3-none-any.whl[signing]'"
    absent = f"that needs the package cryptography, which is not installed; {mend}"
    first, *_, last = done.stdout.splitlines()
    assert first == f"bundle {image_path} refused: its signature cannot be verified: {absent}"
    assert last == "[2, 2, 2, 2, 0]"
    lines = done.stderr.splitlines()
    assert lines[:2] == [f"strop: {first}"] * 2
    assert lines[2:] == [f"strop: cannot make keys: {absent}", f"strop: cannot sign: {absent}"]
    assert image_path.read_bytes() == before
    assert not Path(f"{release}2").exists()


def test_a_broken_library_lets_nothing_through(
    release: Path, image_path: Path, tmp_path: Path
) -> None:
    """For example a wheel for another machine: it is installed but does not import."""
    assert main(["sign", str(image_path), "--key", str(release)]) == 0
    (tmp_path / "cryptography").mkdir()
    broken = "raise OSError('wrong ELF class')"
    (tmp_path / "cryptography" / "__init__.py").write_text(broken, encoding="ascii")
    code = "import sys, strop; strop.load(sys.argv[1], trusted_keys=sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", code, image_path, f"{release}.pub"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("strop.errors.BundleError: ")
    assert "cryptography does not work here (OSError: wrong ELF class); pip install" in last

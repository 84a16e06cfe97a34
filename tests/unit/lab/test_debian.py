"""The separate apt: its commands, and the reading of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import debian
from lab.errors import LabError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands given to an apt that answers from a script."""
    commands: list[list[str]] = []

    def call(command: list[str], doing: str) -> str:
        commands.append(command)
        return (
            "Reading package lists...\n"
            "'https://example.org/debian/pool/p/p_2%3a1.0_arm64.deb' p_2%3a1.0_arm64.deb 10 MD5:0\n"
            "'https://example.org/debian/pool/q/q_3_all.deb' q_3_all.deb 10 MD5:0\n"
            if "--print-uris" in command
            else ""
        )

    monkeypatch.setattr(debian, "call", call)
    monkeypatch.setattr(debian, "_mirror", lambda: "https://example.org/debian")
    return commands


def test_only_what_this_resolution_is_made_of_is_given(
    asked: list[list[str]], tmp_path: Path
) -> None:
    archives = tmp_path / "cache" / "archives"
    archives.mkdir(parents=True)
    (archives / "p_2%3a0.9_arm64.deb").touch()  # from an earlier point release
    found = debian.download(tmp_path, "bookworm", "arm64", ["p"])
    assert found == [archives / "p_2%3a1.0_arm64.deb", archives / "q_3_all.deb"]


def test_it_touches_nothing_of_the_machine_s_own_apt(
    asked: list[list[str]], tmp_path: Path
) -> None:
    debian.download(tmp_path, "trixie", "armhf", ["p"])
    assert len(asked) == 3
    for command in asked:
        options = dict(word[2:].split("=", 1) for word in command if word.startswith("-o"))
        assert options["APT::Architecture"] == "armhf"
        for name in ("Dir::State::Lists", "Dir::State::status", "Dir::Cache"):
            assert options[name].startswith(str(tmp_path))
        assert "--download-only" in command or "--print-uris" in command or "update" in command


@pytest.mark.parametrize(
    ("lines", "mirror"),
    [
        ("https://a.example/debian/ bookworm main", "https://a.example/debian/"),
        (
            "https://a.example/debian-security/ bookworm-security main\n"
            "https://b.example/debian/ bookworm-updates main\n"
            "https://c.example/vendor/ bookworm main\n"
            "https://d.example/debian bookworm contrib\n"
            "https://e.example/debian bookworm main",
            "https://e.example/debian",
        ),
    ],
)
def test_the_mirror_is_the_machine_s_main_archive(
    lines: str, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n", encoding="ascii")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert debian._mirror() == mirror


def test_a_machine_without_debian_s_archive_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'https://a.example/ubuntu/ noble main'\n", encoding="ascii")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LabError, match="on Debian"):
        debian._mirror()

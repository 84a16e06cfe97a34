"""The settings of the agent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strop.errors import InputError
from strop.fleet.agent.settings import Settings, read_settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "agent.toml"


def changed(tmp_path: Path, old: str, new: str) -> str:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "agent.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_the_example_has_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert tuple(sorted(re.findall(r"^(\w+) = ", text, re.M))) == tuple(sorted(Settings._fields))
    settings = read_settings(str(EXAMPLE))
    for name, default in Settings._field_defaults.items():
        assert getattr(settings, name) == default or name == "mqtt", name
    assert settings.reference.place == "registry.example.com/models/digits"
    assert settings.broker
    assert settings.broker.prefix == "fleet/reports"


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    path = changed(tmp_path, '"/etc/strop/root.json"', '"root.json"')
    assert read_settings(path).root == str(tmp_path / "root.json")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("poll_s", "pol_s", "unknown key 'pol_s'; did you mean poll_s"),
        ('channel = "stable"', "", "lacks the key channel"),
        ("poll_s = 300.0", 'poll_s = "5 min"', "poll_s: str instead of float"),
        ("poll_s = 300.0", "poll_s = 0", "poll_s must be above 0 s"),
        ("poll_s = 300.0", "poll_s = nan", "poll_s"),
        ("healthy_s = 60.0", "healthy_s = 1e9", "healthy_s must be above 0 s"),
        ('["/opt/camera/bin/healthy"]', "[]", "healthy names no command"),
        ('["/opt/camera/bin/healthy"]', '"/bin/true"', "healthy: str instead of tuple"),
        ('"stable"', '"Stable!"', "is not a channel's name"),
        ('"camera-7"', '"camera 7"', "is not a device's name"),
        ("models/digits", "models/digits:v1", "repository names one bundle"),
        ('"registry.example.com/models/digits"', '"digits"', "names nothing in a registry"),
        ("mqtts://", "mqtt://", "not encrypted"),
        ('"/var/lib/strop/agent"', '"/var/lib/strop/digits/agent"', "beside each other"),
        ('root = "/etc/strop/root.json"', 'root = ""', "root names no file"),
        ("check_s = 120.0", "check_s = ", "is not TOML"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        read_settings(changed(tmp_path, old, new))

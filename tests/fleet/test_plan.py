"""The plan of a rollout: read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.errors import InputError
from strop.fleet.rollout import plan as plan_module
from strop.fleet.rollout.plan import Group, read_plan

HEAD = """
repository = "registry.example.com/models/digits"
channel = "stable"
release = "v2-rpi"
keys = "channel-keys"
devices = "devices"
reports = "reports/*.jsonl"
"""
CANARY = """
[[group]]
name = "canary"
percent = 1
success_percent = 100
error_percent = 0
soak_minutes = 60
at_least = 3
"""
ALL = """
[[group]]
name = "all"
percent = 100
success_percent = 95.5
error_percent = 2
"""
PLAN = HEAD + CANARY + ALL


def written(tmp_path: Path, content: str) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(content, encoding="utf-8")
    return str(path)


def test_a_plan(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, PLAN))
    assert plan.group == (
        Group("canary", 1.0, 100.0, 0.0, 60.0, 3),
        Group("all", 100.0, 95.5, 2.0, 0.0, 1),
    )
    assert (plan.repository, plan.channel) == ("registry.example.com/models/digits", "stable")
    assert (plan.keys, plan.devices) == (f"{tmp_path}/channel-keys", f"{tmp_path}/devices")
    assert plan.reports == f"{tmp_path}/reports/*.jsonl"
    assert (plan.by_mqtt, plan.login, plan.authority) == (False, None, None)


def test_a_plan_with_a_broker(tmp_path: Path) -> None:
    content = PLAN.replace(
        '"reports/*.jsonl"', '"mqtts://mq.example.com/shop"\nlogin = "login"\nauthority = "/ca.pem"'
    )
    plan = read_plan(written(tmp_path, content))
    assert plan.by_mqtt
    assert (plan.reports, plan.login, plan.authority) == (
        "mqtts://mq.example.com/shop",
        f"{tmp_path}/login",
        "/ca.pem",
    )


def test_the_plan_in_the_docstring_is_one(tmp_path: Path) -> None:
    shown = (plan_module.__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0]
    content = "\n".join(line.removeprefix("    ") for line in shown.splitlines())
    with pytest.raises(InputError, match="the last group, canary, has 1 percent"):
        read_plan(written(tmp_path, content))
    assert read_plan(written(tmp_path, content + ALL)).group[0].soak_minutes == 60


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('channel = "stable"', 'chanel = "stable"', "unknown key 'chanel'; did you mean channel?"),
        ('channel = "stable"', "", "lacks the key channel"),
        ('channel = "stable"', 'channel = "A b"', "is not a channel's name"),
        ('channel = "stable"', "channel = 5", "channel: int instead of str"),
        ('channel = "stable"', 'groups = []\nchannel = "stable"', "unknown key 'groups'"),
        ('channel = "stable"', 'login = "x"\nchannel = "stable"', "login and authority are for"),
        ("percent = 1\n", "per_cent = 1\n", "group 1 has an unknown key 'per_cent'; did you mean"),
        ("percent = 1\n", "", "group 1 lacks the key percent"),
        ("percent = 1\n", "percent = 0\n", "percent is 0; give more than 0"),
        ("percent = 1\n", "percent = nan\n", "percent"),
        ("percent = 1\n", "percent = -inf\n", "percent"),
        ("percent = 1\n", "percent = true\n", "percent: bool instead of float"),
        ("percent = 1\n", "percent = 100\n", "all has 100 percent, and canary before it 100"),
        ("percent = 100\n", "percent = 99\n", "the last group, all, has 99 percent"),
        ("success_percent = 100", "success_percent = 0", "success_percent is 0"),
        ("error_percent = 2", "error_percent = -1", "error_percent is -1; give 0 and at most 100"),
        ("error_percent = 2", "error_percent = 5", "lower error_percent to 4.5"),
        ("soak_minutes = 60", "soak_minutes = -1", "soak_minutes is -1"),
        ("at_least = 3", "at_least = 0", "at_least is 0; give 1 or more"),
        ("at_least = 3", "at_least = 1.5", "at_least: float instead of int"),
        ('name = "all"', 'name = "canary"', "'canary' names no one group"),
        ('name = "all"', 'name = " "', "' ' names no one group"),
        ("[[group]]", "[[groups]]", "unknown key 'groups'; did you mean group?"),
        (CANARY + ALL, "", "has 0 groups"),
        (CANARY + ALL, "group = 5", "group is not a list of tables"),
        (HEAD, "[", "is not TOML"),
    ],
)
def test_plans_that_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PLAN
    with pytest.raises(InputError) as caught:
        read_plan(written(tmp_path, PLAN.replace(old, new)))
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_plan(str(tmp_path / "none"))
    (tmp_path / "plan.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not TOML"):
        read_plan(str(tmp_path / "plan.toml"))
    (tmp_path / "plan.toml").write_bytes(b"#" * 70_000)
    with pytest.raises(InputError, match="more than 65536 bytes"):
        read_plan(str(tmp_path / "plan.toml"))

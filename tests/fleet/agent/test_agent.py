"""The agent's steps on real folders, against a real registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strop.bundle import installed
from strop.errors import InstallError, StropError
from strop.fleet.agent.agent import Outcome
from strop.fleet.agent.trial import MOST_TRIES
from strop.fleet.channel import Next
from strop.fleet.publishing import change
from strop.fleet.reports.report import HEALTHY, REFUSED, ROLLED_BACK, WAITING
from strop.install.install import install, rollback
from tests.fleet import liar
from tests.fleet.agent.place import CHANNEL, Device, Place, wrong
from tests.fleet.checks import check_here
from tests.fleet.registries import kept_port
from tests.reliability import disk, editions

HOUR_S = 3600.0


class Killed(BaseException):
    """The process ends here."""


def die() -> None:
    raise Killed


def test_follows_a_channel(place: Place, device: Device) -> None:
    outcome = device.step()
    assert (outcome.state, outcome.status) == (WAITING, 2)
    assert "has no channel stable" in outcome.problem
    first = place.publish(editions.content(1))
    assert device.step() == Outcome(HEALTHY, "", could_not=False)
    second = place.publish(editions.content(2))
    assert device.step().status == 0
    assert (device.version(), device.asked) == (2, [1, 2])
    waiting, one, two = device.reports
    assert (waiting.wanted, waiting.state) == (None, WAITING)
    assert (one.wanted, one.current, one.state) == (first.bundle, first.bundle, HEALTHY)
    assert (two.current, two.model_version) == (second.bundle, 2)
    assert two.sequence > one.sequence > waiting.sequence
    assert min(one.received_bytes, two.received_bytes) > 0
    assert (one.by, two.by) == ("members", "members")
    assert not device.left()


def test_a_poll_without_news_changes_nothing(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    before = disk.tree(device.folder)
    assert device.step() == Outcome(HEALTHY, "", could_not=False)
    assert disk.tree(device.folder) == before
    assert (device.asked, len(device.reports)) == ([1], 1)


def test_a_release_that_fails_its_self_check_is_refused_once(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    bad = place.publish(wrong(2))
    outcome = device.step()
    assert (outcome.state, outcome.status) == (REFUSED, 1)
    assert (device.version(), device.asked) == (1, [1])
    before = place.registry.received_bytes, len(device.reports)
    assert device.step() == outcome
    assert device.step().status == 1
    assert before == (place.registry.received_bytes, len(device.reports))
    last = device.reports[-1]
    assert (last.wanted, last.current, last.state) == (bad.bundle, editions.name(1), REFUSED)
    assert "v1 stays current" in last.problem
    assert not device.left()


def test_a_release_with_which_the_app_is_unhealthy_is_rolled_back(
    place: Place, device: Device
) -> None:
    place.publish(editions.content(1))
    device.step()
    bad = place.publish(editions.content(2))
    device.sick = {2}
    outcome = device.step()
    assert outcome == Outcome(ROLLED_BACK, "it answers too slowly", could_not=False)
    assert (device.version(), device.asked) == (1, [1, 2])
    last = device.reports[-1]
    assert (last.wanted, last.current, last.state) == (bad.bundle, editions.name(1), ROLLED_BACK)
    device.start()
    assert device.step() == outcome  # never again while the channel names it
    assert device.asked == [1, 2]


def test_another_release_clears_what_failed(place: Place, device: Device) -> None:
    for version in (1, 2):
        release = place.publish(editions.content(version))
        device.sick = {2}
        device.step()
    place.publish(editions.content(1))
    assert device.step() == Outcome(HEALTHY, "", could_not=False)
    device.sick = set()
    place.run(release)
    assert device.step().state == HEALTHY
    assert device.version() == 2


def test_forgetting_tries_again(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.sick = {2}
        device.step()
    device.sick = set()
    failed = device.agent.forget()
    assert failed
    assert (failed.bundle, failed.state) == (editions.name(2), ROLLED_BACK)
    assert device.agent.forget() is None
    assert device.step().state == HEALTHY
    assert device.version() == 2


def test_a_first_release_has_nothing_to_go_back_to(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.sick = {1}
    outcome = device.step()
    assert outcome.state == ROLLED_BACK
    assert "it stays current: there is nothing to go back to" in outcome.problem
    assert device.version() == 1
    assert device.reports[-1].current == editions.name(1)
    assert device.step() == outcome  # asked again: the app may be repaired
    device.sick = set()
    assert device.step() == Outcome(HEALTHY, "", could_not=False)
    assert device.asked == [1, 1, 1]


def test_back_to_a_release_that_is_still_here_moves_nothing(place: Place, device: Device) -> None:
    first = place.publish(editions.content(1))
    device.step()
    place.publish(editions.content(2))
    device.step()
    place.run(first)
    assert device.step().state == HEALTHY
    assert device.version() == 1
    assert device.reports[-1].received_bytes == 0


def test_what_people_installed_is_asked_but_not_rolled_back(place: Place, device: Device) -> None:
    editions.write(place.folder, 1, 2)
    for version in (1, 2):
        install(place.folder / f"{version}.strop", device.models, check=check_here)
    place.publish(editions.content(2))
    device.sick = {2}
    assert device.step() == Outcome(
        WAITING,
        "it answers too slowly; look at the app: the release is not under trial any more",
        could_not=True,
    )
    assert device.version() == 2
    device.sick = set()
    assert device.step().state == HEALTHY


def test_a_rollback_by_hand_does_not_last(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    rollback(device.models, check=check_here)
    assert device.version() == 1
    assert device.step().state == HEALTHY
    assert device.version() == 2


@pytest.mark.parametrize("by_hand", ["rollback", "install"])
def test_what_people_make_current_while_the_app_is_asked_stays(
    place: Place, device: Device, by_hand: str
) -> None:
    """Also if the app's own command does it."""
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    third = place.publish(editions.content(3))
    editions.write(place.folder, 1)

    def changed() -> None:
        if by_hand == "rollback":
            rollback(device.models, check=check_here)
        else:
            source = place.folder / "1.strop"
            install(source, device.models, check=check_here, allow_downgrade=True)

    device.sick, device.before_ask = {3}, changed
    device.step()
    left = {"rollback": 2, "install": 1}[by_hand]
    assert device.version() == left
    device.before_ask = lambda: None
    outcome = device.step()
    assert (outcome.state, outcome.problem, device.version()) == (
        ROLLED_BACK,
        "it answers too slowly",
        left,
    )
    assert (device.reports[-1].wanted, device.asked) == (third.bundle, [1, 2, 3])


def test_time_in_which_it_was_not_current_does_not_count(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    rollback(device.models, check=check_here)
    device.now_s += 2 * HOUR_S  # without a poll
    assert device.step().state == HEALTHY
    assert (device.version(), device.reports[-1].healthy_for_s) == (2, 0)
    device.sick = {2}  # its trial has begun anew
    device.now_s += 60
    assert device.step().state == ROLLED_BACK


def test_during_a_trial_the_app_is_asked_again(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    for _ in range(30):
        device.now_s += 60
        device.step()
    reported = [report.healthy_for_s for report in device.reports[2:]]
    assert reported == [60, 120, 240, 480, 960]
    device.sick = {2}
    device.now_s += 960
    assert device.step().state == ROLLED_BACK
    assert device.version() == 1


def test_after_the_trial_it_stays(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    device.now_s += 2 * HOUR_S
    assert device.step().state == HEALTHY
    device.sick = {2}
    device.now_s += 2 * HOUR_S
    outcome = device.step()
    assert (outcome.state, outcome.could_not, device.version()) == (WAITING, True, 2)
    assert device.reports[-1].healthy_for_s == 0


def test_health_counts_only_time_that_was_measured(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    device.now_s += HOUR_S
    device.step()
    assert device.reports[-1].healthy_for_s == HOUR_S
    device.now_s += 100  # not written down any more
    device.boot, device.now_s = device.boot[::-1], 5.0
    device.start()
    device.step()
    assert device.reports[-1].healthy_for_s == HOUR_S
    assert device.asked == [1, 1, 1]  # after a boot the app is asked
    device.now_s += 2 * HOUR_S
    device.step()
    assert device.reports[-1].healthy_for_s == 3 * HOUR_S


@pytest.mark.parametrize("unix_s", [0.0, 5e9])
def test_a_jump_of_the_wall_clock_does_not_matter(
    place: Place, device: Device, unix_s: float
) -> None:
    place.publish(editions.content(1))
    device.step()
    device.unix_s = unix_s
    device.now_s += 60
    assert device.step().state == HEALTHY
    device.start()
    place.publish(editions.content(2))
    assert device.step().state == HEALTHY
    assert [report.sequence for report in device.reports] == sorted(
        {report.sequence for report in device.reports}
    )
    assert device.reports[-2].healthy_for_s == 60


def test_a_report_that_was_not_sent_is_sent_later(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.is_cut_off = True
    assert device.step() == Outcome(HEALTHY, "there is no network", could_not=True)
    place.publish(editions.content(2))
    assert device.step().could_not
    device.is_cut_off = False
    assert device.step() == Outcome(HEALTHY, "", could_not=False)
    (report,) = device.reports  # only the newest matters
    assert report.model_version == 2


def test_a_state_is_reported_again_once_a_day(place: Place, device: Device) -> None:
    place.publish(wrong(1))
    device.step()
    for _ in range(50):
        device.now_s += HOUR_S
        device.step()
    assert [report.state for report in device.reports] == [REFUSED] * 3


def test_a_dead_registry_is_survived(place: Place, device: Device) -> None:
    release = place.publish(editions.content(1))
    device.step()
    with kept_port() as port:
        device.host = f"127.0.0.1:{port}"
        device.start()
        outcome = device.step()
    assert (outcome.state, outcome.status) == (HEALTHY, 2)
    assert device.reports[-1].problem == outcome.problem != ""
    assert device.reports[-1].wanted == release.bundle
    assert device.version() == 1


LIES: dict[str, tuple[str, liar.Lie]] = {
    "a corrupted blob": ("/blobs/", liar.corrupt),
    "a cut connection": ("/blobs/", liar.cut(10)),
    "no blob": ("/blobs/", liar.answer(404)),
    "an endless blob": ("/blobs/", liar.endless),
    "a corrupted manifest": ("/manifests/sha256:", liar.corrupt),
    "an endless manifest": ("/manifests/", liar.endless),
    "no manifest": ("/manifests/", liar.answer(404)),
    "a manifest that is none": ("/manifests/", liar.instead(b"[1]")),
    "a fault": ("/", liar.answer(500)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_registry_is_survived(place: Place, device: Device, name: str) -> None:
    place.publish(editions.content(1))
    device.step()
    place.publish(editions.content(2))
    with liar.before(place.running.host) as lying:
        device.host = lying.host
        device.start()
        lying.lie(*LIES[name])
        outcome = device.step()
        assert (outcome.could_not, device.version()) == (True, 1)
        assert outcome.problem
        assert "\n" not in outcome.problem
        assert device.reports[-1].state != REFUSED  # it is not the release's fault
        lying.rules.clear()
        assert device.step() == Outcome(HEALTHY, "", could_not=False)
    assert device.version() == 2
    assert not device.left()


def test_an_older_channel_is_not_followed(place: Place, device: Device) -> None:
    place.publish(editions.content(2))
    old = place.registry.manifest("strop.channels") or b""
    place.publish(editions.content(3))
    device.step()
    place.registry.put_manifest("strop.channels", old)
    outcome = device.step()
    assert (outcome.could_not, device.version()) == (True, 3)


def test_a_damaged_copy_is_replaced(place: Place, device: Device) -> None:
    for version in (1, 2):
        place.publish(editions.content(version))
        device.step()
    path = Path(installed.bundle_path(str(device.models), editions.name(2)))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert device.version() is None
    device.now_s += HOUR_S
    assert device.step().state == HEALTHY
    assert device.version() == 2


def test_another_release_replaces_what_was_being_pulled(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    with liar.before(place.running.host) as lying:
        device.host = lying.host
        device.start()
        lying.lie("/blobs/", liar.cut(100))
        device.step()
        lying.rules.clear()
        place.publish(editions.content(2))
        device.step()
    assert (device.version(), device.left()) == (2, [])


def test_a_bundle_that_a_rollout_gives_to_others_is_not_ours(place: Place, device: Device) -> None:
    one = place.publish(editions.content(1))
    two = place.push(editions.content(2))

    def give(percent: float) -> None:
        change(
            place.registry,
            place.keys,
            CHANNEL,
            lambda channel: channel._replace(next=Next(two, percent, "group")),
        )

    give(0.0)
    device.step()
    assert device.reports[-1].wanted == one.bundle
    give(100.0)
    device.step()
    assert (device.reports[-1].wanted, device.version()) == (two.bundle, 2)


def test_a_health_check_that_kills_the_agent_is_a_failure_in_the_end(
    place: Place, device: Device
) -> None:
    place.publish(editions.content(1))
    device.step()
    place.publish(editions.content(2))
    device.before_ask = die
    for _ in range(MOST_TRIES):
        with pytest.raises(Killed):
            device.step()
        assert device.version() == 2
        device.start()
    assert len(device.asked) == 1 + MOST_TRIES
    outcome = device.step()
    assert (outcome.state, device.version()) == (ROLLED_BACK, 1)
    assert "3 times" in outcome.problem


def test_an_app_that_cannot_be_asked_counts_as_no_answer(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    place.publish(editions.content(2))

    def cannot() -> None:
        raise StropError("cannot run app-healthy: No such file or directory")

    device.before_ask = cannot
    for _ in range(MOST_TRIES):
        assert device.step().could_not
    assert device.step().state == ROLLED_BACK
    assert device.version() == 1


def test_a_damaged_state_is_not_ignored(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    path = device.state / "agent.json"
    content = json.loads(path.read_text())
    for broken in (b"", b"{}", json.dumps({**content, "wanted": "x"}).encode()):
        path.write_bytes(broken)
        with pytest.raises(InstallError, match=r"agent\.json is damaged"):
            device.start()


def test_a_lost_state_goes_on_with_larger_numbers(place: Place, device: Device) -> None:
    place.publish(editions.content(1))
    device.step()
    (device.state / "agent.json").unlink()
    device.unix_s += 60
    device.start()
    assert device.step().state == HEALTHY
    assert device.reports[-1].sequence > device.reports[0].sequence

"""Rollouts to a fleet of simulated devices (STROP_FLEET_DEVICES; 100), and what they end on.

One figure a scenario: tried are the devices, failed those that ended otherwise than it says.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from strop.bundle.installed import read
from strop.fleet.artifact import Release
from strop.fleet.channel import bucket
from strop.fleet.reports.report import HEALTHY
from strop.fleet.rollout.decide import ADVANCE, FINISH, START, STOP
from strop_export.dist import write
from tests import environments
from tests.conftest import Tell
from tests.environments import ROOT
from tests.figures import Record
from tests.fleet import registries, releases
from tests.fleet.simulated import GROUPS, Ended, Fleet, Requests, Site
from tests.fleet.timeline import Timeline

pytestmark = pytest.mark.alone

DEVICES = int(os.environ.get("STROP_FLEET_DEVICES", "100"))
CANARIES = GROUPS[0].percent
NAMES = ("the first", "good", "wrong answers", "app not healthy")
GOOD, WRONG, SICK = 2, 3, 4  # versions
RETRAINED = 10  # devices


class Story(NamedTuple):
    """Three rollouts to one fleet, one after the other."""

    fleet: Fleet
    good: Ended
    wrong: Ended
    sick: Ended
    after: dict[int, dict[str, str | None]]  # by version: what is current when its rollout ended
    healthy: set[str]  # devices that reported in the end that they are, with the good release


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in memory, if possible: thousands of installs are flushed."""
    with environments.in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[registries.Running]:
    """A registry on loopback. What agents log is of no interest."""
    level = logging.getLogger("strop").level
    logging.getLogger("strop").setLevel(logging.CRITICAL)
    with registries.serve(place / "registry") as made:
        yield made
    logging.getLogger("strop").setLevel(level)


@pytest.fixture(scope="module")
def story(running: registries.Running, place: Path, tell: Tell) -> Iterator[Story]:
    requests = Requests()
    with ExitStack() as stack:
        requests.count(stack.enter_context(pytest.MonkeyPatch.context()))
        site = Site(running, place / "site")
        timeline = Timeline(DEVICES, *NAMES)
        fleet = Fleet(site, place / "devices", DEVICES, timeline, tell=tell, requests=requests)
        fleet.sick.add(SICK)
        fleet.bring(site.push(releases.good(1)).release)
        ended, after = {}, {}
        for draft in (releases.good(GOOD), releases.wrong(WRONG), releases.good(SICK)):
            version = draft.content["model_version"]
            ended[version] = fleet.roll_out(site.push(draft).release)
            after[version] = fleet.current()
        healthy = {
            report.device
            for report in fleet.newest().values()
            if report.state == HEALTHY and report.wanted == ended[GOOD].release.bundle
        }
        write_timeline(timeline, fleet.minute)
        yield Story(fleet, ended[GOOD], ended[WRONG], ended[SICK], after, healthy)


def write_timeline(timeline: Timeline, end: float) -> None:
    """Write dist/rollout.json, for `python -m tools.rollout_picture`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rollout.json")
        timeline.rollouts(end).write(path)
        write(ROOT / "dist" / "rollout.json", path.read_bytes())


def others(current: dict[str, str | None], release: Release) -> int:
    """Count the devices on which another bundle is current."""
    return sum(bundle != release.bundle for bundle in current.values())


def detail(ended: Ended) -> str:
    return (
        f"{ended.requests:,} requests, {ended.received_bytes:,} bytes of it received, "
        f"{ended.minutes:,.0f} simulated minutes in {ended.wall_s:,.0f} s"
    )


def test_a_good_release_reaches_all(story: Story, figure: Record) -> None:
    ended = story.good
    failed = others(story.after[GOOD], ended.release)
    figure("a good release reaches all", DEVICES, failed, detail(ended))
    assert ended.actions == [START, ADVANCE, ADVANCE, FINISH]
    assert len(ended.given) == DEVICES
    assert not ended.failed
    assert failed == 0
    assert len(story.healthy) == DEVICES


def test_one_that_fails_its_self_check_stops_at_the_canaries(story: Story, figure: Record) -> None:
    ended = story.wrong
    failed = others(story.after[WRONG], story.good.release)
    figure("one with wrong answers stops at the canaries", DEVICES, failed, detail(ended))
    require_stopped_at_canaries(story, ended)
    assert failed == 0
    for device in story.fleet.devices:  # it was never current anywhere
        assert ended.release.bundle not in {e.bundle for e in read(device.folder).history}


def test_one_with_which_the_app_is_not_healthy_is_rolled_back(story: Story, figure: Record) -> None:
    ended = story.sick
    failed = others(story.after[SICK], story.good.release)
    figure("one with which the app fails is rolled back", DEVICES, failed, detail(ended))
    require_stopped_at_canaries(story, ended)
    assert failed == 0
    went_back = {
        device.name
        for device in story.fleet.devices
        if ended.release.bundle in {e.bundle for e in read(device.folder).history}
    }
    assert went_back == ended.failed


def require_stopped_at_canaries(story: Story, ended: Ended) -> None:
    """Only devices of the first group were given a release, and some said that it failed."""
    assert ended.actions == [START, STOP]
    assert ended.failed
    assert ended.failed <= ended.given
    fleet, bundle = story.fleet, ended.release.bundle
    assert bundle in fleet.site.channel().stopped
    first = sorted(bucket(device.name, bundle) for device in fleet.devices)[0]
    limit = max(CANARIES, first)  # the group has one device at least
    assert all(bucket(name, bundle) <= limit for name in ended.given)


def test_nothing_was_ever_current_that_was_not_signed_into_the_channel(
    story: Story, figure: Record
) -> None:
    """Looked at after each poll, and whenever the app was asked: it then runs what is current."""
    witness = story.fleet.site.witness
    figure("bundles that were current, looked at", witness.seen, len(witness.unverified))
    assert witness.seen > 10 * DEVICES
    assert witness.unverified == []


def test_the_witness_sees_what_was_not_signed_into_the_channel(
    story: Story, tmp_path: Path
) -> None:
    from strop.install.install import install  # as any user of the device may
    from tests.fleet.checks import check_here
    from tests.fleet.witness import Witness

    site = story.fleet.site
    witness = Witness(site.witness._trust)
    for draft, is_signed in ((releases.good(7), True), (releases.good(8), False)):
        data = releases.signed(draft, site.signer) if is_signed else draft.pack()
        (tmp_path / "any.strop").write_bytes(data)
        install(tmp_path / "any.strop", tmp_path / "models", check=check_here)
        witness.look(tmp_path / "models")
    strange, unsigned = witness.unverified
    assert "was never in the channel" in strange
    assert "not signed" in unsigned or "no signature" in unsigned


def test_a_patch_moves_less_for_a_retrained_model(
    running: registries.Running, place: Path, figure: Record
) -> None:
    moved: dict[str, int] = {}
    failed = 0
    for by in ("members", "patch"):
        site = Site(running, place / by, f"models/{by}")
        fleet = Fleet(site, place / f"{by}-devices", RETRAINED, Timeline(RETRAINED, *NAMES))
        first = site.push(releases.retrained(1)).release
        fleet.bring(first)
        second = site.push(releases.retrained(2), since=first if by == "patch" else None).release
        fleet.bring(second)
        reports = [r for r in fleet.newest().values() if r.wanted == r.current == second.bundle]
        failed += RETRAINED - sum(report.by == by for report in reports)
        moved[by] = sum(report.received_bytes for report in reports) // RETRAINED
    figure(
        "a retrained model comes by members, or as a patch",
        2 * RETRAINED,
        failed,
        f"{second.bundle_bytes:,} bytes, of which the members that changed are "
        f"{moved['members']:,}, and the patch {moved['patch']:,}",
    )
    assert failed == 0
    assert 0 < 2 * moved["patch"] < moved["members"] < second.bundle_bytes

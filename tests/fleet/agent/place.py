"""A registry with a channel, and devices that follow it: real folders, and a clock of ours.

The versions are those of tests/reliability/editions.py; the self-check replays their golden samples
on the reference engine, in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from strop.bundle.keys import make_pair, read_private
from strop.bundle.signing import public_half
from strop.errors import ReportError
from strop.fleet.agent.agent import Agent, Outcome
from strop.fleet.agent.clock import Clock
from strop.fleet.agent.settings import Settings
from strop.fleet.artifact import Release
from strop.fleet.publishing import change, create
from strop.fleet.push import push
from strop.fleet.reports.report import Report, read_line, sign
from tests.fleet import releases
from tests.fleet.checks import check_here
from tests.fleet.registries import Running
from tests.reliability import editions

CHANNEL = "stable"
BOOT = "11111111-1111-4111-8111-111111111111"


def wrong(version: int) -> bytes:
    """A bundle whose outputs are not those proven."""
    return releases.wrong(version).pack()


class Place:
    """A repository, the keys of its channels, and releases in it."""

    def __init__(self, registry: Running, folder: Path, repository: str) -> None:
        self.folder, self.running, self.repository = folder, registry, repository
        self.registry = registry.open(repository)
        self.keys = str(folder / "keys")
        self.root = folder / "root.json"
        self.root.write_bytes(create(self.registry, self.keys))

    def push(self, content: bytes) -> Release:
        path = self.folder / "pushed.strop"
        path.write_bytes(content)
        return push(str(path), self.registry, replace=True).release

    def run(self, release: Release | None) -> None:
        """Let all devices of the channel run a release."""
        change(self.registry, self.keys, CHANNEL, lambda channel: channel._replace(runs=release))

    def publish(self, content: bytes) -> Release:
        release = self.push(content)
        self.run(release)
        return release


@dataclass
class Device:
    """A device, whose agent can be ended and started anew.

    Attributes:
        folder: its disk.
        sick: versions with which the app is not healthy.
        asked: versions with which the app was asked.
        reports: that were sent, verified.
        now_s: seconds since its boot.
        boot: names the boot.
        unix_s: its wall clock.
        before_ask: called when the app is asked.
        counts: the file into which the app saves its counts; "": it does not count.
    """

    place: Place
    folder: Path
    host: str = ""  # of the registry; "": the place's own
    sick: set[int] = field(default_factory=set)
    asked: list[int] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    is_cut_off: bool = False  # from whoever takes reports
    now_s: float = 1000.0
    boot: str = BOOT
    unix_s: float = 1_790_000_000.0
    before_ask: Callable[[], None] = lambda: None
    counts: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        make_pair(str(self.folder.parent / f"{self.folder.name}.key"), "camera-7")
        self._key = read_private(str(self.folder.parent / f"{self.folder.name}.key"))
        self._listed = {public_half(self._key).text: "camera-7"}
        self.start()

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def state(self) -> Path:
        return self.folder / "agent"

    def start(self) -> None:
        """Start the agent, as a new process would."""
        host = self.host or self.place.running.host
        settings = Settings(
            repository=f"{host}/{self.place.repository}",
            channel=CHANNEL,
            root=str(self.place.root),
            device="camera-7",
            key="",
            folder=str(self.models),
            state=str(self.state),
            healthy=("true",),
            counts=self.counts,
        )
        clock = Clock(lambda: self.now_s, self.boot, lambda: self.unix_s)
        self.agent = Agent(
            settings, check=check_here, healthy=self._ask, send=self._send, clock=clock
        )

    def step(self) -> Outcome:
        return self.agent.step()

    def version(self) -> int | None:
        """What an app opens here; as `editions.current`."""
        return editions.current(self.models, (1, 2, 3))

    def left(self) -> list[str]:
        """The names in the agent's folder, without those that stay."""
        stay = {"agent.json", "agent.json.reserve", "channels-seen.json"}
        return sorted({path.name for path in self.state.iterdir()} - stay)

    def _ask(self, folder: str, bundle: str, model_version: int) -> str:
        assert Path(folder) == self.models
        assert Path(bundle).is_file()
        self.asked.append(model_version)
        self.before_ask()
        return "it answers too slowly" if model_version in self.sick else ""

    def _send(self, report: Report) -> None:
        if self.is_cut_off:
            raise ReportError("there is no network")
        self.reports.append(read_line(sign(report, self._key), self._listed))

"""strop drift over a fleet's reports: whose counts are summed, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strop.bundle.counts import Counts, add
from strop.cli import main
from tests import bundles
from tests.fleet.fleet_reports import key_of, line, list_of
from tests.profiles import CALIBRATION, counted, pictures, profiled

DEVICES = ("camera-1", "camera-2", "camera-3", "camera-4")


class Fleet:
    """A bundle, the list of devices, and their reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = profiled(bundles.image(), CALIBRATION).write(folder / "shapes.strop")
        self.good = counted(self.bundle, pictures(100, seed=2))
        self.dark = counted(self.bundle, pictures(100, seed=3, high=100))
        (folder / "devices").write_bytes(list_of(*DEVICES))
        (folder / "reports").mkdir()

    def report(self, device: str, sequence: int, counts: Counts | None, **fields: Any) -> None:
        with (self.folder / "reports" / f"{device}.jsonl").open("ab") as file:
            file.write(line(device, sequence, counts=counts, **fields))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.fixture
def drift(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*arguments: str) -> tuple[int, str, str]:
        named = ("--devices", str(fleet.folder / "devices"))
        status = main(
            ["drift", str(fleet.bundle), f"{fleet.folder}/reports/*.jsonl", *named, *arguments]
        )
        return (status, *capsys.readouterr())

    return ask


def test_the_newest_report_of_each_device_counts(fleet: Fleet, drift: Any) -> None:
    fleet.report("camera-1", 2, fleet.good)
    fleet.report("camera-1", 1, fleet.dark)  # it came late
    fleet.report("camera-2", 1, fleet.dark)
    fleet.report("camera-2", 2, fleet.good)
    status, out, _ = drift("--json")
    content = json.loads(out)
    assert (status, content["taken"], content["samples"]) == (0, 2, 200)
    (mean,) = (one for one in content["findings"] if one["figure"] == "mean")
    assert tuple(mean["seen"]) == add(fleet.good, fleet.good).inputs[0][0]


def test_a_fleet_has_drifted_if_the_sum_has(fleet: Fleet, drift: Any) -> None:
    for device in DEVICES:
        fleet.report(device, 1, fleet.dark)
    status, out, _ = drift()
    assert status == 1
    assert out.startswith("drifted: ")
    assert "400 samples of 400 calls" in out
    assert "left out" not in out


def test_what_is_left_out_is_said(fleet: Fleet, drift: Any) -> None:
    fleet.report("camera-1", 1, fleet.good)
    fleet.report("camera-2", 1, fleet.good._replace(bundle="e" * 64))
    fleet.report("camera-3", 1, None)
    fleet.report("camera-9", 1, fleet.dark)  # of no list
    forged = json.loads(line("camera-1", 9, counts=fleet.good))
    forged["report"]["counts"] = json.loads(fleet.dark.to_json())
    body = json.dumps(forged, sort_keys=True, separators=(",", ":")).encode()
    (fleet.folder / "reports" / "forged.jsonl").write_bytes(body + b"\nnonsense\n")
    status, out, _ = drift()
    assert status == 0
    assert out.splitlines()[2] == (
        "left out: 1 of other bundles, 1 forged, 1 malformed, 1 unlisted, 2 without counts"
    )
    content = json.loads(drift("--json")[1])
    assert content["samples"] == 100
    assert content["left_out"]["other_bundles"] == 1
    assert content["left_out"]["reports"]["without counts"] == 2


def test_counts_of_other_figures_than_the_bundles_are_left_out(fleet: Fleet, drift: Any) -> None:
    fleet.report("camera-1", 1, fleet.good)
    fleet.report("camera-2", 1, fleet.dark._replace(inputs=(fleet.dark.inputs[0][:3],)))
    status, out, _ = drift()
    assert (status, "1 that cannot be used" in out) == (0, True)


def test_a_fleet_without_counts_cannot_be_told(fleet: Fleet, drift: Any) -> None:
    fleet.report("camera-1", 1, None)
    status, out, error = drift()
    assert (status, out) == (2, "")
    assert "cannot tell: nothing was counted" in error
    assert "4 without counts" in error


def test_a_device_that_says_nothing_of_its_own_counts_for_nobody(fleet: Fleet, drift: Any) -> None:
    """A report that another device has signed is forged, whatever counts it has."""
    from strop.fleet.reports.report import sign
    from tests.fleet.fleet_reports import report

    fleet.report("camera-1", 1, fleet.good)
    false = sign(report("camera-1", 2, counts=fleet.dark), key_of("camera-2"))
    (fleet.folder / "reports" / "false.jsonl").write_bytes(false)
    status, out, _ = drift()
    assert (status, "1 forged" in out) == (0, True)


def test_since_is_not_for_fleets(fleet: Fleet, drift: Any) -> None:
    fleet.report("camera-1", 1, fleet.good)
    status, _, error = drift("--since", "x.json")
    assert (status, "--since is for counts of one place" in error) == (2, True)

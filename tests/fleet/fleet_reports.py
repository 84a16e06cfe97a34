"""Devices of tests: keys, reports and their lines."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strop.bundle.counts import Counts
from strop.bundle.signing import public_half
from strop.fleet.reports.report import HEALTHY, SCHEMA, Report, sign

BUNDLE = f"{1002:064x}"  # of test_channel.release(2)


def key_of(device: str) -> Ed25519PrivateKey:
    """The device's private key, the same each time."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(device.encode()).digest())


def public(device: str) -> str:
    return public_half(key_of(device)).text


def listed(*devices: str) -> dict[str, str]:
    return {public(device): device for device in devices}


def list_of(*devices: str) -> bytes:
    """The file that lists devices."""
    return "".join(f"{public(device)} {device}\n" for device in devices).encode()


def counts(bundle: str = "d" * 64, **fields: Any) -> Counts:
    """What a model of three classes has counted, as often as its input is alike."""
    usual = Counts(
        schema=1,
        bundle=bundle,
        name="shapes",
        model_version=2,
        engine="native",
        precision="int8",
        every=100,
        calls=12_000,
        samples=120,
        since="2026-11-27T05:00:00Z",
        until="2026-11-28T05:00:00Z",
        inputs=(((30, 90), (60, 60)),),
        outputs=(((40, 40, 40),),),
    )
    return usual._replace(**fields)


def report(device: str = "camera-1", sequence: int = 1, **fields: Any) -> Report:
    """A report of a device that has been healthy with BUNDLE for an hour."""
    usual = Report(
        schema=SCHEMA,
        device=device,
        sequence=sequence,
        time="2026-11-28T05:00:00Z",
        channel="stable",
        wanted=BUNDLE,
        current=BUNDLE,
        model_version=2,
        state=HEALTHY,
        healthy_for_s=3600.0,
        problem="",
        received_bytes=5000,
        by="members",
        strop="0.1.0",
    )
    made = usual._replace(**fields)
    if made.state != HEALTHY and "healthy_for_s" not in fields:
        made = made._replace(healthy_for_s=0.0, current=None)
    return made


def line(device: str = "camera-1", sequence: int = 1, **fields: Any) -> bytes:
    """The line of such a report, signed by the device."""
    return sign(report(device, sequence, **fields), key_of(device))

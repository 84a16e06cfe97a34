"""Reports: signed, verified, in files; and what hostile lines do."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.bundle.counts import MAX_COUNTS_BYTES
from strop.errors import InputError, ReportError
from strop.fleet.reports import lines as lines_module
from strop.fleet.reports.collect import collect
from strop.fleet.reports.devices import read_devices
from strop.fleet.reports.lines import append, read_lines
from strop.fleet.reports.report import (
    HEALTHY,
    MAX_BYTES,
    REFUSED,
    ROLLED_BACK,
    WAITING,
    Forged,
    Unlisted,
    check_device,
    newest,
    read_line,
    sign,
)
from tests.fleet.fleet_reports import BUNDLE, counts, key_of, line, list_of, listed, public, report

DEVICES = listed("camera-1", "camera-2")


def test_a_line_gives_its_report_back() -> None:
    for one in (
        report(),
        report(state=WAITING, wanted=None, model_version=None),
        report(state=ROLLED_BACK, problem="häßlich: der Dienst endete mit 3"),
    ):
        assert read_line(sign(one, key_of("camera-1")), DEVICES) == one
    assert line() == line()
    assert line().endswith(b"\n")
    assert line().isascii()
    assert read_line(line().rstrip(b"\n"), DEVICES) == report()


def test_the_form_of_a_line() -> None:
    """Readers elsewhere rely on it: a change needs another schema."""
    signed = json.loads(line())
    assert list(signed) == ["key", "report", "signature"]
    assert signed["key"] == public("camera-1")
    body = json.dumps(signed["report"], sort_keys=True, separators=(",", ":")).encode()
    message = b"strop report, schema 1\n" + body
    key_of("camera-1").public_key().verify(bytes.fromhex(signed["signature"]), message)


def test_a_line_carries_counts() -> None:
    carried = report(counts=counts())
    assert read_line(sign(carried, key_of("camera-1")), DEVICES) == carried
    assert b'"counts":{"bundle":' in sign(carried, key_of("camera-1"))


def test_a_line_without_counts_is_the_line_that_devices_have_always_sent() -> None:
    assert b"counts" not in line()
    told = json.loads(line())
    told["report"]["counts"] = None
    with pytest.raises(ReportError, match="it is there, but empty"):
        read_line(_canonical(told), DEVICES)


def test_a_line_that_is_full_of_counts_fits() -> None:
    many = 10**15
    bins = ((many,) * 10,) * 16  # 4 inputs of 16 figures
    one, two = (bins,) * 4, (((many // 50,) * 500,),)
    large = counts(samples=10 * many, calls=10 * many, inputs=one, outputs=two)
    full = report(counts=large, state=REFUSED, problem="\u00e4" * 300, current=BUNDLE)
    assert len(large.to_json()) < MAX_COUNTS_BYTES
    assert len(sign(full, key_of("camera-1"))) > 16_000
    assert read_line(sign(full, key_of("camera-1")), DEVICES).counts == large


def test_a_problem_is_cut_and_put_on_one_line() -> None:
    told = read_line(line(state=REFUSED, problem="a\n\x1b[31mb" + "c" * 1000), DEVICES).problem
    assert told.startswith(r"a \x1b[31mbc")
    assert len(told) == 300


@pytest.mark.parametrize(
    "fields",
    [
        {"device": "a/b"},
        {"device": ""},
        {"sequence": -1},
        {"sequence": 2**63},
        {"received_bytes": -1},
        {"model_version": 10**400},
        {"state": "fine"},
        {"wanted": "../x"},
        {"current": "A" * 64},
        {"current": "0" * 64},
        {"healthy_for_s": -1.0},
        {"healthy_for_s": float("nan")},
        {"healthy_for_s": float("inf")},
        {"state": WAITING, "healthy_for_s": 1.0},
        {"channel": "x" * 101},
        {"by": "a\nb"},
        {"schema": 2},
        {"strop": None},
        {"received_bytes": True},
        {"counts": counts("B" * 64)},
        {"counts": counts(samples=-1)},
        {"counts": counts(inputs=(((-1, 121),),))},
        {"counts": counts(inputs=(((30, 91),),))},
        {"counts": counts(outputs=(((10**400,),),))},
        {"counts": counts(since="x" * 5000)},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_what_readers_refuse_is_not_signed(fields: dict[str, Any]) -> None:
    made = report()._replace(**fields)
    with pytest.raises(InputError, match="cannot be reported"):
        sign(made, key_of("camera-1"))


def test_only_the_devices_own_key_counts() -> None:
    with pytest.raises(Unlisted):
        read_line(line("camera-3"), DEVICES)
    with pytest.raises(Forged, match="of camera-1 is signed by camera-2"):
        read_line(sign(report("camera-1"), key_of("camera-2")), DEVICES)
    told = json.loads(line())
    told["report"]["healthy_for_s"] = 7200.0
    with pytest.raises(Forged, match="is not signed by it"):
        read_line(_canonical(told), DEVICES)
    told = json.loads(sign(report("camera-1"), key_of("camera-2")))
    told["key"] = public("camera-1")
    with pytest.raises(Forged):
        read_line(_canonical(told), DEVICES)


def test_a_signature_over_something_else_does_not_count() -> None:
    told = json.loads(line())
    body = json.dumps(told["report"], sort_keys=True, separators=(",", ":")).encode()
    told["signature"] = key_of("camera-1").sign(body).hex()
    with pytest.raises(Forged):
        read_line(_canonical(told), DEVICES)


def _canonical(told: dict[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _hostile() -> dict[str, bytes]:
    told = json.loads(line())
    return {
        "nothing": b"",
        "a newline": b"\n",
        "not JSON": b"healthy\n",
        "binary": bytes(range(256)),
        "a list": b"[]\n",
        "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
        "long": line()[:-1] + b" " * MAX_BYTES,
        "two keys": line().replace(b'{"key"', b'{"key":"x","key"', 1),
        "spaces": json.dumps(told).encode(),
        "unsorted": json.dumps(dict(reversed(told.items())), separators=(",", ":")).encode(),
        "another number": line().replace(b"3600.0", b"3600.00"),
        "a newer schema": line().replace(b'"schema":1', b'"schema":2'),
        "a schema of true": line().replace(b'"schema":1', b'"schema":true'),
        "no schema": line().replace(b'"schema":1,', b""),
        "an unknown field": line().replace(b'"schema":1', b'"more":1,"schema":1'),
        "no signature": _canonical({**told, "signature": ""}),
        "an upper-case signature": _canonical({**told, "signature": told["signature"].upper()}),
        "a signature of a number": _canonical({**told, "signature": 5}),
        "a report of a text": _canonical({**told, "report": "x"}),
        "two lines": line() + line(),
        "UTF-16": line().decode().encode("utf-16"),
        "a number of 5000 digits": line().replace(b'"sequence":1', b'"sequence":' + b"9" * 5000),
    }


@pytest.mark.parametrize("name", _hostile())
def test_hostile_lines(name: str) -> None:
    with pytest.raises(ReportError) as caught:
        read_line(_hostile()[name], DEVICES)
    assert "\n" not in str(caught.value)


@given(st.integers(0, len(line()) - 2), st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    changed = bytearray(line())
    changed[place] ^= change
    with pytest.raises(ReportError):
        read_line(bytes(changed), DEVICES)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ReportError):
        read_line(content, DEVICES)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3), st.sampled_from([0, 1, 2, 3])),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_the_newest_counts_in_any_order(rows: list[tuple[str, int, int]], random: Any) -> None:
    states = (HEALTHY, WAITING, ROLLED_BACK, REFUSED)
    reports = [report(device, number, state=states[i]) for device, number, i in rows]
    shuffled = random.sample(reports, len(reports))
    assert newest(reports) == newest(shuffled)
    for device, held in newest(reports).items():
        own = [(number, i) for name, number, i in rows if name == device]
        assert (held.sequence, states.index(held.state)) == max(own)


def test_what_does_not_count_is_counted() -> None:
    forged = sign(report("camera-1", 9), key_of("camera-2"))
    found = collect(
        [line(sequence=2), line(sequence=1), line("camera-3"), forged, b"x\n", b"\0" * 9000],
        DEVICES,
    )
    assert found.newest == {"camera-1": report(sequence=2)}
    assert found.refused == {"unlisted": 1, "forged": 1, "malformed": 2}


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "x" * 64])
def test_names_of_devices(name: str) -> None:
    assert check_device(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "$SYS", "-a", "a.", "ä", "a b", "x" * 65])
def test_what_is_no_name_of_a_device(name: str) -> None:
    with pytest.raises(InputError, match="is not a device's name"):
        check_device(name)


# The list of devices.


def _written(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "devices"
    path.write_bytes(content)
    path.chmod(0o644)
    return str(path)


def test_a_list_of_devices(tmp_path: Path) -> None:
    content = b"# the shop\n\n" + list_of("camera-1", "camera-2")
    assert read_devices(_written(tmp_path, content)) == DEVICES


def test_a_large_list(tmp_path: Path) -> None:
    names = [f"device-{i}" for i in range(1500)]
    assert len(read_devices(_written(tmp_path, list_of(*names)))) == 1500


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no device in it"),
        (b"# none\n", "there is no device in it"),
        (b"camera-1\n", "line 1: not a public key"),
        (public("camera-1").encode() + b"\n", "line 1: '' is not a device's name"),
        (public("camera-1").encode() + b" a b\n", "line 1: 'a b' is not a device's name"),
        (list_of("camera-1") * 2, "line 2: ed25519:.* is in line 1 too"),
        (list_of("camera-1") + list_of("camera-2")[:-9] + b"camera-1", "camera-1 is in line 1 too"),
        (b"ed25519:" + b"00" * 32 + b" camera-1\n", "weak key"),
        (b"\xff\xfe", "not UTF-8"),
    ],
    ids=str,
)
def test_lists_that_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_devices(_written(tmp_path, content))


def test_a_list_that_others_may_write_or_that_is_absent(tmp_path: Path) -> None:
    path = _written(tmp_path, list_of("camera-1"))
    Path(path).chmod(0o666)
    with pytest.raises(InputError, match="other users may change the list of devices"):
        read_devices(path)
    with pytest.raises(InputError, match="cannot read the list of devices"):
        read_devices(str(tmp_path / "other"))


# Files of lines.


def test_lines_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = str(tmp_path / "camera-1.jsonl")
    written = [line(sequence=i) for i in range(5)]
    for one in written:
        append(path, one)
    assert list(read_lines(path)) == written
    assert list(read_lines(str(tmp_path / "none" / "*"))) == []


def test_a_torn_last_line_is_normal_and_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "camera-1.jsonl"
    append(str(path), line(sequence=1))
    whole = path.read_bytes()
    for cut in range(len(line())):
        path.write_bytes(whole + line(sequence=2)[:cut])
        assert list(read_lines(str(path))) == [line(sequence=1)]
    append(str(path), line(sequence=3))
    assert list(read_lines(str(path))) == [line(sequence=1), line(sequence=3)]


def test_a_file_is_put_aside_once(tmp_path: Path) -> None:
    path = str(tmp_path / "camera-1.jsonl")
    for i in range(50):
        append(path, line(sequence=i), 3 * len(line()))
        files = sorted(file.name for file in tmp_path.iterdir())
        assert files in (["camera-1.jsonl"], ["camera-1.jsonl", "camera-1.jsonl.1"])
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 6 * len(line(sequence=9))
        assert collect(read_lines(path), DEVICES).newest["camera-1"].sequence == i


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "none/file", "."):
        with pytest.raises(ReportError, match="cannot write the reports"):
            append(str(tmp_path / name), line())
    assert not (tmp_path / "elsewhere").exists()


def test_long_lines_and_odd_files(tmp_path: Path) -> None:
    hostile = b"x" * 3_000_000 + b"\n" + line() + b"\n" + b"y" * MAX_BYTES * 2
    (tmp_path / "a.jsonl").write_bytes(hostile)
    found = list(read_lines(str(tmp_path / "*.jsonl")))
    assert [len(one) for one in found] == [MAX_BYTES + 1, len(line()), 1, MAX_BYTES + 1]
    assert collect(found, DEVICES).refused == {"malformed": 3}
    os.mkfifo(tmp_path / "b.jsonl")
    with pytest.raises(ReportError, match="not a regular file"):
        list(read_lines(str(tmp_path / "*.jsonl")))


def test_whatever_a_file_ends_with_a_report_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "camera-1.jsonl"
    for size in (1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 3 * MAX_BYTES):
        for whole in (b"", line(sequence=1)):
            path.write_bytes(whole + b"\0" * size)
            append(str(path), line(sequence=2))
            assert list(read_lines(str(path)))[-1] == line(sequence=2)


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files as by `glob`, which shells have too."""
    for name in ("a.jsonl", ".b.jsonl", "site/c.jsonl", "site/in/d.jsonl", ".no/e.jsonl", "f[1].x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(line(problem=name))
    monkeypatch.chdir(tmp_path)
    for pattern, many in {
        "*.jsonl": 1,
        ".*.jsonl": 1,
        "*/*.jsonl": 1,
        "**/*.jsonl": 3,
        "site/**/d.jsonl": 1,
        "./site/../[a-c].jsonl": 1,
        "f[[]1].x": 1,
        "a.jsonl": 1,
        "a.jsonl/*": 0,
        "none/*": 0,
        "none": 0,
    }.items():
        expected = sorted(Path(path).read_bytes() for path in glob.glob(pattern, recursive=True))  # noqa: PTH207
        assert len(expected) == many
        assert sorted(read_lines(pattern)) == expected
        assert sorted(read_lines(str(tmp_path / pattern))) == expected


def test_a_folder_that_cannot_be_read_is_an_error_and_not_empty(tmp_path: Path) -> None:
    (tmp_path / "site-1").mkdir()
    (tmp_path / "site-1" / "a.jsonl").write_bytes(line())
    (tmp_path / "site-2").symlink_to("site-2")  # also root cannot read it
    for pattern in ("*/*.jsonl", "*/a.jsonl", "site-2/*", "site-2/a.jsonl"):
        with pytest.raises(ReportError, match=r"cannot read the reports in .*site-2"):
            list(read_lines(str(tmp_path / pattern)))


def test_too_much_is_an_error_and_not_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jsonl").write_bytes(line() + b"z" * 5000)
    pattern = str(tmp_path / "*")
    monkeypatch.setattr(lines_module, "MOST_FILES", 2)
    with pytest.raises(ReportError, match="more than 2 files"):
        list(read_lines(pattern))
    monkeypatch.setattr(lines_module, "MOST_FILES", 3)
    monkeypatch.setattr(lines_module, "MOST_BYTES", 6000)
    with pytest.raises(ReportError, match="more than 6000 bytes"):
        list(read_lines(pattern))

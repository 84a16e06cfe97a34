"""The server of the demo page."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from demo.serve import HOST, main, make_server
from tests.demo.site import serve
from tests.environments import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("index.html", "a.js", "a.mjs", "a.wasm", "a.webmanifest", "a.strop", "a.plan"):
        (tmp_path / name).write_bytes(b"content")
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with serve(folder) as origin:
        yield f"{origin}/"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html"),
        ("a.js", "text/javascript"),
        ("a.mjs", "text/javascript"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.strop", "application/octet-stream"),
        ("a.plan", "application/octet-stream"),
    ],
)
def test_files_have_their_type_and_isolate_the_page(address: str, name: str, kind: str) -> None:
    with urlopen(address + name) as answer:
        assert answer.headers.get_content_type() == kind
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_browser_may_close_the_connection(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A page that is left in the middle of a download is no error."""
    (folder / "a.wasm").write_bytes(bytes(2**24))
    with make_server(folder, 0) as server:
        server.daemon_threads = False  # closing waits for the answers
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with socket.create_connection((HOST, server.server_port)) as client:
            client.sendall(b"GET /a.wasm HTTP/1.1\r\nHost: here\r\n\r\n")
            client.recv(1024)
        server.shutdown()
        thread.join()
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_one_line(folder: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            main([str(folder), "--port", str(port)])
    assert re.fullmatch(
        rf"demo: cannot open port {port}: .+; choose another: make demo PORT=\d+",
        str(caught.value),
    )


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path)])
    assert str(caught.value) == f"demo: there is no page in {tmp_path}; build it: make demo-build"


def test_it_prints_its_address_and_ends_quietly(folder: Path) -> None:
    command = (sys.executable, "-m", "demo.serve", folder, "--port", "0")
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdout
        said = server.stdout.readline()
        (address,) = re.findall(rf"http://{re.escape(HOST)}:\d+/", said)
        with urlopen(address) as answer:
            assert answer.read() == b"content"
        server.send_signal(signal.SIGINT)
        _, complaint = server.communicate(timeout=60)
    assert (server.returncode, complaint) == (0, "")

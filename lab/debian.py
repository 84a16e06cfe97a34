"""Debian's packages of any architecture, fetched and unpacked without root.

A separate apt resolves and downloads, with its state in a folder and the machine's mirrors and
keys; `dpkg -x` unpacks. Nothing is installed, and no maintainer script runs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.steps import call

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TOOLS = ("apt-get", "dpkg")


def download(folder: Path, suite: str, architecture: str, packages: Iterable[str]) -> list[Path]:
    """Fetch packages and all their dependencies; packages that an earlier run fetched are kept.

    Args:
        folder: for apt's state and the packages; made if missing.
        suite: Debian's suite, such as "bookworm".
        architecture: Debian's name of it, such as "arm64".
        packages: the names of Debian's packages.

    Returns:
        The .deb files.

    Raises:
        LabError: this machine has no apt or no Debian mirror, or a package cannot be fetched.
    """
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise LabError(f"no {tool} here: the lab is built from Debian's packages, on Debian")
    mirror = _mirror()
    for part in ("lists/partial", "cache/archives/partial", "nothing/partial", "sources"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    sources, status = folder / "sources.list", folder / "status"
    sources.write_text(f"deb [signed-by={KEYS}] {mirror} {suite} main\n", encoding="ascii")
    status.touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # as the current user, who owns the folders
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": status,
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": folder / "sources",
    }
    apt = ["apt-get", "--quiet", *(f"-o{key}={value}" for key, value in options.items())]
    call([*apt, "update"], f"listing Debian {suite} for {architecture}")
    wanted = ["--yes", "install", *packages]
    doing = f"fetching {', '.join(packages)} for {architecture}"
    call([*apt, "--download-only", *wanted], doing)
    # The archives may hold older versions too. With an empty cache apt lists the packages of this
    # resolution, one a line: 'URI' FILE SIZE HASH.
    nothing = f"-oDir::Cache::archives={folder / 'nothing'}"
    said = call([*apt, nothing, "--print-uris", *wanted], doing)
    names = [line.split()[1] for line in said.splitlines() if line.startswith("'")]
    return [folder / "cache" / "archives" / name for name in names]


def unpack(debs: Iterable[Path], root: Path) -> None:
    """Unpack packages into one folder.

    Raises:
        LabError: dpkg fails (a full disk, say).
    """
    for deb in debs:
        call(["dpkg", "--extract", str(deb), str(root)], f"unpacking {deb.name}")


def _mirror() -> str:
    """Find the Debian mirror of this machine's own apt.

    Raises:
        LabError: apt knows no Debian archive.
    """
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        uri, release, component = [*line.split(), "", "", ""][:3]
        # The main archive only: no -updates, no -security, no third parties.
        if component == "main" and release.isalpha() and uri.rstrip("/").endswith("/debian"):
            return uri
    raise LabError(
        "this machine's apt knows no Debian archive (a source whose address ends in /debian): the "
        "lab is built on Debian, from its packages"
    )

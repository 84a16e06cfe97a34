from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import registries
from tests.fleet.registries import Running


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry for tests that each use a repository of their own."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository's name that no other test uses."""
    name = "".join(c if c.isalnum() else " " for c in request.node.nodeid.lower())
    return "tests/" + "-".join(name.split())[-150:].strip("-")


@pytest.fixture(autouse=True)
def _no_docker_config(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path_factory.mktemp("docker")))

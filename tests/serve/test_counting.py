"""What a server counts: answered, saved, gone on with, and never another bundle's."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.bundle.counts import Counts, read_counts
from strop.bundle.open import open_bundle
from strop.errors import InputError, StropError
from strop.model.counting import CountingModel
from strop.serve.counting import BAD, Counting
from strop.serve.repository import Repository
from tests import bundles
from tests.environments import run
from tests.figures import Record
from tests.profiles import CALIBRATION, pictures, profiled
from tests.serve.running import Server, serving

CLIENTS, VERSIONS = 4, (1, 2, 3)
ONE = pictures(1)[0]


def edition(version: int) -> bytes:
    """A bundle with a profile, and other weights for each version."""
    return profiled(bundles.image(seed=version, model_version=version), CALIBRATION).pack()


def request(samples: np.ndarray) -> dict[str, Any]:
    data = samples.ravel().tolist()
    shape = [*samples.shape]
    return {"inputs": [{"name": "image", "datatype": "UINT8", "shape": shape, "data": data}]}


def saved(folder: Path, name: str = "shapes") -> Counts:
    return read_counts((folder / f"{name}.json").read_bytes())


def own(path: Path) -> str:
    """The name of a replaced bundle's counts."""
    return f"shapes-{open_bundle(str(path)).digest[:12]}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "shapes.strop"
    file.write_bytes(edition(1))
    return file


class TestServer:
    def test_it_answers_what_was_counted(self, path: Path) -> None:
        with serving(path, "--count-every", 1) as server:
            target = "/v2/models/shapes/counts"
            assert read_counts(server.ask("GET", target).body).samples == 0
            for count in (1, 3, 40):  # of 40 samples 32 are counted
                assert server.infer("shapes", request(pictures(count))).status == 200
            reply = server.ask("GET", f"{target[:-7]}/versions/1/counts")
            assert reply.headers["content-type"] == "application/json"
            counts = read_counts(reply.body)
            assert (counts.samples, counts.calls, counts.every) == (36, 3, 1)
            assert counts.bundle == open_bundle(str(path)).digest
            metrics = server.ask("GET", "/metrics").body.decode()
            assert 'strop_counted_samples_total{model="shapes",version="1"} 36.0' in metrics

    def test_a_refused_request_is_not_counted(self, path: Path) -> None:
        with serving(path, "--count-every", 1) as server:
            assert server.infer("shapes", request(np.zeros((1, 3, 4), np.uint8))).status == 400
            assert read_counts(server.ask("GET", "/v2/models/shapes/counts").body).calls == 0

    def test_a_classified_picture_is_counted(self, path: Path, tmp_path: Path) -> None:
        from PIL import Image

        Image.fromarray(np.tile(ONE, (4, 4))).save(tmp_path / "picture.png")
        with serving(path, "--count-every", 1) as server:
            body = (tmp_path / "picture.png").read_bytes()
            assert server.ask("POST", "/classify", body).status == 200
            assert read_counts(server.ask("GET", "/v2/models/shapes/counts").body).samples == 1

    def test_without_counting_there_are_none(self, path: Path) -> None:
        with serving(path) as server:
            reply = server.ask("GET", "/v2/models/shapes/counts")
            assert (reply.status, "--count-every" in reply.content["error"]) == (404, True)
            assert b"strop_counted" not in server.ask("GET", "/metrics").body

    def test_an_unknown_model_and_a_stranger_get_none(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
        (tmp_path / "token").chmod(0o600)
        options = ("--count-every", 1, "--token-file", tmp_path / "token")
        with serving(path, *options) as server:
            assert server.ask("GET", "/v2/models/shapes/counts").status == 401
            right = {"Authorization": "Bearer 0123456789abcdef0123456789abcdef"}
            assert server.ask("GET", "/v2/models/x/counts", headers=right).status == 404
            assert server.ask("GET", "/v2/models/shapes/counts", headers=right).status == 200

    def test_it_saves_at_its_end_and_goes_on_at_its_next_start(
        self, path: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "new" / "counts"
        for total in (5, 10):
            with serving(path, "--count-every", 1, "--counts", folder) as server:
                assert server.infer("shapes", request(pictures(5))).status == 200
                shown = read_counts(server.ask("GET", "/v2/models/shapes/counts").body)
                assert shown.samples == total
            assert saved(folder).samples == total
            assert [file.name for file in folder.iterdir()] == ["shapes.json"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--counts", "x"), "--count-every"),
            (("--count-every", "0"), "0"),
        ],
    )
    def test_options_that_count_nothing_are_refused(
        self, arguments: tuple[str, ...], said: str, path: Path
    ) -> None:
        done = run(sys.executable, "-m", "strop", "serve", path, *arguments, check=False)
        assert (done.returncode, said in done.stderr) == (2, True)

    def test_a_bundle_without_a_profile_is_refused(self, tmp_path: Path) -> None:
        bare = bundles.image().write(tmp_path / "bare.strop")
        done = run(sys.executable, "-m", "strop", "serve", bare, "--count-every", "9", check=False)
        assert (done.returncode, "export it again" in done.stderr) == (2, True)


def test_installs_under_load_lose_no_count(tmp_path: Path, figure: Record) -> None:
    """Each answered request is counted once, with the bundle that answered it."""
    folder, counts = tmp_path / "folder", tmp_path / "counts"
    files = [tmp_path / f"{version}.strop" for version in VERSIONS]
    for version, file in zip(VERSIONS, files, strict=True):
        file.write_bytes(edition(version))

    def install(version: int) -> None:
        run(sys.executable, "-m", "strop", "install", files[version - 1], "--into", folder)

    install(1)
    done = threading.Event()
    body = request(pictures(4))

    def ask(server: Server) -> list[str]:
        answered = []
        while not done.is_set():
            reply = server.infer("shapes", body)
            assert reply.status == 200
            answered.append(reply.content["model_version"])
        return answered

    with (
        serving(folder, "--count-every", 1, "--counts", counts) as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        asking = [pool.submit(ask, server) for _ in range(CLIENTS)]
        server.has_answered("shapes", 1)
        for version in VERSIONS[1:]:
            install(version)
            server.has_answered("shapes", version)
        done.set()
        answered = [version for one in asking for version in one.result()]
    found = {
        "1": saved(counts, own(files[0])).calls,
        "2": saved(counts, own(files[1])).calls,
        "3": saved(counts).calls,
    }
    wanted = {version: answered.count(version) for version in found}
    lost = sum(abs(found[version] - wanted[version]) for version in found)
    figure("counted through installs", len(answered), lost, f"{len(VERSIONS)} versions")
    assert found == wanted
    assert min(wanted.values()) > 0


class Place:
    """A repository that counts, without a server around it, and its folder of counts."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.repository = Repository([str(path)], {"count_every": 1})
        self.counting = Counting(self.repository, str(folder))

    def ask(self, times: int = 1) -> None:
        served = self.repository.get("shapes")
        for _ in range(times):
            served.run(served.model, (ONE[np.newaxis],))

    def replace(self, version: int) -> None:
        self.path.write_bytes(edition(version))
        self.repository.load("shapes")

    def end(self) -> None:
        self.counting.look(last=True)
        self.repository.close()


class TestBundles:
    @pytest.fixture
    def place(self, path: Path, tmp_path: Path) -> Place:
        return Place(path, tmp_path / "counts")

    def test_another_bundle_begins_at_zero_and_the_one_before_is_kept(self, place: Place) -> None:
        first = own(place.path)
        place.ask(3)
        place.replace(2)
        place.ask(2)
        assert place.counting.of("shapes").samples == 2
        place.counting.look()
        assert (saved(place.folder).samples, saved(place.folder, first).samples) == (2, 3)
        assert saved(place.folder).model_version == 2

    def test_a_bundle_that_comes_back_goes_on(self, place: Place) -> None:
        first = own(place.path)
        place.ask(3)
        place.replace(2)
        place.counting.look()
        second = own(place.path)
        place.ask(2)
        place.replace(1)
        place.ask(4)
        place.counting.look()
        assert (saved(place.folder).samples, saved(place.folder, second).samples) == (7, 2)
        assert not (place.folder / f"{first}.json").exists()
        place.end()
        assert saved(place.folder).samples == 7

    def test_the_same_bundle_loaded_again_goes_on(self, place: Place) -> None:
        for _ in range(4):
            place.ask(2)
            place.repository.load("shapes")
        assert place.counting.of("shapes").samples == 8
        place.end()
        assert saved(place.folder).samples == 8
        assert [file.name for file in place.folder.iterdir()] == ["shapes.json"]

    def test_a_call_that_ends_late_is_counted(self, place: Place) -> None:
        """It began on the model before it was replaced."""
        first = own(place.path)
        served = place.repository.get("shapes")
        place.replace(2)
        place.counting.look()
        served.run(served.model, (ONE[np.newaxis],))
        place.counting.look()
        assert saved(place.folder, first).samples == 1

    def test_replaced_models_are_let_go(self, place: Place) -> None:
        for _ in range(5):
            place.ask()
            place.repository.load("shapes")
            place.counting.look()
        place.counting.look()
        place.counting.look()
        assert len([*place.repository.ran]) == 1
        assert place.counting.of("shapes").samples == 5

    def test_an_unloaded_models_counts_stay_in_its_file(self, place: Place) -> None:
        place.ask(3)
        place.repository.unload("shapes")
        for _ in range(3):
            place.counting.look()
        place.end()
        assert saved(place.folder).samples == 3
        assert [file.name for file in place.folder.iterdir()] == ["shapes.json"]

    def test_a_server_of_another_bundle_keeps_what_was_there(self, place: Place) -> None:
        first = own(place.path)
        place.ask(3)
        place.end()
        place.path.write_bytes(edition(2))
        other = Place(place.path, place.folder)
        other.ask(1)
        other.end()
        assert (saved(place.folder).samples, saved(place.folder, first).samples) == (1, 3)
        place.path.write_bytes(edition(1))
        again = Place(place.path, place.folder)
        assert again.counting.of("shapes").samples == 3
        again.end()
        assert saved(place.folder).samples == 3
        assert not (place.folder / f"{first}.json").exists()

    def test_a_server_that_was_killed_between_two_steps_counts_nothing_twice(
        self, place: Place
    ) -> None:
        """Both files may then be of the bundle that runs."""
        place.ask(3)
        place.end()
        shutil.copy(place.folder / "shapes.json", place.folder / f"{own(place.path)}.json")
        again = Place(place.path, place.folder)
        assert again.counting.of("shapes").samples == 3
        again.end()
        assert [file.name for file in place.folder.iterdir()] == ["shapes.json"]

    @pytest.mark.parametrize("content", [b"", b"{}", b"[" * 9999, b"x" * 10**6])
    def test_a_file_that_is_no_counts_is_put_aside(
        self, content: bytes, path: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "counts"
        folder.mkdir()
        (folder / "shapes.json").write_bytes(content)
        place = Place(path, folder)
        place.ask()
        place.end()
        assert saved(folder).samples == 1
        assert (folder / f"shapes.json{BAD}").read_bytes() == content

    def test_what_has_not_changed_is_not_written_again(self, place: Place) -> None:
        place.ask()
        place.counting.look()
        before = (place.folder / "shapes.json").stat()
        place.counting.look()
        after = (place.folder / "shapes.json").stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
        place.ask()
        place.counting.look()
        assert saved(place.folder).samples == 2

    def test_a_disk_that_refuses_is_no_fault_and_the_next_look_saves(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        place.ask(2)

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("strop.durable.write", full)
            place.counting.look()
        assert "counts not saved" in caplog.messages
        assert saved(place.folder).samples == 0
        place.counting.look()
        assert saved(place.folder).samples == 2

    def test_a_model_whose_counting_failed_ends_no_look(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failed(model: CountingModel) -> Counts:
            raise StropError("stopped counting")

        place.ask()
        place.counting.look()
        monkeypatch.setattr(CountingModel, "counts", failed)
        place.counting.look()
        assert saved(place.folder).samples == 1
        with pytest.raises(StropError, match="stopped counting"):
            place.counting.of("shapes")

    def test_a_failed_model_takes_nothing_from_its_file(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also if an earlier server's counts are there, which would be fewer."""
        place.ask(2)
        place.end()
        again = Place(place.path, place.folder)
        again.ask(3)
        again.counting.look()
        assert saved(place.folder).samples == 5
        with monkeypatch.context() as patch:
            patch.setattr(CountingModel, "counts", lambda _: (_ for _ in ()).throw(StropError("x")))
            again.end()
        assert saved(place.folder).samples == 5

    def test_a_folder_that_cannot_be_made_is_refused(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(InputError, match="cannot make the folder"):
            Place(path, tmp_path / "file" / "counts")


def test_the_file_can_be_read_by_others(path: Path, tmp_path: Path) -> None:
    """By the agent, which is another user."""
    place = Place(path, tmp_path / "counts")
    place.end()
    assert (tmp_path / "counts" / "shapes.json").stat().st_mode & 0o044 == 0o044
    assert json.loads((tmp_path / "counts" / "shapes.json").read_bytes())["name"] == "shapes"

"""The GPUs that drivers offer: the meaning of their bytes, drivers that fail, and a real one.

Drivers that fail are called like real ones, through ctypes, on callbacks of these tests.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from ctypes import POINTER, c_int, c_uint, c_uint32, c_void_p
from typing import Any

import pytest

from strop.device import adapters
from strop.device.adapters import Adapter, preferred
from tests.environments import ROOT, run
from tests.unit.runtime import gpus

NO_DRIVER, NO_MEMORY, INCOMPLETE = -9, -1, 5  # of VkResult
VULKAN_1_3 = 1 << 22 | 3 << 12 | 296


def _properties(
    name: bytes = b"a GPU", *, version: int = VULKAN_1_3, vendor: int = 0x10DE, kind: int = 2
) -> bytes:
    """VkPhysicalDeviceProperties, up to the name."""
    return struct.pack("=5I256s", version, 7, vendor, 0x2335, kind, name)


class TestVulkansBytes:
    def test_each_number_is_read_where_it_stands(self) -> None:
        found = adapters._parsed(_properties(b"NVIDIA H200") + b"\xff" * 500)
        assert found == Adapter("NVIDIA", "NVIDIA H200", "Vulkan 1.3", "discrete")

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(0, "other"), (1, "integrated"), (2, "discrete"), (3, "virtual"), (4, "software")],
    )
    def test_the_kinds_are_vulkan_s(self, number: int, kind: str) -> None:
        assert adapters._parsed(_properties(kind=number)).kind == kind

    def test_a_kind_of_the_future_is_another_one(self) -> None:
        assert adapters._parsed(_properties(kind=0x7FFFFFFF)).kind == "other"

    def test_a_stranger_is_called_by_its_number(self) -> None:
        assert adapters._parsed(_properties(vendor=0x1B36)).vendor == "vendor 0x1b36"
        assert adapters._parsed(_properties(vendor=0x10005)).vendor == "Mesa"

    def test_a_variant_of_vulkan_is_no_newer_vulkan(self) -> None:
        version = 1 << 29 | 1 << 22 | 1 << 12
        assert adapters._parsed(_properties(version=version)).api == "Vulkan 1.1"

    @pytest.mark.parametrize(
        ("said", "name"),
        [
            (b"V3D 7.1.7.0\0garbage", "V3D 7.1.7.0"),
            (b"  a\nname\x1b[31m\x07 ", "aname[31m"),
            (b"caf\xc3\xa9 \xff", "café �"),
            (b"", "unnamed"),
            (b"\n\x00", "unnamed"),
            (b"x" * 256, "x" * 80),  # without an end
        ],
    )
    def test_a_name_is_one_short_printable_line(self, said: bytes, name: str) -> None:
        assert adapters._parsed(_properties(said)).name == name


class TestWords:
    @pytest.mark.parametrize(
        ("adapter", "words"),
        [
            (Adapter("NVIDIA", "NVIDIA H200", "CUDA 12.8", "discrete"), "NVIDIA H200, CUDA 12.8"),
            (
                Adapter("Broadcom", "V3D 7.1.7", "Vulkan 1.3", "integrated"),
                "Broadcom V3D 7.1.7, Vulkan 1.3",
            ),
            (
                Adapter("Mesa", "llvmpipe (LLVM 19)", "Vulkan 1.4", "software"),
                "Mesa llvmpipe (LLVM 19), Vulkan 1.4, software",
            ),
        ],
    )
    def test_an_adapter_says_who_made_it_once_and_that_it_is_software(
        self, adapter: Adapter, words: str
    ) -> None:
        assert str(adapter) == words

    def test_releases_are_numbers(self) -> None:
        cuda = [
            Adapter("NVIDIA", "a", f"CUDA {version}", "discrete") for version in ("12.8", "13.0")
        ]
        assert [adapter.release for adapter in cuda] == [(12, 8), (13,)]
        assert adapters.newest_cuda(cuda) == 13
        assert adapters.newest_cuda([_adapter("discrete")]) == 0
        assert adapters.newest_cuda([]) == 0


def _adapter(kind: str, api: str = "Vulkan 1.3", name: str = "a") -> Adapter:
    return Adapter("AMD", name, api, kind)


class TestPreferred:
    def test_it_is_the_one_that_dawn_takes_when_asked_for_speed(self) -> None:
        order = ["discrete", "integrated", "software"]
        there = [_adapter(kind) for kind in reversed(order)]
        while there:
            assert preferred(there).kind == order.pop(0)
            there.pop()
        assert preferred([_adapter("virtual"), _adapter("software")]).kind == "software"
        assert preferred([_adapter("other"), _adapter("virtual")]).kind == "other"

    def test_of_equals_it_is_the_first(self) -> None:
        there = [_adapter("software"), _adapter("discrete", name="b"), _adapter("discrete")]
        assert preferred(there).name == "b"

    def test_one_too_old_for_dawn_is_the_last_resort(self) -> None:
        old, new = _adapter("discrete", "Vulkan 1.0"), _adapter("software", "Vulkan 1.1")
        assert preferred([old, new]) == new
        assert preferred([old]) == old

    def test_cuda_s_first_is_the_one_that_is_used(self) -> None:
        there = [_adapter(kind, "CUDA 13.0") for kind in ("integrated", "discrete")]
        assert preferred(there).kind == "integrated"


class TestAbsence:
    def test_a_library_that_is_not_there(self) -> None:
        assert adapters._library("libstrop-has-none.so.1", {}) is None

    def test_a_library_of_that_name_which_is_another(self) -> None:
        assert adapters._library("libc.so.6", {"vkCreateInstance": ()}) is None

    def test_nothing_there_is_no_adapter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(name: str) -> None:
            raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(ctypes, "CDLL", none)
        assert (adapters.vulkan(), adapters.cuda()) == ((), ())


class Library:
    """A replacement of a shared library: Python functions behind C's calling convention."""

    def _offer(self, name: str, *takes: Any) -> Callable[[Callable[..., int]], None]:
        def offer(function: Callable[..., int]) -> None:
            setattr(self, name, ctypes.CFUNCTYPE(c_int, *takes)(function))

        return offer


class Loader(Library):
    """Vulkan's loader, with devices whose handles need all of their 64 bits."""

    instance = 0x7FFE_DCBA_9876_5432

    def __init__(
        self, *devices: bytes, creates: int = 0, counts: int = 0, lists: int = 0, gives: int = 99
    ) -> None:
        """Results of vkCreateInstance, and of vkEnumeratePhysicalDevices without and with a list;
        and how many devices that one gives.
        """
        self.destroyed: list[int] = []
        handles = {self.instance + 8 * (i + 1): device for i, device in enumerate(devices)}

        @self._offer("vkCreateInstance", c_void_p, c_void_p, POINTER(c_void_p))
        def _(info: int, allocator: int, instance: Any) -> int:
            words = ctypes.string_at(info, 8 * struct.calcsize("P"))
            assert struct.unpack_from("=I", words) == (1,)
            assert not any(words[4:])
            assert not allocator
            instance[0] = self.instance
            return creates

        @self._offer("vkEnumeratePhysicalDevices", c_void_p, POINTER(c_uint32), POINTER(c_void_p))
        def _(instance: int, count: Any, found: Any) -> int:
            assert instance == self.instance
            if not found:
                count[0] = len(handles)
                return counts
            assert count[0] == len(handles)
            count[0] = min(gives, count[0])
            for i, handle in enumerate([*handles][: count[0]]):
                found[i] = handle
            return lists

        @self._offer("vkGetPhysicalDeviceProperties", c_void_p, c_void_p)
        def _(device: int, properties: int) -> int:
            ctypes.memmove(properties, handles[device], len(handles[device]))
            return 0

        @self._offer("vkDestroyInstance", c_void_p, c_void_p)
        def _(instance: int, allocator: int) -> int:
            self.destroyed.append(instance)
            return 0


class TestVulkansLoader:
    def _found(self, monkeypatch: pytest.MonkeyPatch, loader: Loader) -> list[str]:
        monkeypatch.setattr(ctypes, "CDLL", {"libvulkan.so.1": loader}.__getitem__)
        return [adapter.name for adapter in adapters.vulkan()]

    def test_its_devices_in_its_order_and_the_instance_let_go(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loader = Loader(_properties(b"b", kind=1), _properties(b"a"))
        assert self._found(monkeypatch, loader) == ["b", "a"]
        assert loader.destroyed == [Loader.instance]

    @pytest.mark.parametrize("result", [NO_DRIVER, NO_MEMORY])
    def test_no_driver(self, monkeypatch: pytest.MonkeyPatch, result: int) -> None:
        loader = Loader(creates=result)
        assert self._found(monkeypatch, loader) == []
        assert loader.destroyed == []

    def test_a_driver_without_a_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loader = Loader()
        assert self._found(monkeypatch, loader) == []
        assert loader.destroyed == [Loader.instance]

    def test_a_list_that_grew_or_shrank_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        two = _properties(b"a"), _properties(b"b")
        assert self._found(monkeypatch, Loader(*two, lists=INCOMPLETE)) == ["a", "b"]
        assert self._found(monkeypatch, Loader(*two, gives=1)) == ["a"]

    @pytest.mark.parametrize("failing", ["counts", "lists"])
    def test_a_list_that_cannot_be_had(self, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
        loader = Loader(_properties(), **{failing: NO_MEMORY})
        assert self._found(monkeypatch, loader) == []
        assert loader.destroyed == [Loader.instance]


class Driver(Library):
    """NVIDIA's CUDA driver, with one device per name; it fails in a given function."""

    def __init__(self, *names: bytes, version: int = 12080, fails: str = "") -> None:
        def result(function: str) -> int:
            return 999 * (function == fails)

        @self._offer("cuInit", c_uint)
        def _(flags: int) -> int:
            assert flags == 0
            return result("cuInit")

        @self._offer("cuDriverGetVersion", POINTER(c_int))
        def _(out: Any) -> int:
            out[0] = version
            return result("cuDriverGetVersion")

        @self._offer("cuDeviceGetCount", POINTER(c_int))
        def _(out: Any) -> int:
            out[0] = len(names)
            return result("cuDeviceGetCount")

        @self._offer("cuDeviceGet", POINTER(c_int), c_int)
        def _(out: Any, number: int) -> int:
            out[0] = 100 + number
            return result("cuDeviceGet")

        @self._offer("cuDeviceGetName", c_void_p, c_int, c_int)
        def _(out: int, room: int, device: int) -> int:
            name = names[device - 100][: room - 1] + b"\0"
            ctypes.memmove(out, name, len(name))
            return result("cuDeviceGetName")

        @self._offer("cuDeviceGetAttribute", POINTER(c_int), c_int, c_int)
        def _(out: Any, attribute: int, device: int) -> int:
            assert attribute == 18
            if function_result := result("cuDeviceGetAttribute"):
                return function_result
            out[0] = b"Orin" in names[device - 100]
            return 0


class TestCudasDriver:
    def _found(self, monkeypatch: pytest.MonkeyPatch, driver: Driver) -> tuple[Adapter, ...]:
        monkeypatch.setattr(ctypes, "CDLL", {"libcuda.so.1": driver}.__getitem__)
        return adapters.cuda()

    def test_its_devices_in_its_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self._found(monkeypatch, Driver(b"NVIDIA H200", b"Orin"))
        assert found == (
            Adapter("NVIDIA", "NVIDIA H200", "CUDA 12.8", "discrete"),
            Adapter("NVIDIA", "Orin", "CUDA 12.8", "integrated"),
        )
        assert [str(adapter) for adapter in found][1] == "NVIDIA Orin, CUDA 12.8"

    @pytest.mark.parametrize(("version", "api"), [(13000, "CUDA 13.0"), (11040, "CUDA 11.4")])
    def test_the_version(self, monkeypatch: pytest.MonkeyPatch, version: int, api: str) -> None:
        (found,) = self._found(monkeypatch, Driver(b"a", version=version))
        assert found.api == api

    @pytest.mark.parametrize(
        "function",
        [
            *("cuInit", "cuDriverGetVersion", "cuDeviceGetCount"),
            *("cuDeviceGet", "cuDeviceGetName"),
        ],
    )
    def test_one_that_fails_has_no_device(
        self, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
        assert self._found(monkeypatch, Driver(b"a", fails=function)) == ()

    def test_one_that_does_not_know_what_is_integrated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (found,) = self._found(monkeypatch, Driver(b"a", fails="cuDeviceGetAttribute"))
        assert found.kind == "discrete"


def _seen(variables: dict[str, str]) -> str:
    code = "from strop.device import adapters; print(adapters.vulkan(), adapters.cuda())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime" / "src"), **variables}
    return run(sys.executable, "-B", "-c", code, env=environment).stdout.strip()


class TestForReal:
    def test_a_software_gpu_is_seen_and_said_to_be_one(self) -> None:
        seen = _seen(gpus.software())
        assert seen.startswith("(Adapter(vendor='Google', name='SwiftShader Device")
        assert seen.endswith("api='Vulkan 1.3', kind='software'),) ()")

    def test_where_there_is_none_none_is_seen(self) -> None:
        assert _seen(gpus.NONE) == "() ()"

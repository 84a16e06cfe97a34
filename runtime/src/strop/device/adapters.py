"""The GPUs that this machine's drivers offer, by the names the drivers give them.

The names are read straight from the Vulkan loader and the CUDA driver, which come with the drivers:
no package is needed, and none is imported. A broken driver can take the process down with it, so
`strop doctor` asks from a process of its own; an engine that is to use a GPU loads the driver
anyway.

This works on Linux. macOS has Metal and Windows has Direct3D in Vulkan's place; nothing is found
there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_uint, c_uint32, c_void_p
from dataclasses import dataclass
from threading import Lock
from typing import Any

from strop.errors import DeviceUnavailable
from strop.versions import release

# Of PCI's and of Khronos's lists.
_VENDORS = {
    0x1002: "AMD",
    0x1010: "Imagination",
    0x106B: "Apple",
    0x10DE: "NVIDIA",
    0x13B5: "Arm",
    0x1414: "Microsoft",
    0x144D: "Samsung",
    0x14E4: "Broadcom",
    0x1AE0: "Google",
    0x5143: "Qualcomm",
    0x8086: "Intel",
    0x10001: "Vivante",
    0x10005: "Mesa",
}
_KINDS = ("other", "integrated", "discrete", "virtual", "software")  # VkPhysicalDeviceType
_LONGEST_NAME = 80

# Dawn, the WebGPU under both LiteRT and ONNX Runtime, refuses an older Vulkan, and prefers
# adapters in this order when asked for speed.
OLDEST_VULKAN = (1, 1)
_DAWN_S_ORDER = {"discrete": 0, "integrated": 1, "software": 2}  # it knows no other kind

# Vulkan's loader (1.3.234 and later) ignores drivers whose file has such a name: Mesa's and
# Chromium's programs.
_HIDDEN = "VK_LOADER_DRIVERS_DISABLE"
_SOFTWARE_DRIVERS = ("*lvp_icd*", "*swiftshader*")
_HIDING = Lock()  # a process has one environment

_SUCCESS, _INCOMPLETE = 0, 5  # of VkResult; an incomplete list is good as far as it goes
_INTEGRATED = 18  # of CUdevice_attribute

# What each function takes. All return an int, or nothing. Handles are pointers, of 64 bits mostly:
# ctypes would cut an undeclared one to 32.
_HANDLE, _OUT_INT = c_void_p, POINTER(c_int)
_VULKAN = {
    "vkCreateInstance": (c_void_p, c_void_p, POINTER(_HANDLE)),
    "vkEnumeratePhysicalDevices": (_HANDLE, POINTER(c_uint32), POINTER(_HANDLE)),
    "vkGetPhysicalDeviceProperties": (_HANDLE, c_char_p),
    "vkDestroyInstance": (_HANDLE, c_void_p),
}
_CUDA = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_OUT_INT,),
    "cuDeviceGetCount": (_OUT_INT,),
    "cuDeviceGet": (_OUT_INT, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (_OUT_INT, c_int, c_int),
}


class _InstanceCreateInfo(Structure):
    """VkInstanceCreateInfo; with all but the type left 0, it asks for nothing."""

    _fields_ = (
        ("type", c_uint32),
        ("next", c_void_p),
        ("flags", c_uint32),
        ("application", c_void_p),
        ("layer_count", c_uint32),
        ("layers", c_void_p),
        ("extension_count", c_uint32),
        ("extensions", c_void_p),
    )


@dataclass(frozen=True)
class Adapter:
    """One GPU as one API shows it, or a program that emulates a GPU (a software adapter)."""

    vendor: str
    name: str
    api: str  # "Vulkan 1.3", "CUDA 12.8"
    kind: str  # discrete, integrated, virtual, software or other

    @property
    def is_software(self) -> bool:
        """True for a program that emulates a GPU."""
        return self.kind == "software"

    @property
    def release(self) -> tuple[int, ...]:
        """The API's version: (12, 8) for CUDA 12.8, the newest CUDA that the driver runs."""
        return release(self.api.partition(" ")[2])

    def __str__(self) -> str:
        software = ", software" if self.is_software else ""
        vendor = "" if self.name.lower().startswith(self.vendor.lower()) else f"{self.vendor} "
        return f"{vendor}{self.name}, {self.api}{software}"


def vulkan() -> tuple[Adapter, ...]:
    """List the adapters of every Vulkan driver, in the loader's order; none without a loader."""
    loader = _library("libvulkan.so.1", _VULKAN)
    if loader is None:
        return ()
    instance = _HANDLE()
    if loader.vkCreateInstance(byref(_InstanceCreateInfo(type=1)), None, byref(instance)):
        return ()  # there is a loader and no driver
    try:
        return tuple(_vulkan_adapter(loader, device) for device in _devices(loader, instance))
    finally:
        loader.vkDestroyInstance(instance, None)


def cuda() -> tuple[Adapter, ...]:
    """List the GPUs of NVIDIA's CUDA driver, in its order; none without a driver."""
    driver = _library("libcuda.so.1", _CUDA)
    version, count = c_int(), c_int()
    if (
        driver is None
        or driver.cuInit(0)
        or driver.cuDriverGetVersion(byref(version))
        or driver.cuDeviceGetCount(byref(count))
    ):
        return ()
    api = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    found = (_cuda_adapter(driver, number, api) for number in range(count.value))
    return tuple(adapter for adapter in found if adapter)


def preferred(found: Sequence[Adapter]) -> Adapter:
    """Choose the adapter that an engine runs on.

    That is CUDA's first, or the one that WebGPU takes when it is asked for speed.

    Args:
        found: one or more, in the order of `vulkan` or `cuda`.
    """

    def rank(adapter: Adapter) -> tuple[bool, int]:
        if adapter.api.startswith("CUDA"):
            return False, 0
        return adapter.release < OLDEST_VULKAN, _DAWN_S_ORDER.get(adapter.kind, 3)

    return min(found, key=rank)  # of equals the first, as Dawn does


@contextlib.contextmanager
def taken(listed: Callable[[], Sequence[Adapter]]) -> Iterator[Adapter | None]:
    """Yield the adapter that an engine opened in this context runs on; None where there is none.

    No engine tells which adapter it took. A program that emulates a GPU must not be taken for the
    GPU beside it, so the program's driver is hidden from Vulkan's loader inside this context. An
    engine that cannot use the GPU then finds nothing, and says so.

    Args:
        listed: `vulkan` or `cuda`.

    Raises:
        DeviceUnavailable: the program cannot be hidden.
    """
    found = listed()
    software = [adapter for adapter in found if adapter.is_software]
    if not found or not software or len(software) == len(found):
        yield preferred(found) if found else None
        return
    with _HIDING:
        before = os.environ.get(_HIDDEN)
        os.environ[_HIDDEN] = ",".join(filter(None, (before, *_SOFTWARE_DRIVERS)))
        try:
            found = listed()
            if any(adapter.is_software for adapter in found):
                raise DeviceUnavailable(
                    f"{software[0]} is here beside a GPU, and engines do not say which they use",
                    "name the driver to use in VK_DRIVER_FILES, one of the files in "
                    "/usr/share/vulkan/icd.d",
                )
            yield preferred(found)
        finally:
            if before is None:
                del os.environ[_HIDDEN]
            else:
                os.environ[_HIDDEN] = before


def newest_cuda(found: Sequence[Adapter]) -> int:
    """Return the newest CUDA that NVIDIA's driver runs: 12 for 12.8; 0 without that driver.

    Args:
        found: the adapters that `cuda` lists.
    """
    releases = (adapter.release for adapter in found if adapter.api.startswith("CUDA"))
    return max((numbers[0] for numbers in releases if numbers), default=0)


def _devices(loader: Any, instance: c_void_p) -> list[int]:
    """List the handles of the physical devices."""
    count = c_uint32()
    if loader.vkEnumeratePhysicalDevices(instance, byref(count), None) != _SUCCESS:
        return []
    handles = (_HANDLE * count.value)()
    if loader.vkEnumeratePhysicalDevices(instance, byref(count), handles) not in (
        _SUCCESS,
        _INCOMPLETE,  # one was plugged in since
    ):
        return []
    return [handle for handle in handles[: count.value] if handle]


def _vulkan_adapter(loader: Any, device: int) -> Adapter:
    properties = ctypes.create_string_buffer(4096)  # it is 824 bytes
    loader.vkGetPhysicalDeviceProperties(device, properties)
    return _parsed(properties.raw)


def _parsed(properties: bytes) -> Adapter:
    """Read VkPhysicalDeviceProperties: five numbers and a name, not the limits after them."""
    version, _, vendor, _, kind = struct.unpack_from("=5I", properties)
    name = properties[20:276].partition(b"\0")[0]
    return Adapter(
        vendor=_VENDORS.get(vendor, f"vendor {vendor:#06x}"),
        name=_text(name),
        api=f"Vulkan {version >> 22 & 0x7F}.{version >> 12 & 0x3FF}",
        kind=_KINDS[kind] if kind < len(_KINDS) else "other",
    )


def _cuda_adapter(driver: Any, number: int, api: str) -> Adapter | None:
    device, integrated = c_int(), c_int()
    name = ctypes.create_string_buffer(256)
    if driver.cuDeviceGet(byref(device), number) or driver.cuDeviceGetName(name, 256, device):
        return None
    driver.cuDeviceGetAttribute(byref(integrated), _INTEGRATED, device)  # on an error it stays 0
    return Adapter(
        "NVIDIA", _text(name.value), api, "integrated" if integrated.value else "discrete"
    )


def _library(name: str, functions: Mapping[str, tuple[Any, ...]]) -> Any:
    """Load a library and declare its functions; return None if it, or one of them, is not there."""
    try:
        library = ctypes.CDLL(name)
        for function, takes in functions.items():
            getattr(library, function).argtypes = takes
    except (OSError, AttributeError):
        return None
    return library


def _text(name: bytes) -> str:
    """Turn a driver's bytes into one short printable line."""
    text = name.decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable()).strip()[:_LONGEST_NAME] or "unnamed"

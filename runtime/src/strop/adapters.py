"""The GPUs that this machine's drivers offer, by the names the drivers give them.

Read straight from the Vulkan loader and the CUDA driver, which come with the drivers: no package is
needed, and none is imported. A broken driver can take the process with it, so `strop doctor` asks
from a process of its own; an engine that is to use a GPU loads the driver anyway.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

# Of PCI's and of Khronos's lists.
_VENDORS = {
    0x1002: "AMD",
    0x1010: "Imagination",
    0x106B: "Apple",
    0x10DE: "NVIDIA",
    0x13B5: "Arm",
    0x14E4: "Broadcom",
    0x1AE0: "Google",
    0x5143: "Qualcomm",
    0x8086: "Intel",
    0x10005: "Mesa",
}
_KINDS = ("other", "integrated", "discrete", "virtual", "software")  # VkPhysicalDeviceType


@dataclass(frozen=True)
class Adapter:
    """One GPU, or a program that plays one."""

    vendor: str
    name: str
    api: str  # "Vulkan 1.3", "CUDA 12.8"
    kind: str  # discrete, integrated, virtual, software or other

    @property
    def is_software(self) -> bool:
        return self.kind == "software"

    def __str__(self) -> str:
        software = ", software" if self.is_software else ""
        vendor = "" if self.name.lower().startswith(self.vendor.lower()) else f"{self.vendor} "
        return f"{vendor}{self.name}, {self.api}{software}"


def vulkan() -> tuple[Adapter, ...]:
    """The adapters of every Vulkan driver, in the loader's order; none without a loader."""
    loader = _library("libvulkan.so.1")
    if loader is None:
        return ()
    # VkInstanceCreateInfo: type 1, and nothing asked for.
    info = struct.pack("<IxxxxQIxxxxQIxxxxQIxxxxQ", 1, 0, 0, 0, 0, 0, 0, 0)
    instance = ctypes.c_void_p()
    if loader.vkCreateInstance(info, None, ctypes.byref(instance)):
        return ()  # there is a loader and no driver
    try:
        count = ctypes.c_uint32()
        loader.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
        devices = (ctypes.c_void_p * count.value)()
        loader.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
        return tuple(_properties(loader, device) for device in devices[: count.value])
    finally:
        loader.vkDestroyInstance(instance, None)


def cuda() -> tuple[Adapter, ...]:
    """The GPUs of NVIDIA's CUDA driver, in its order; none without a driver."""
    driver = _library("libcuda.so.1")
    if driver is None or driver.cuInit(0):
        return ()
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    api = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    found = []
    for number in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, len(name), device)
        found.append(Adapter("NVIDIA", _text(name.value), api, "discrete"))
    return tuple(found)


def preferred(found: tuple[Adapter, ...]) -> Adapter:
    """The one that a WebGPU asked for speed takes: discrete before integrated before software."""
    order = ("discrete", "integrated", "virtual", "other", "software")
    return min(found, key=lambda adapter: order.index(adapter.kind))


def _properties(loader: ctypes.CDLL, device: int) -> Adapter:
    """VkPhysicalDeviceProperties: five numbers and a name; the limits after them are let be."""
    buffer = ctypes.create_string_buffer(4096)
    loader.vkGetPhysicalDeviceProperties(ctypes.c_void_p(device), buffer)
    version, _, vendor, _, kind = struct.unpack_from("<5I", buffer)
    name = buffer.raw[20:276].partition(b"\0")[0]
    return Adapter(
        vendor=_VENDORS.get(vendor, f"vendor {vendor:#06x}"),
        name=_text(name),
        api=f"Vulkan {version >> 22 & 0x7F}.{version >> 12 & 0x3FF}",
        kind=_KINDS[kind] if kind < len(_KINDS) else "other",
    )


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _text(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable()).strip() or "unnamed"

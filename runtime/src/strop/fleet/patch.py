"""Patches: a bundle as its difference from another one that the device has.

It is what `zstd --patch-from` makes (RFC 8878, with the old bundle as a raw dictionary).
"""

from __future__ import annotations

import sys

from strop.errors import RegistryError

if sys.version_info >= (3, 14):
    from compression.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
        compress,
    )
else:
    from backports.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
        compress,
    )

_LEVEL = 19  # the best that does not need more memory to read
_LEAST_LOG, _MOST_LOG = 10, 30  # of a window: zstd's least; and 1 GiB, two bundles at their largest


def make(new: bytes, old: bytes) -> bytes:
    """Make the patch that leads from an old bundle to a new one."""
    options: dict[int, int] = {
        CompressionParameter.compression_level: _LEVEL,
        CompressionParameter.window_log: _window_log(len(new), len(old)),
        CompressionParameter.enable_long_distance_matching: 1,
    }
    return compress(new, options=options, zstd_dict=ZstdDict(old, is_raw=True).as_prefix)


def apply(patch: bytes, old: bytes, new_bytes: int) -> bytes:
    """Return the new bundle; its digest is for the caller to check.

    Args:
        patch: of any bytes.
        old: the bundle that it starts from.
        new_bytes: the size of the new bundle. No more is made, and no more memory is taken than
            bundles of these sizes need.

    Raises:
        RegistryError: it is not a patch to a bundle of that size.
    """
    options: dict[int, int] = {
        DecompressionParameter.window_log_max: _window_log(new_bytes, len(old))
    }
    reader = ZstdDecompressor(zstd_dict=ZstdDict(old, is_raw=True).as_prefix, options=options)
    try:
        new = reader.decompress(patch, max_length=new_bytes + 1)
    except (ZstdError, EOFError, MemoryError) as error:
        raise RegistryError(f"the patch is damaged: {error}") from None
    if len(new) != new_bytes or not reader.eof or reader.unused_data:
        raise RegistryError(f"the patch does not lead to a bundle of {new_bytes} bytes")
    return new


def _window_log(new_bytes: int, old_bytes: int) -> int:
    """Return the logarithm of a window that spans both bundles."""
    return min(max((new_bytes + old_bytes).bit_length(), _LEAST_LOG), _MOST_LOG)

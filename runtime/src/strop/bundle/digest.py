"""SHA-256 with a short start: the interpreter's own code at first, OpenSSL's for larger amounts.

`hashlib` loads OpenSSL on import. At the start of an app that takes 3 ms and 3.7 MB, which is
longer than hashing a small bundle twice (docs/decisions/0016-hot-path.md). `random`, in the
standard library, avoids OpenSSL in the same way.
"""

from __future__ import annotations

import sys

try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256 as _own
    else:
        from _sha256 import sha256 as _own  # type: ignore[import-not-found]
except ImportError:  # a Python built without; hashlib then has OpenSSL's
    from hashlib import sha256 as _own

_HEX_DIGITS = frozenset("0123456789abcdef")

LARGE_BYTES = 2 * 2**20  # in all; from here on OpenSSL, several times as fast, pays for its loading
_so_far_bytes = 0


def sha256_hex(data: bytes | memoryview) -> str:
    """Return the SHA-256 of the data (FIPS 180-4), as 64 lower-case hexadecimal digits."""
    global _so_far_bytes
    _so_far_bytes += len(data)  # threads may lose some of it, and load OpenSSL later
    if _so_far_bytes >= LARGE_BYTES or "_hashlib" in sys.modules:  # or OpenSSL is here already
        from hashlib import sha256

        return sha256(data).hexdigest()
    digest: str = _own(data).hexdigest()
    return digest


def is_sha256(text: str) -> bool:
    """Tell whether a text is written as `sha256_hex` writes one."""
    return len(text) == 64 and set(text) <= _HEX_DIGITS

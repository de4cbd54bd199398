"""Plumbing: BLAKE2b (RFC 7693), without the rest of :mod:`hashlib`.

``hashlib`` loads OpenSSL as well: 2 ms of start-up and 3 MB of memory, for a hash that is CPython's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        from _blake2 import blake2b
    except ImportError:  # another Python than CPython
        from hashlib import blake2b

__all__ = ["blake2b"]

"""Giving memory back to the system."""

import ctypes
from contextlib import suppress


def give_back_memory() -> None:
    """Return what this process freed and still holds; where the C library cannot, nothing happens.

    A decoder's pictures leave holes in the heap of its thread. After some dozen connections a
    process would hold several times what its cameras use.
    """
    with suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)

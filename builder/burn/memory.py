"""Memory compared where it lies: Python would copy both sides first, one thread at a time."""

import ctypes

import xxhash

_memcmp = ctypes.CDLL(None).memcmp


def is_same(one: memoryview, other: memoryview) -> bool:
    """Tell whether two writable buffers hold the same bytes, as memcmp(3) does."""
    if len(one) != len(other):
        return False
    kind = ctypes.c_char * len(one)
    left, right = kind.from_buffer(one), kind.from_buffer(other)
    return not _memcmp(left, right, ctypes.c_size_t(len(one)))


Sum = xxhash.xxh3_128
"""Sums up content piece by piece: 16 bytes that tell it from what a broken card makes of it."""


def checksum(content: memoryview) -> bytes:
    """Return the sum of content that is there at once."""
    return Sum(content).digest()

"""Memory compared where it lies: Python would copy both sides first, one thread at a time."""

import ctypes


def is_same(one: memoryview, other: memoryview) -> bool:
    """Tell whether two writable buffers hold the same bytes, as memcmp(3) does."""
    if len(one) != len(other):
        return False
    kind = ctypes.c_char * len(one)
    left, right = kind.from_buffer(one), kind.from_buffer(other)
    return not ctypes.CDLL(None).memcmp(left, right, ctypes.c_size_t(len(one)))

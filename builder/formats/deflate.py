"""Deflate and CRC-32 by the fastest library that is installed; zlib is the fallback.

Sources: RFC 1950 (zlib), RFC 1951 (deflate), RFC 1952 (gzip). isal has levels up to 3 and is ten
times as fast there as zlib; zlib-ng has all levels and inflates fastest. Their bytes differ,
what they inflate to does not.
"""

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Protocol, cast

_FASTEST = 3
"""The highest level that isal has."""


class Compressor(Protocol):
    """Common interface of the libraries."""

    def compress(self, data: bytes | bytearray, /) -> bytes:
        """Take bytes in and return what has come out."""
        ...

    def flush(self, mode: int = ..., /) -> bytes:
        """Return the rest; ``mode`` as zlib has them."""
        ...


class Inflater(Protocol):
    """Common interface of the libraries."""

    @property
    def eof(self) -> bool:
        """Return whether the end of the stream was read."""
        ...

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that was not needed for as much as was asked."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the stream."""
        ...

    def copy(self) -> "Inflater":
        """Return another one in the same state."""
        ...

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        """Return at most so many bytes."""
        ...


def compressor(level: int, window_bits: int) -> Compressor:
    """Return the fastest compressor for a level, 1 to 9; ``window_bits`` as zlib has them."""
    if level <= _FASTEST:
        with suppress(ImportError):
            from isal import isal_zlib

            return isal_zlib.compressobj(level, isal_zlib.DEFLATED, window_bits)
    with suppress(ImportError):
        from zlib_ng import zlib_ng

        return zlib_ng.compressobj(level, zlib_ng.DEFLATED, window_bits)
    return zlib.compressobj(level, zlib.DEFLATED, window_bits)


def inflater(window_bits: int) -> Inflater:
    """Return the fastest decoder; ``window_bits`` as zlib has them."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib.decompressobj(window_bits)
    # Its stubs leave copy() out.
    return cast("Inflater", zlib_ng.decompressobj(window_bits))


@cache
def inflate_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of the decoders."""
    found: list[object] = [zlib.error]
    with suppress(ImportError):
        from zlib_ng import zlib_ng

        found.append(zlib_ng.error)
    return tuple(each for each in found if isinstance(each, type) and issubclass(each, Exception))


@cache
def checksum() -> Callable[..., int]:
    """Return the fastest CRC-32: of bytes, and of a CRC-32 that they go on from."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib.crc32
    return zlib_ng.crc32

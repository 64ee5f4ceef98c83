"""Decoders of gzip, xz and Zstandard with one form: fed piece by piece, at most a few MiB out.

Sources: RFC 1952 (gzip), the .xz File Format 1.2.1, RFC 8878 (Zstandard).
"""

import lzma
import zlib
from contextlib import suppress
from typing import TypeAlias

from builder.formats import gz, zst
from builder.formats.deflate import inflate_errors, inflater
from builder.formats.disk import KIB, MIB
from builder.formats.gz_zeros import InflateZeros

_MEMORY_LIMIT = 256 * MIB


class Inflate:
    """Gzip, by the fastest library that is installed."""

    def __init__(self) -> None:
        self._object = inflater(16 + zlib.MAX_WBITS)
        self.wants_more = True

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        return bytes(self._object.unused_data)

    def feed(self, data: bytes) -> bytes:
        """Return up to 1 MiB."""
        out = self._object.decompress(self._object.unconsumed_tail + data, MIB)
        self.wants_more = not self._object.unconsumed_tail and len(out) < MIB
        return out


class Unxz:
    """The .xz format."""

    def __init__(self) -> None:
        self._object = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_LIMIT)
        self.wants_more = True

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        return self._object.unused_data

    def feed(self, data: bytes) -> bytes:
        """Return up to 1 MiB."""
        out = self._object.decompress(data, MIB)
        self.wants_more = self._object.needs_input
        return out


class Unzst:
    """One frame of Zstandard; a few bytes of it may stand for very many."""

    def __init__(self) -> None:
        zst.check_library()
        import zstandard

        self._object = zstandard.ZstdDecompressor().decompressobj()
        self._rest = b""
        self.wants_more = True

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        return self._object.unused_data + self._rest

    def feed(self, data: bytes) -> bytes:
        """Return what the next KiB holds: 32 MiB when it is a bomb."""
        self._rest += data
        part, self._rest = self._rest[:KIB], self._rest[KIB:]
        self.wants_more = not self._rest
        return self._object.decompress(part)


Decoder: TypeAlias = Inflate | InflateZeros | Unxz | Unzst


def inflate_member(data: bytes) -> Decoder:
    """Return the decoder of the gzip member that begins with ``data``."""
    if data.startswith(gz.HEADER):
        return InflateZeros(inflater(-zlib.MAX_WBITS))
    return Inflate()


def decoder_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of the decoders."""
    found: list[object] = [*inflate_errors(), lzma.LZMAError]
    with suppress(ImportError):
        import zstandard

        found.append(zstandard.ZstdError)
    return tuple(each for each in found if isinstance(each, type) and issubclass(each, Exception))

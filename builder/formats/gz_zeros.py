"""Gzip as it is written here, read without inflating the same zeros again and again.

A decoder is in a known state where a block begins on a byte and its history, 32 KiB by RFC 1951,
is nothing but zeros. Input that led from this state back to it, and gave zeros, will do so again:
its repetitions are counted and not decoded. The checksum is taken of all, so that damage is found
as by any other decoder.

Reads members that begin with the header that :mod:`builder.formats.gz` writes, and no others.
"""

import zlib

from builder.formats.deflate import Inflater, checksum, inflate_errors
from builder.formats.disk import KIB, MIB
from builder.formats.gz import HEADER, TRAILER, combine_crc, crc_of_zeros
from builder.formats.sparse import ZEROS, is_zero

_FLUSHED = b"\0\0\xff\xff"
"""An empty stored block, with which a writer ends what it flushes: RFC 1951, 3.2.4."""
_END = b"\x03\0"
"""The shortest last block. Where one may begin, it ends the stream and gives nothing."""
_HISTORY = 32 * KIB
_LONGEST = 16 * KIB
"""Input that is longer is not remembered; 1 MiB of zeros takes 1 KiB."""
_MASK = 0xFFFF_FFFF


class InflateZeros:
    """Decodes one member.

    Attributes:
        wants_more: Whether :meth:`feed` needs input to go on.
        eof: Whether the member has ended, and its checksum was right.
        unused_data: What was read behind it.
        skipped: How many bytes of zeros were not decoded.
    """

    def __init__(self, inflate: Inflater) -> None:
        """Start with a decoder of raw deflate data."""
        self.wants_more, self.eof, self.unused_data = True, False, b""
        self.skipped = 0
        self._inflate = inflate
        self._input, self._at, self._has_begun = b"", 0, False
        self._crc = self._size = self._pending = 0
        self._is_known_state = False
        self._known, self._known_size = b"", 0
        self._segment, self._given, self._is_zero = b"", 0, True
        self._is_full = self._is_flushed = False

    def feed(self, data: bytes) -> bytes:
        """Return up to 1 MiB; the first input holds the whole header.

        Raises:
            zlib.error: the data is damaged; or that of the decoder.
        """
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        if not self._has_begun:
            self._at, self._has_begun = len(HEADER), True
        if self._inflate.eof:
            return self._finish()
        if not self._segment and self._skip():
            return ZEROS[: self._known_size]
        return self._decode()

    def _skip(self) -> bool:
        """Skip input that is known to decode to zeros; return whether there was any."""
        if not self._is_known_state or not self._known:
            return False
        if not self._input.startswith(self._known, self._at):
            return False
        self._at += len(self._known)
        self._pending += self._known_size
        self.skipped += self._known_size
        self.wants_more = self._at == len(self._input)
        return True

    def _decode(self) -> bytes:
        """Decode on, not farther than to the next flush."""
        tail = self._inflate.unconsumed_tail
        if not tail and not self._is_full:
            end = self._input.find(_FLUSHED, self._at)
            self._is_flushed = end >= 0
            tail = self._input[self._at : end + len(_FLUSHED) if end >= 0 else len(self._input)]
            self._at += len(tail)
            if len(self._segment) <= _LONGEST:
                self._segment += tail
        out = self._inflate.decompress(tail, MIB)
        self._is_full = len(out) == MIB
        self._count(out)
        if self._inflate.eof:
            self._input, self._at = self._inflate.unused_data + self._input[self._at :], 0
            self.wants_more = False
            return out
        is_through = not self._inflate.unconsumed_tail and not self._is_full
        if is_through and self._is_flushed:
            self._learn()
        self.wants_more = is_through and self._at == len(self._input)
        return out

    def _count(self, out: bytes) -> None:
        """Take in what was decoded."""
        if not out:
            return
        self._settle()
        self._crc = checksum()(out, self._crc)
        self._size += len(out)
        self._given += len(out)
        self._is_zero = self._is_zero and is_zero(out)

    def _settle(self) -> None:
        """Add the skipped zeros to the checksum."""
        if self._pending:
            zeros = crc_of_zeros(self._pending)
            self._crc = combine_crc(self._crc, zeros, self._pending)
            self._size += self._pending
            self._pending = 0

    def _learn(self) -> None:
        """Remember input that decoded to zeros, if the decoder returned to its earlier state."""
        was_known = self._is_known_state
        fits = len(self._segment) <= _LONGEST and _HISTORY <= self._given <= MIB
        self._is_known_state = fits and self._is_zero and self._is_at_block()
        if was_known and self._is_known_state:
            self._known, self._known_size = self._segment, self._given
        self._begin()

    def _begin(self) -> None:
        """Begin with what ends with the next flush."""
        self._segment, self._given, self._is_zero = b"", 0, True
        self._is_full = self._is_flushed = False

    def _is_at_block(self) -> bool:
        """Return whether a block may begin on the next byte."""
        probe = self._inflate.copy()
        try:
            return not probe.decompress(_END, len(_END)) and probe.eof and not probe.unused_data
        except inflate_errors():
            return False

    def _finish(self) -> bytes:
        """Check what follows the last block."""
        if len(self._input) < TRAILER.size:
            self.wants_more = True
            return b""
        self._settle()
        if TRAILER.unpack_from(self._input) != (self._crc, self._size & _MASK):
            raise zlib.error("incorrect data check")
        self.unused_data = self._input[TRAILER.size :]
        self.eof = True
        return b""

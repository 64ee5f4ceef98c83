"""Files that are compressed one by one, as mkzftree makes them: zisofs.

Source: zisofs-tools, and Linux, fs/isofs/compress.c. Rock Ridge says it of a file by an entry ZF:
``pz`` for zlib, a quarter of the bytes of the header, the logarithm of the block size, and the
file's own size in both byte orders. What is stored:

    offset  size  field
    0x00    8     37 e4 53 96 c9 db d6 07
    0x08    4     bytes of the file, little endian as all numbers
    0x0c    1     a quarter of the bytes of the header
    0x0d    1     logarithm of the block size: 15, 16 or 17
    0x10    4n    where each block begins, then where the last one ends; an empty one is zeros

Does not compress, and does not know version 2 (``PZ``), which xorriso makes on request.
"""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator

from builder.errors import FormatError, UnsupportedError
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.system_use import Protocol, ReadArea, iter_entries
from builder.formats.iso9660.volume import unpack_both32
from builder.structs import Struct

_MAGIC = bytes.fromhex("37e45396c9dbd607")
_HEAD = struct.Struct("<8sIBBxx")
_LOGARITHMS = range(15, 18)
_POINTER_SIZE = 4
_ZF_SIZE = 16
_ZLIB = b"pz"

ReadPacked = Callable[[int, int], bytes]
"""Returns stored bytes at an offset of a file, and a length."""


class Packing(Struct, frozen=True):
    """What Rock Ridge says of a compressed file.

    Attributes:
        method: ``pz`` for zlib.
        logarithm: Of the bytes in a block.
        size: Bytes of the file itself.
    """

    method: bytes
    logarithm: int
    size: int


def read_packing(record: Record, protocol: Protocol, read: ReadArea) -> Packing | None:
    """Return how a record's file is compressed; ``None`` when it is not."""
    if b"ZF" not in record.raw and b"CE" not in record.raw:
        return None
    for entry in iter_entries(record, protocol.skip, read):
        if entry[:2] == b"ZF" and len(entry) >= _ZF_SIZE:
            known = entry[4:6] == _ZLIB
            size = (
                unpack_both32(entry, 8, "ISO 9660: Rock Ridge entry b'ZF'")
                if known
                else record.size
            )
            return Packing(bytes(entry[4:6]), entry[7], size)
    return None


def unpack(name: str, packing: Packing, stored: int, read: ReadPacked) -> Iterator[bytes]:
    """Yield the content of a compressed file, block by block.

    Args:
        name: What messages call it.
        packing: What Rock Ridge says of it.
        stored: How many bytes there are.
        read: Returns some of them.

    Raises:
        UnsupportedError: the compression method or block size is not supported.
        FormatError: it is damaged.
    """
    where = f"ISO 9660: {name}: zisofs"
    if packing.method != _ZLIB or packing.logarithm not in _LOGARITHMS:
        raise UnsupportedError(
            f"{where}: method {packing.method!r} with blocks of 2^{packing.logarithm} bytes; only"
            " 'pz' with blocks of 2^15 to 2^17 bytes can be read",
            hint="rewrite the image without --zisofs, or with -zisofs version_2=off",
        )
    block = 1 << packing.logarithm
    pointers = _pointers(where, packing, stored, read)
    lowest = _HEAD.size + len(pointers) * _POINTER_SIZE
    for at, (start, end) in enumerate(itertools.pairwise(pointers)):
        wanted = min(block, packing.size - at * block)
        if not lowest <= start <= end <= min(stored, start + 2 * block):
            raise FormatError(f"{where}: block {at}: lies at bytes {start} to {end} of {stored}")
        yield (
            _inflate(where, at, read(start, end - start), wanted) if end > start else bytes(wanted)
        )


def _pointers(where: str, packing: Packing, stored: int, read: ReadPacked) -> tuple[int, ...]:
    """Return where the blocks begin, and where the last one ends."""
    wanted = (_MAGIC, packing.size, _HEAD.size // 4, packing.logarithm)
    if stored < _HEAD.size or _HEAD.unpack(read(0, _HEAD.size)) != wanted:
        raise FormatError(f"{where}: the header is not what the entry ZF says")
    count = -(-packing.size // (1 << packing.logarithm)) + 1
    if _HEAD.size + count * _POINTER_SIZE > stored:
        raise FormatError(
            f"{where}: {stored} bytes are too few for the table of {count - 1} blocks"
        )
    return struct.unpack(f"<{count}I", read(_HEAD.size, count * _POINTER_SIZE))


def _inflate(where: str, at: int, data: bytes, wanted: int) -> bytes:
    """Return what a block holds."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, wanted + 1)
    except zlib.error as error:
        raise FormatError(f"{where}: block {at}: {error}") from error
    if len(found) != wanted or not stream.eof or stream.unused_data:
        raise FormatError(f"{where}: block {at}: does not hold {wanted} bytes")
    return found

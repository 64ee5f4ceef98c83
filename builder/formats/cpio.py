"""Archives of the kernel's initramfs: the files of one, while it is being decompressed.

Format: the Linux kernel's Documentation/driver-api/early-userspace/buffer-format.rst, "newc"
entries with or without checksums; several archives one after another, each compressed with gzip
or not at all. Nothing is unpacked, and only what is asked for is held in memory.

Does not read the old binary and octal formats, nor other compressions.
"""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator

from builder.errors import FormatError

_MAGICS = (b"070701", b"070702")
_GZIP = b"\x1f\x8b"
_HEADER_SIZE = 110
_MODE, _SIZE, _NAME_SIZE = (slice(6 + 8 * n, 14 + 8 * n) for n in (1, 6, 11))
_FILE_TYPE, _REGULAR = 0o170000, 0o100000
_TRAILER = b"TRAILER!!!"
_LONGEST_NAME = 4096
_LARGEST_KEPT = 16 << 20
_GZIP_WINDOW = 31


def iter_files(
    pieces: Iterable[bytes], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the regular files that are wanted, in the archive's order.

    Args:
        pieces: The initramfs, piece by piece.
        wanted: Told a name without leading slash or dot; tells whether its content is.

    Raises:
        FormatError: the archive is damaged, cut short, or compressed otherwise.
    """
    source = _Source(filter(None, _decompressed(iter(pieces))))
    while source.skip_zeros():
        name, mode, size = _read_header(source)
        if name == _TRAILER:
            continue
        text = name.decode(errors="surrogateescape").removeprefix("./").lstrip("/")
        if mode & _FILE_TYPE == _REGULAR and size <= _LARGEST_KEPT and wanted(text):
            yield text, source.take(size)
        else:
            source.drop(size)
        source.drop(-size % 4)


class _Source:
    """A stream of which exact amounts are taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        return b"".join(self._parts(size))

    def drop(self, size: int) -> None:
        """Pass over the next bytes."""
        for _ in self._parts(size):
            pass

    def skip_zeros(self) -> bool:
        """Pass over zeros between archives; tells whether anything follows."""
        while True:
            rest = self._held.lstrip(b"\0")
            self._position += len(self._held) - len(rest)
            self._held = rest
            if rest:
                return True
            self._held = next(self._pieces, b"")
            if not self._held:
                return False

    def _parts(self, size: int) -> Iterator[bytes]:
        """Yield the next bytes in pieces."""
        while size:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    raise FormatError(f"cpio: cut short at byte {self._position}")
            part, self._held = self._held[:size], self._held[size:]
            self._position += len(part)
            size -= len(part)
            yield part


def _read_header(source: _Source) -> tuple[bytes, int, int]:
    """Return name, mode and size of the next entry."""
    header = source.take(_HEADER_SIZE)
    if not header.startswith(_MAGICS):
        raise FormatError(f"cpio: an entry begins with {header[:6]!r}; wanted {_MAGICS[0]!r}")
    mode, size, name_size = (_number(header[at]) for at in (_MODE, _SIZE, _NAME_SIZE))
    if not 0 < name_size <= _LONGEST_NAME:
        raise FormatError(f"cpio: a name has {name_size} bytes; wanted 1 to {_LONGEST_NAME}")
    name = source.take(name_size).rstrip(b"\0")
    source.drop(-(_HEADER_SIZE + name_size) % 4)
    return name, mode, size


def _number(digits: bytes) -> int:
    """Return the number that eight hex digits stand for."""
    try:
        return int(digits.decode("ascii"), 16)
    except ValueError:
        raise FormatError(f"cpio: {digits!r} is no number in hex digits") from None


def _decompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the archives, decompressed where they are compressed."""
    held = next(pieces, b"")
    while held:
        if held.startswith(_GZIP):
            held = yield from _inflated(held, pieces)
        elif held.startswith((b"\0", b"0")):
            yield held
            held = next(pieces, b"")
        else:
            raise FormatError(f"initramfs: begins with {held[:6]!r}; wanted gzip or newc")


def _inflated(held: bytes, pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    """Yield one gzip member; returns what follows it, zeros between members left out."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        yield inflater.decompress(held)
        while not inflater.eof:
            yield inflater.decompress(next(pieces))
    except StopIteration:
        raise FormatError("initramfs: its gzip stream is cut short") from None
    except zlib.error as error:
        raise FormatError(f"initramfs: {error}") from None
    rest = inflater.unused_data
    for piece in pieces:
        if rest.strip(b"\0"):
            return rest.lstrip(b"\0") + piece
        rest = piece
    return rest.lstrip(b"\0")

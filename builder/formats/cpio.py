"""Archives of the kernel's initramfs: the files of one, while it is being decompressed.

Format: the Linux kernel's Documentation/driver-api/early-userspace/buffer-format.rst, "newc"
entries with or without checksums; several archives one after another, each compressed or not.
Nothing is unpacked, and only what is asked for is held in memory.

Reads gzip, xz and Zstandard. Does not read the old binary and octal formats.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from builder.errors import FormatError
from builder.formats.compression import Compression, iter_member, sniff

_MAGICS = (b"070701", b"070702")
_HEADER_SIZE = 110
_MODE, _SIZE, _NAME_SIZE = (slice(6 + 8 * n, 14 + 8 * n) for n in (1, 6, 11))
_FILE_TYPE, _REGULAR = 0o170000, 0o100000
_TRAILER = b"TRAILER!!!"
_LONGEST_NAME = 4096
_LARGEST_KEPT = 16 << 20
_WHAT = "initramfs"


def iter_files(
    pieces: Iterable[bytes], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the regular files that are wanted, in the archive's order.

    Args:
        pieces: The initramfs, piece by piece.
        wanted: Called with a name without leading slash or dot; returns whether to yield it.

    Raises:
        FormatError: the archive is damaged, cut short, or compressed otherwise.
    """
    source = _Source(iter(pieces))
    while source.skip_zeros():
        kind = sniff(source.peek(), name=_WHAT)
        if kind is Compression.NONE:
            yield from _archive(source, wanted)
            continue
        inside = _Source(_unpacked(source, kind))
        while inside.skip_zeros():
            yield from _archive(inside, wanted)


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Return an uncompressed archive of regular files, root's, 0644, without times.

    Args:
        files: Name without leading slash to content; the directories above need no entries where
            nobody unpacks it.
    """
    out = bytearray()
    for number, (name, data) in enumerate(files.items(), 1):
        out += _entry(name.encode(), data, number, _REGULAR | 0o644)
    return bytes(out + _entry(_TRAILER, b"", 0, 0))


def _entry(name: bytes, data: bytes, number: int, mode: int) -> bytes:
    """Return one entry, padded."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = _MAGICS[0] + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _unpacked(source: "_Source", kind: Compression) -> Iterator[bytes]:
    """Yield a compressed member; what follows it is left in its source."""
    rest = yield from iter_member(kind, source.some(), source.some, _WHAT)
    source.give_back(rest)


def _archive(source: "_Source", wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield what is wanted of one archive, to its trailer."""
    while True:
        name, mode, size = _read_header(source)
        if name == _TRAILER:
            return
        text = name.decode(errors="surrogateescape").removeprefix("./").lstrip("/")
        if mode & _FILE_TYPE == _REGULAR and size <= _LARGEST_KEPT and wanted(text):
            yield text, source.take(size)
        else:
            source.drop(size)
        source.drop(-size % 4)


class _Source:
    """A stream of which exact amounts are taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = filter(None, pieces)
        self._held = b""
        self._at = 0
        self._before = 0

    def peek(self) -> bytes:
        """Return some of the next bytes without taking them."""
        while len(self._held) - self._at < len(_MAGICS[0]) and (piece := next(self._pieces, b"")):
            self._held += piece
        return self._held[self._at : self._at + _HEADER_SIZE]

    def some(self) -> bytes:
        """Take the buffered bytes, or read more; empty at the end."""
        if self._at == len(self._held):
            self._hold(next(self._pieces, b""))
        part = self._held[self._at :]
        self._at = len(self._held)
        return part

    def give_back(self, data: bytes) -> None:
        """Put back the last bytes that were taken."""
        self._before += self._at - len(data)
        self._held, self._at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        parts = []
        while size > len(self._held) - self._at:
            parts.append(self._held[self._at :])
            size -= len(parts[-1])
            self._load()
        self._at += size
        return b"".join([*parts, self._held[self._at - size : self._at]])

    def drop(self, size: int) -> None:
        """Skip bytes."""
        while size > len(self._held) - self._at:
            size -= len(self._held) - self._at
            self._load()
        self._at += size

    def skip_zeros(self) -> bool:
        """Skip zeros between archives; return whether anything follows."""
        while True:
            self._at = len(self._held) - len(self._held[self._at :].lstrip(b"\0"))
            if self._at < len(self._held):
                return True
            piece = next(self._pieces, b"")
            if not piece:
                return False
            self._hold(piece)

    def _load(self) -> None:
        """Hold the next piece; the one before is not looked at any more."""
        piece = next(self._pieces, b"")
        if not piece:
            raise FormatError(f"cpio: cut short at byte {self._before + len(self._held)}")
        self._hold(piece)

    def _hold(self, piece: bytes) -> None:
        """Hold a piece instead of the one before."""
        self._before += len(self._held)
        self._held, self._at = piece, 0


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
        raise FormatError(f"cpio: {digits!r} is not a hexadecimal number") from None

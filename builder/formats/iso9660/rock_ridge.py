"""Rock Ridge: POSIX names, owners, modes and links in the system use area of directory records.

Source: Rock Ridge Interchange Protocol (IEEE P1282, RRIP 1.12). The entries, as ``system_use``
has them:

    PX  mode, links, uid, gid, in later versions a serial number; each in both byte orders
    NM  flags (1 another follows, 2 this directory, 4 its parent), name
    SL  flags (1 another follows), components of a link: flags (1 continues, 2 ., 4 .., 8 /),
        length, text
    TF  flags (1 created, 2 modified, 4 accessed, 8 changed..., 0x80 17-byte times), times
    CL  block of a directory that was moved elsewhere because it lay too deep; RE marks it there

Keeps no extended attributes (AL) of what is replaced.
"""

import calendar
import stat
import struct
from collections.abc import Iterator

from builder.errors import FormatError, GuestError
from builder.formats.iso9660.directory import Record, pack_time, unpack_time
from builder.formats.iso9660.system_use import (
    CE_SIZE,
    ENTRY_HEAD,
    Protocol,
    ReadArea,
    find_entry,
    iter_entries,
    pack_continuation,
    read_numbers,
)
from builder.formats.iso9660.volume import BLOCK, pack_both32, unpack_both32
from builder.structs import Struct

_SHORT_PX, LONG_PX = 36, 44
_CONTINUES, _CURRENT, _PARENT, _ROOT = 1, 2, 4, 8
_MODIFIED = 0x02
_LONG_TIMES = 0x80
_TIMES = 0x0E
_LARGEST_PIECE = 248
_XA_FORM_1, _XA_DIRECTORY = 0x0800, 0x8000
_READ, _RUN = 4, 1
_NOT_PLAIN = (b"CE", b"CL", b"RE", b"ST")


class Attributes(Struct, frozen=True):
    """What Rock Ridge says of a node.

    Attributes:
        name: Empty for a directory's record of itself and of its parent.
        mode: Type and permission bits; zero when there is no PX.
        uid: Owner.
        gid: Group.
        links: Number of links.
        target: Where a symbolic link points.
        mtime: Time of the last change, ``None`` when it is not said.
        child: Block of a directory that lives elsewhere (CL).
        moved: Whether the record is such a directory's, where it lives (RE).
    """

    name: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    links: int = 1
    target: bytes = b""
    mtime: int | None = None
    child: int | None = None
    moved: bool = False


def read_plain_name(record: Record, protocol: Protocol) -> bytes | None:
    """Return the name of an ordinary record quickly; ``None`` when it takes a closer look."""
    raw = bytes(record.raw)
    offset = record.system_use + protocol.skip
    end = len(raw) - ENTRY_HEAD
    name: bytes | None = None
    while offset <= end:
        length = raw[offset + 2]
        following = offset + length
        if raw.startswith(b"NM", offset):
            if name is not None or raw[offset + 4] or following > len(raw):
                return None
            name = raw[offset + 5 : following]
        elif length < ENTRY_HEAD or raw.startswith(_NOT_PLAIN, offset):
            return None
        offset = following
    return name


def read_attributes(record: Record, protocol: Protocol, read: ReadArea) -> Attributes:
    """Return what Rock Ridge says of a record.

    Raises:
        FormatError: an entry is damaged.
    """
    name, link = bytearray(), _Link()
    mode = uid = gid = 0
    links = 1
    mtime: int | None = None
    child: int | None = None
    moved = False
    for entry in iter_entries(record, protocol.skip, read):
        match entry[:2]:
            case b"NM" if not entry[4] & (_CURRENT | _PARENT):
                name += entry[5:]
            case b"PX":
                mode, links, uid, gid = read_numbers(entry, 4)
            case b"SL":
                link.add(entry)
            case b"TF":
                mtime = _modified(entry)
            case b"CL":
                (child,) = read_numbers(entry, 1)
            case b"RE":
                moved = True
            case _:
                pass
    return Attributes(
        bytes(name), mode, uid, gid, links, link.target(), mtime, child=child, moved=moved
    )


def pack_attributes(attributes: Attributes, protocol: Protocol, room: int) -> tuple[bytes, bytes]:
    """Return a record's system use area, and the entries that do not fit into it.

    When the second is not empty, the first ends with a CE entry for :func:`pack_continuation`.

    Args:
        attributes: What to say.
        protocol: How the volume uses Rock Ridge.
        room: Bytes that the record has for the area.

    Raises:
        GuestError: a name or a target is too long.
    """
    entries = list(_iter_packed(attributes, protocol))
    inside = _pack_xa(attributes.mode) if protocol.has_xa else bytes(protocol.skip)
    if len(inside) + sum(map(len, entries)) <= room:
        return inside + b"".join(entries), b""
    while len(inside) + len(entries[0]) <= room - CE_SIZE:
        inside += entries.pop(0)
    rest = b"".join(entries)
    if len(rest) > BLOCK:
        raise GuestError(
            f"ISO 9660: {attributes.name.decode(errors='replace')}:"
            f" its name and target take {len(rest)} bytes; at most {BLOCK} fit"
        )
    return inside + pack_continuation(0, 0, 0), rest


def edit_mode(
    record: Record,
    protocol: Protocol,
    *,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    links: int = 0,
) -> bool:
    """Change the PX entry in a record, if it has one.

    Args:
        record: Record to change.
        protocol: How the volume uses Rock Ridge.
        mode: Type and permission bits, ``None`` to keep them.
        owner: uid and gid, ``None`` to keep them.
        links: Added to the number of links.
    """
    at = find_entry(record, protocol.skip, b"PX")
    if at is None:
        return False
    raw = record.raw
    if mode is not None:
        raw[at + 4 : at + 12] = pack_both32(mode)
    if owner is not None:
        raw[at + 20 : at + 36] = pack_both32(owner[0]) + pack_both32(owner[1])
    if links:
        before = unpack_both32(raw, at + 12, "ISO 9660: number of links")
        raw[at + 12 : at + 20] = pack_both32(max(1, before + links))
    return True


def _modified(entry: bytes) -> int | None:
    """Return the time of the last change in a TF entry."""
    flags = entry[4]
    if not flags & _MODIFIED:
        return None
    size = 17 if flags & _LONG_TIMES else 7
    raw = entry[5 + size * (flags & 1) :][:size]
    if len(raw) != size:
        raise FormatError("ISO 9660: Rock Ridge entry b'TF' ends within a time")
    if not flags & _LONG_TIMES:
        return unpack_time(raw)
    try:
        moment = struct.unpack("<4s2s2s2s2s2s", raw[:14])
        return calendar.timegm(tuple(int(number) for number in moment)) - _quarters(raw[16])
    except ValueError:
        return None


def _quarters(zone: int) -> int:
    """Return the seconds of a signed number of quarters of an hour."""
    return int.from_bytes(bytes([zone]), signed=True) * 900


class _Link:
    """A link's target, put together from SL entries."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._open = False

    def add(self, entry: bytes) -> None:
        """Take the components of one entry."""
        offset = 5
        while offset + 2 <= len(entry):
            flags, length = entry[offset], entry[offset + 1]
            text = entry[offset + 2 : offset + 2 + length]
            if len(text) != length:
                raise FormatError("ISO 9660: Rock Ridge entry b'SL' ends within a component")
            special = {_CURRENT: b".", _PARENT: b"..", _ROOT: b""}
            text = special.get(flags & (_CURRENT | _PARENT | _ROOT), text)
            if self._open:
                self._parts[-1] += text
            else:
                self._parts.append(text)
            self._open = bool(flags & _CONTINUES)
            offset += 2 + length

    def target(self) -> bytes:
        """Return the whole."""
        return b"/" if self._parts == [b""] else b"/".join(self._parts)


def _iter_packed(attributes: Attributes, protocol: Protocol) -> Iterator[bytes]:
    """Yield the entries that say ``attributes``."""
    numbers = (attributes.mode, attributes.links, attributes.uid, attributes.gid)
    long = protocol.px_size >= LONG_PX
    body = b"".join(map(pack_both32, (*numbers, 0) if long else numbers))
    yield b"PX" + bytes((LONG_PX if long else _SHORT_PX, 1)) + body
    stamp = pack_time(attributes.mtime or 0)
    yield b"TF" + bytes((26, 1, _TIMES)) + stamp * 3
    for piece, more in _pieces(attributes.name):
        yield b"NM" + bytes((5 + len(piece), 1, _CONTINUES * more)) + piece
    if stat.S_ISLNK(attributes.mode):
        yield from _iter_packed_link(attributes.target)


def _pack_xa(mode: int) -> bytes:
    """Return the attributes of CD-ROM XA as genisoimage -xa has them: no owner, rights, kind."""
    attributes = _XA_FORM_1 | (_XA_DIRECTORY if stat.S_ISDIR(mode) else 0)
    for at in range(3):
        rights = mode >> 6 - 3 * at
        attributes |= (bool(rights & _READ) | bool(rights & _RUN) << 2) << 4 * at
    return bytes(4) + attributes.to_bytes(2, "big") + b"XA" + bytes(6)


def _pieces(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield a text in pieces that an entry can hold, and whether another follows."""
    for start in range(0, len(text), _LARGEST_PIECE):
        yield text[start : start + _LARGEST_PIECE], start + _LARGEST_PIECE < len(text)


def _iter_packed_link(target: bytes) -> Iterator[bytes]:
    """Yield the SL entries of a target; empty components cannot be said and need not be."""
    components = [bytes((_ROOT, 0))] if target.startswith(b"/") else []
    special = {b".": bytes((_CURRENT, 0)), b"..": bytes((_PARENT, 0))}
    for text in filter(None, target.split(b"/")):
        if text in special:
            components.append(special[text])
            continue
        components += [bytes((_CONTINUES * m, len(piece))) + piece for piece, m in _pieces(text)]
    body = b""
    for component in components:
        if len(body) + len(component) > _LARGEST_PIECE + 2:
            yield b"SL" + bytes((5 + len(body), 1, _CONTINUES)) + body
            body = b""
        body += component
    yield b"SL" + bytes((5 + len(body), 1, 0)) + body

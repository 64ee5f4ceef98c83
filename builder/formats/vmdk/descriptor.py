"""The text that describes a VMDK: what kind of disk it is and where its bytes lie.

Source: Virtual Disk Format 5.0 (VMware technical note), "The Descriptor File".
Whoever keeps a disk keeps its descriptor byte for byte; of a grown one two numbers change.
"""

import re
from collections.abc import Mapping

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.structs import Struct, field

STREAM_OPTIMIZED = "streamOptimized"
NO_PARENT = "ffffffff"
_HEADS = 255
_TRACK_SECTORS = 63
_SIGNATURE = "# disk descriptorfile"
_EXTENT = re.compile(
    r'(RW|RDONLY|NOACCESS)\s+(\d{1,19})\s+([A-Z]+)(?:\s+"([^"]*)")?', re.IGNORECASE
)
_EXTENT_SIZE = re.compile(r"^(\s*(?:RW|RDONLY|NOACCESS)\s+)\d+(\s)", re.IGNORECASE | re.MULTILINE)
_GEOMETRY = re.compile(r'ddb\.geometry\.(heads|sectors)\s*=\s*"?(\d{1,9})')
_CYLINDERS = re.compile(r'(ddb\.geometry\.cylinders\s*=\s*"?)\d+("?)')
_ENTRY = re.compile(r'([A-Za-z][\w.]*)\s*=\s*(?:"(.*)"|(.*?))\s*')


class VmdkExtent(Struct, frozen=True):
    """A file that holds a part of the disk.

    Attributes:
        access: ``RW``, ``RDONLY`` or ``NOACCESS``.
        capacity_sectors: How much of the disk it holds.
        kind: ``SPARSE``, ``FLAT`` and so on.
        filename: Where it was when the text was written; says nothing later.
    """

    access: str
    capacity_sectors: int
    kind: str
    filename: str


class Descriptor(Struct, frozen=True):
    """A VMDK descriptor.

    Attributes:
        create_type: Kind of the disk, such as ``streamOptimized``.
        extents: Its parts in order.
        cid: Content ID, eight hex digits.
        parent_cid: Content ID of the disk that this one is a delta of; all ``f`` for none.
        entries: Every other ``key = value``, as text without quotes.
    """

    create_type: str
    extents: tuple[VmdkExtent, ...]
    cid: str = "fffffffe"
    parent_cid: str = NO_PARENT
    entries: Mapping[str, str] = field(default_factory=dict)


def parse_descriptor(raw: bytes, name: str) -> Descriptor:
    """Read a descriptor as it stands in a file, padded with zeros.

    Raises:
        FormatError: it is not a descriptor, or a line is malformed.
    """
    text = raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0].lower() != _SIGNATURE:
        raise FormatError(f"{name}: its descriptor begins with {raw[:24]!r}")
    extents: list[VmdkExtent] = []
    entries: dict[str, str] = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if found := _EXTENT.fullmatch(line):
            access, sectors, kind, filename = found.groups()
            extents.append(VmdkExtent(access.upper(), int(sectors), kind.upper(), filename or ""))
        elif found := _ENTRY.fullmatch(line):
            entries[found[1]] = found[2] if found[2] is not None else found[3]
        elif not line[0].isalpha() or "=" not in line:
            raise FormatError(f"{name}: its descriptor has the line {line[:80]!r}")
    return Descriptor(
        entries.pop("createType", ""),
        tuple(extents),
        entries.pop("CID", ""),
        entries.pop("parentCID", NO_PARENT).lower(),
        entries,
    )


def format_descriptor(descriptor: Descriptor) -> bytes:
    """Return the text of a descriptor."""
    entries = dict(descriptor.entries)
    lines = [
        "# Disk DescriptorFile",
        f"version={entries.pop('version', '1')}",
        f"CID={descriptor.cid}",
        f"parentCID={descriptor.parent_cid}",
        f'createType="{descriptor.create_type}"',
        "",
        "# Extent description",
        *(
            f'{extent.access} {extent.capacity_sectors} {extent.kind} "{extent.filename}"'
            for extent in descriptor.extents
        ),
        "",
        "# The Disk Data Base",
        "#DDB",
        "",
        *(f'{key} = "{value}"' for key, value in entries.items()),
        "",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def resize_descriptor(raw: bytes, capacity_sectors: int) -> bytes:
    """Return a descriptor, as it stands in a file, of the same disk with another capacity.

    The geometry follows, with the heads and sectors that the text has; all else stays.
    """
    text = raw.rstrip(b"\0").decode("utf-8", "surrogateescape")
    text = _EXTENT_SIZE.sub(lambda found: f"{found[1]}{capacity_sectors}{found[2]}", text)
    numbers = dict(_GEOMETRY.findall(text))
    track = int(numbers.get("heads", _HEADS)) * int(numbers.get("sectors", _TRACK_SECTORS))
    cylinders = min(capacity_sectors // max(track, 1), 0xFFFF)
    text = _CYLINDERS.sub(lambda found: f"{found[1]}{cylinders}{found[2]}", text)
    data = text.encode("utf-8", "surrogateescape")
    length = max(len(raw), -(-(len(data) + 1) // SECTOR) * SECTOR)
    return data.ljust(length, b"\0")


def make_descriptor(capacity_sectors: int, filename: str, cid: str) -> Descriptor:
    """Return the descriptor that Photon's own disks have, for another capacity."""
    return Descriptor(
        STREAM_OPTIMIZED,
        (VmdkExtent("RW", capacity_sectors, "SPARSE", filename),),
        cid,
        NO_PARENT,
        {
            "ddb.adapterType": "lsilogic",
            "ddb.geometry.cylinders": str(
                min(capacity_sectors // (_HEADS * _TRACK_SECTORS), 0xFFFF)
            ),
            "ddb.geometry.heads": str(_HEADS),
            "ddb.geometry.sectors": str(_TRACK_SECTORS),
            "ddb.toolsInstallType": "4",
            "ddb.toolsVersion": "2147483647",
            "ddb.virtualHWVersion": "4",
        },
    )


def check_stream_descriptor(descriptor: Descriptor, name: str) -> None:
    """Refuse the descriptor of anything but one whole stream-optimized disk.

    Raises:
        FormatError: it describes another kind of disk.
    """
    if descriptor.create_type != STREAM_OPTIMIZED:
        raise FormatError(
            f"{name}: is a {descriptor.create_type or 'nameless kind of'} VMDK,"
            f" wanted {STREAM_OPTIMIZED}",
            hint="qemu-img convert -O vmdk -o subformat=streamOptimized makes one",
        )
    if len(descriptor.extents) != 1:
        raise FormatError(f"{name}: its disk lies in {len(descriptor.extents)} files, wanted one")
    kind = descriptor.extents[0].kind
    if kind != "SPARSE":
        raise FormatError(f"{name}: its descriptor names a {kind} extent, wanted SPARSE")
    if descriptor.parent_cid != NO_PARENT:
        raise FormatError(
            f"{name}: holds only what differs from disk {descriptor.parent_cid}",
            hint="export the virtual machine again, without its snapshots",
        )

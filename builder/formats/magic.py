"""File types by magic bytes: one table of all types that are read or refused.

Sources: RFC 1952 (gzip), 8878 (zstd); the .xz file format 1.2.1; POSIX pax (tar); ECMA-119, 8.1;
QEMU, docs/interop/qcow2.rst; Virtual Disk Format 5.0 and open-vm-tools (VMDK, SE sparse); VHD and
VHDX specifications (Microsoft); VirtualBox, ``VDICore.h``; file(1) for the rest.
"""

from enum import Enum, auto
from typing import NamedTuple


class Group(Enum):
    """How the program handles a type."""

    DISK = auto()
    MEDIUM = auto()
    FILESYSTEM = auto()
    ARCHIVE = auto()
    COMPRESSED = auto()
    OTHER = auto()


class FileType(NamedTuple):
    """A kind of file; ``noun`` is how messages call one, with its article."""

    noun: str
    group: Group
    magics: tuple[bytes, ...]
    offset: int = 0

    def matches(self, head: bytes) -> bool:
        """Return whether a file begins like one of these."""
        return head.startswith(self.magics, self.offset)


GZIP = FileType("gzip data", Group.COMPRESSED, (b"\x1f\x8b",))
XZ = FileType("xz data", Group.COMPRESSED, (b"\xfd7zXZ\0",))
ZSTD = FileType("zstd data", Group.COMPRESSED, (b"\x28\xb5\x2f\xfd",))
TAR = FileType("a tar archive", Group.ARCHIVE, (b"ustar",), 257)
VMDK = FileType("a VMDK disk", Group.DISK, (b"KDMV",))
ISO = FileType("an ISO image", Group.MEDIUM, (b"CD001",), 0x8001)
XML = FileType("an XML document", Group.OTHER, (b"<?xml", b"\xef\xbb\xbf<?xml"))

_TYPES = (
    GZIP,
    XZ,
    ZSTD,
    TAR,
    VMDK,
    FileType("the descriptor of a VMDK disk", Group.DISK, (b"# Disk DescriptorFile",)),
    FileType("a VMFS sparse disk", Group.DISK, (b"COWD",)),
    FileType("an SE sparse disk", Group.DISK, (b"\x0d\x60\x1b\xae", b"\xbe\xba\xfe\xca")),
    FileType("a qcow2 disk", Group.DISK, (b"QFI\xfb",)),
    FileType("a dynamic VHD disk", Group.DISK, (b"conectix",)),
    FileType("a VHDX disk", Group.DISK, (b"vhdxfile",)),
    FileType("a VDI disk", Group.DISK, (b"\x7f\x10\xda\xbe",), 0x40),
    ISO,
    FileType("a bare ext2, ext3 or ext4 filesystem", Group.FILESYSTEM, (b"\x53\xef",), 0x438),
    FileType("bzip2 data", Group.COMPRESSED, (b"BZh",)),
    FileType("LZ4 data", Group.COMPRESSED, (b"\x04\x22\x4d\x18",)),
    FileType("lzip data", Group.COMPRESSED, (b"LZIP",)),
    FileType("a zip archive", Group.ARCHIVE, (b"PK\3\4",)),
    FileType("a 7z archive", Group.ARCHIVE, (b"7z\xbc\xaf\x27\x1c",)),
    FileType("a package for rpm", Group.ARCHIVE, (b"\xed\xab\xee\xdb",)),
    XML,
    FileType(
        "a web page, not a download", Group.OTHER, (b"<!DOCTYPE html", b"<!doctype html", b"<html")
    ),
)


def identify(head: bytes) -> FileType | None:
    """Return the type of a file by its first bytes; ``None`` when it is unknown."""
    return next((kind for kind in _TYPES if kind.matches(head)), None)

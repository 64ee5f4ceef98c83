"""Names what is given where a raw disk is wanted: other disk formats, archives, packings.

Sources: QEMU, docs/interop/qcow2.rst; Virtual Disk Format 5.0 (VMware); VHDX Format Specification
1.0 (Microsoft); VirtualBox, ``VDICore.h``; ECMA-119, 8.1. Does not read any of them.
"""

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.mbr import has_boot_signature
from builder.formats.vhd import refuse_dynamic

_RAW = "convert it: qemu-img convert -O raw"
_UNPACK = "it is packed twice: unpack it once"
_KNOWN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"QFI\xfb", "a qcow2 disk", _RAW),
    (0, b"KDMV", "a VMDK", _RAW),
    (0, b"# Disk DescriptorFile", "the descriptor of a VMDK", _RAW),
    (0, b"vhdxfile", "a VHDX", _RAW),
    (0x40, b"\x7f\x10\xda\xbe", "a VDI", _RAW),
    (0x8001, b"CD001", "an ISO image", "use it with a target that makes installation media"),
    (0, b"\x1f\x8b", "gzip", _UNPACK),
    (0, b"\xfd7zXZ\0", "xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "zstd", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"<?xml", "an XML document", "an OVA is a base for the targets that make one"),
)
"""Offset, magic, name, and what to do then."""
_EXT = (0x438, b"\x53\xef")


def describe_head(head: bytes) -> tuple[str, str]:
    """Return what a file is by its beginning, and what to do then; empty when it is not known."""
    if head.startswith(_EXT[1], _EXT[0]):
        return "a bare ext2, ext3 or ext4 filesystem", "give the image of a whole disk"
    found = ((kind, hint) for offset, magic, kind, hint in _KNOWN if head.startswith(magic, offset))
    return next(found, ("", ""))


def check_head(head: bytes, *, name: str) -> None:
    """Refuse what is no raw disk, as far as its beginning tells.

    Raises:
        FormatError: names what it is instead.
    """
    refuse_dynamic(head[:SECTOR], name=name)
    if has_boot_signature(head[:SECTOR]):
        return
    kind, hint = describe_head(head)
    if kind:
        raise FormatError(f"{name} is {kind}; wanted a raw disk", hint=hint)
    found = "is empty" if not head else "is no disk"
    raise FormatError(
        f"{name} {found}: its first sector does not end with 55 aa",
        hint="give the image of a whole disk, as Photon publishes it for this target",
    )

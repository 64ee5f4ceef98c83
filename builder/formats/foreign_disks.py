"""Detects files that are not raw disks: other disk formats, archives, compressed data."""

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import SECTOR
from builder.formats.magic import Group
from builder.formats.mbr import has_boot_signature
from builder.formats.vhd import refuse_dynamic

_APPLIANCE = "use a target that makes OVAs"
_UNPACK = "it is packed twice: unpack it once"
_HINTS = {
    Group.DISK: "convert it: qemu-img convert -O raw",
    Group.MEDIUM: "use a target that makes installation media",
    Group.FILESYSTEM: "use the image of a whole disk",
    Group.ARCHIVE: _UNPACK,
    Group.COMPRESSED: _UNPACK,
    Group.OTHER: "use the image of a whole disk, as Photon publishes it for this target",
}


def describe_head(head: bytes) -> tuple[str, str]:
    """Return the type of a file by its first bytes, and a hint; empty when it is unknown."""
    kind = magic.identify(head)
    if kind is None:
        return "", ""
    return kind.noun, _APPLIANCE if kind is magic.XML else _HINTS[kind.group]


def check_head(head: bytes, *, name: str) -> None:
    """Refuse a file that is not a raw disk, by its first bytes.

    Raises:
        FormatError: the file has another type, or no boot signature.
    """
    refuse_dynamic(head[:SECTOR], name=name)
    if has_boot_signature(head[:SECTOR]):
        return
    kind, hint = describe_head(head)
    if kind:
        raise FormatError(f"{name} is {kind}; wanted a raw disk", hint=hint)
    found = "is empty" if not head else "is not a disk"
    raise FormatError(
        f"{name} {found}: its first sector does not end with 55 aa",
        hint=_HINTS[Group.OTHER],
    )

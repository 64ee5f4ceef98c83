"""Refuses what is given where a raw disk is wanted: other disk formats, archives, packings."""

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import SECTOR
from builder.formats.magic import Group
from builder.formats.mbr import has_boot_signature
from builder.formats.vhd import refuse_dynamic

_APPLIANCE = "an OVA is a base for the targets that make one"
_UNPACK = "it is packed twice: unpack it once"
_HINTS = {
    Group.DISK: "convert it: qemu-img convert -O raw",
    Group.MEDIUM: "use it with a target that makes installation media",
    Group.FILESYSTEM: "give the image of a whole disk",
    Group.ARCHIVE: _UNPACK,
    Group.COMPRESSED: _UNPACK,
    Group.OTHER: "give the image of a whole disk, as Photon publishes it for this target",
}


def describe_head(head: bytes) -> tuple[str, str]:
    """Return what a file is by its beginning, and what to do then; empty when it is unknown."""
    kind = magic.identify(head)
    if kind is None:
        return "", ""
    return kind.noun, _APPLIANCE if kind is magic.XML else _HINTS[kind.group]


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
        hint=_HINTS[Group.OTHER],
    )

"""How a disk image is packed: in a tar or not, compressed or not, and what the user may choose.

A target says what its cloud or board takes; the spec's ``output`` section may change the rest.
"""

from collections.abc import Mapping
from typing import Any

from builder.formats.disk import MIB
from builder.sizes import mib_of, size_schema
from builder.structs import Struct

LEVEL: Mapping[str, Any] = {
    "level": {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "How hard to compress, 1 to 9. Default: 2 for gz, 1 for xz, 3 for zst: "
        "more costs much time and saves little.",
    }
}
PACKING: Mapping[str, Any] = {
    **LEVEL,
    "compression": {
        "enum": ["gz", "xz", "zst", "none"],
        "description": "Compression of the disk image. Default: what Photon publishes.",
    },
    "archive": {
        "type": "boolean",
        "description": "Whether the disk image is in a tar. Default: what Photon publishes.",
    },
}
"""JSON Schemas of the keys of ``output`` that a disk image takes."""

DISK: Mapping[str, Any] = {
    "disk": {
        "type": "object",
        "description": "The virtual disk.",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            "size": {
                **size_schema("Size of the disk; the root filesystem grows with it."),
                "examples": ["20GiB"],
            }
        },
    }
}
"""JSON Schema of the section ``disk`` of a spec."""


def disk_size(sections: Mapping[str, Any]) -> int:
    """Return the size in bytes that the section ``disk`` asks for, zero without one."""
    size = sections.get("disk", {}).get("size")
    return 0 if size is None else mib_of(size) * MIB


class Packing(Struct, frozen=True):
    """What a target's disk is packed in.

    Attributes:
        member: Name of the disk in its tar; ``{name}`` is the spec's.
        compression: Around everything.
        archive: Whether there is a tar.
        multiple: The disk's size is rounded up to whole ones of these, in bytes.
        is_vhd: Whether a footer follows the disk.
        is_card: Whether it is written to cards, whose writers want the digest of what they write.
        is_fixed: Whether the user may not choose compression and tar.
    """

    member: str
    compression: str = "gz"
    archive: bool = True
    multiple: int = MIB
    is_vhd: bool = False
    is_fixed: bool = False
    is_card: bool = False

    def chosen(self, options: Mapping[str, Any]) -> tuple[str, bool]:
        """Return compression and tar, as the ``output`` section of a spec wants them."""
        if self.is_fixed:
            return self.compression, self.archive
        return options.get("compression", self.compression), options.get("archive", self.archive)

    def suffix(self, options: Mapping[str, Any]) -> str:
        """Return the end of the artifact's name."""
        compression, archive = self.chosen(options)
        words = [self.member.rpartition(".")[2]] * (self.is_vhd or not archive)
        words += ["tar"] * archive + [compression] * (compression != "none")
        return "." + ".".join(words)

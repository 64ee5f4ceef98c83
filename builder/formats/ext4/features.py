"""The feature bits of an ext4 superblock: their names, and which of them this codec edits.

Source: kernel ``Documentation/filesystems/ext4/super.rst``; the names are those that
``tune2fs -l`` prints. A feature that is not listed here is refused, whatever its kind:
it may be irrelevant to readers, but not to writers.
"""

from enum import IntFlag


class Compat(IntFlag):
    """Features that an implementation may ignore."""

    DIR_PREALLOC = 0x1
    HAS_JOURNAL = 0x4
    EXT_ATTR = 0x8
    RESIZE_INODE = 0x10
    DIR_INDEX = 0x20
    SPARSE_SUPER2 = 0x200
    FAST_COMMIT = 0x400
    STABLE_INODES = 0x800
    ORPHAN_FILE = 0x1000


class Incompat(IntFlag):
    """Features without which nothing may be read."""

    FILETYPE = 0x2
    NEEDS_RECOVERY = 0x4
    EXTENT = 0x40
    SIXTY_FOUR_BIT = 0x80
    FLEX_BG = 0x200
    METADATA_CSUM_SEED = 0x2000
    LARGE_DIR = 0x4000


class ReadOnly(IntFlag):
    """Features without which nothing may be written."""

    SPARSE_SUPER = 0x1
    LARGE_FILE = 0x2
    HUGE_FILE = 0x8
    UNINIT_BG = 0x10
    DIR_NLINK = 0x20
    EXTRA_ISIZE = 0x40
    METADATA_CSUM = 0x400
    ORPHAN_PRESENT = 0x10000


_REFUSED_COMPAT = {0x2: "imagic_inodes", 0x40: "lazy_bg", 0x100: "snapshot_bitmap"}
_REFUSED_INCOMPAT = {
    0x1: "compression",
    0x8: "journal_dev",
    0x10: "meta_bg",
    0x100: "mmp",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
_REFUSED_READ_ONLY = {
    0x100: "quota",
    0x200: "bigalloc",
    0x800: "replica",
    0x1000: "read-only",
    0x2000: "project",
    0x4000: "shared_blocks",
    0x8000: "verity",
}


def _names(bits: int, known: type[IntFlag], refused: dict[int, str], prefix: str) -> list[str]:
    """Name the bits that are set and not known."""
    for member in known:
        bits &= ~member.value
    single = [1 << bit for bit in range(bits.bit_length()) if bits >> bit & 1]
    return [refused.get(bit, f"{prefix}{bit.bit_length() - 1}") for bit in single]


def refused_features(compat: int, incompat: int, read_only: int) -> list[str]:
    """Return the names of the features that this codec does not edit."""
    return [
        *_names(compat, Compat, _REFUSED_COMPAT, "FEATURE_C"),
        *_names(incompat, Incompat, _REFUSED_INCOMPAT, "FEATURE_I"),
        *_names(read_only, ReadOnly, _REFUSED_READ_ONLY, "FEATURE_R"),
    ]

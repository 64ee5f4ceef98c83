"""Checks that an ISO 9660 image can be changed, before anything is planned."""

import posixpath

from builder.errors import GuestError, UnsupportedError
from builder.formats.iso9660.image import Iso
from builder.formats.iso9660.system_area import check_growth

_MOST_SECONDS = 1 << 32
_LONGEST_VOLUME_ID = 32
_LONGEST_NAME = 255


def check_kind(iso: Iso) -> None:
    """Refuse images to which nothing can be added.

    Raises:
        UnsupportedError: the image has UDF, several sessions, or trees that cannot be matched.
    """
    volume = iso.volume
    reason = ""
    if volume.has_udf:
        reason = "it is a UDF volume too, which would not show the changes"
    elif volume.sessions:
        reason = "it has more than one session"
    elif iso.joliet is not None and iso.primary.protocol is None:
        reason = "it has Joliet names but no Rock Ridge, so that its two trees cannot be matched"
    elif volume.enhanced is not None:
        one, two = volume.enhanced.placement, volume.primary.placement
        if (one.root, one.little_table) != (two.root, two.little_table):
            reason = "it has a second tree of ISO 9660:1999"
    if reason:
        raise UnsupportedError(
            f"{iso.path.name}: the image cannot be changed: {reason}",
            hint="rewrite the image: xorriso -indev OLD -outdev NEW -boot_image any replay",
        )
    check_growth(iso.area)


def check_moment(timestamp: int) -> None:
    """Refuse times that records cannot hold."""
    if not 0 <= timestamp < _MOST_SECONDS:
        raise GuestError(f"ISO 9660: time {timestamp} is not from 1970 to 2106")


def check_volume_id(volume_id: str) -> None:
    """Refuse an invalid volume name."""
    allowed = volume_id.replace("_", "A")
    plain = allowed.isascii() and allowed.isalnum() and allowed.isupper() | allowed.isdigit()
    if not plain or len(volume_id) > _LONGEST_VOLUME_ID:
        raise GuestError(
            f"ISO 9660: volume name {volume_id!r}; wanted 1 to {_LONGEST_VOLUME_ID} capital"
            " letters, digits and underscores"
        )


def check_path(path: str) -> str:
    """Refuse paths that are not absolute and normalised, and names that are too long."""
    normal = posixpath.normpath(path)
    if not path.startswith("/") or normal != path or path.startswith("//") or "\0" in path:
        raise GuestError(f"ISO 9660: {path!r} is not an absolute, normalised path")
    if path == "/":
        raise GuestError("ISO 9660: / itself cannot be changed")
    longest = max(len(name.encode("utf-8", "surrogateescape")) for name in path.split("/"))
    if longest > _LONGEST_NAME:
        raise GuestError(f"ISO 9660: {path}: a name of {longest} bytes; wanted {_LONGEST_NAME}")
    return path

"""Names as the trees of an image record them, and back.

Sources: ECMA-119, 3rd edition, sections 7.4 to 7.6 and 9.3 (order); Joliet Recording
Specification, 1995, "Allowed Character Set". mkisofs's ``-l`` lets names be 31 characters long.

A primary tree holds upper-case letters, digits and underscores, one full stop and a version;
with Rock Ridge this is only a second name. Joliet holds UTF-16 up to 64 characters.
"""

import re
from collections.abc import Collection

from builder.errors import GuestError

_LONGEST = 31
_LONGEST_JOLIET = 64
_SHORT_BASE = 8
_MOST_TRIES = 100_000
_NOT_ISO = re.compile(r"[^A-Z0-9_]")
_NOT_JOLIET = re.compile(r"[\x00-\x1f*/:;?\\]")
_VERSION = re.compile(r";[0-9]*$")
_PADDING = 40


def logical_name(identifier: bytes, *, joliet: bool) -> str:
    """Return the displayed name, from a tree without Rock Ridge."""
    if joliet:
        return _VERSION.sub("", identifier.decode("utf-16-be", "replace"))
    text = _VERSION.sub("", identifier.decode("latin-1"))
    return text.removesuffix(".").lower()


def sort_key(identifier: bytes) -> tuple[bytes, ...]:
    """Return what orders a primary tree's identifiers."""
    name, _, version = identifier.partition(b";")
    base, _, extension = name.partition(b".")
    return base.ljust(_PADDING), extension.ljust(_PADDING), version


def joliet_sort_key(identifier: bytes) -> tuple[bytes, ...]:
    """Return what orders a Joliet tree's identifiers."""
    return (identifier,)


def choose_identifier(name: str, used: Collection[bytes], *, directory: bool) -> bytes:
    """Return an identifier for ``name`` that a primary directory does not have yet.

    Args:
        name: The displayed name.
        used: Identifiers that are taken.
        directory: Whether it will name a directory.
    """
    base, extension = _split(name, directory=directory)
    for attempt in range(_MOST_TRIES):
        mark = f"{attempt - 1:03d}" if attempt else ""
        whole = base[: _LONGEST - 1 - len(extension) - len(mark)] + mark
        found = (whole if directory else f"{whole}.{extension};1").encode("ascii")
        if found not in used:
            return found
    raise GuestError(f"ISO 9660: {name}: {_MOST_TRIES} names like it are taken")


def check_joliet_name(name: str) -> bytes:
    """Return the identifier that means exactly ``name`` in a Joliet tree.

    Raises:
        GuestError: the name is not valid in Joliet.
    """
    found = name.encode("utf-16-be", "replace")
    if _NOT_JOLIET.search(name) or logical_name(found, joliet=True) != name:
        raise GuestError(f"ISO 9660: {name}: the image has Joliet names, and this cannot be one")
    if len(name.encode("utf-16-be")) > 2 * _LONGEST_JOLIET:
        raise GuestError(
            f"ISO 9660: {name}: longer than the {_LONGEST_JOLIET} characters of Joliet names,"
            " which the image has too"
        )
    return found


def check_plain_name(name: str, used: Collection[bytes], *, directory: bool) -> bytes:
    """Return the identifier that means exactly ``name`` without Rock Ridge.

    Raises:
        GuestError: the name is not a plain one, or differs from another in case only.
    """
    found = choose_identifier(name, (), directory=directory)
    if logical_name(found, joliet=False) != name.lower():
        raise GuestError(
            f"ISO 9660: the image has no Rock Ridge names, and {name} is not a plain one",
            hint=f"use letters, digits, _ and one full stop, up to {_LONGEST - 1} characters",
        )
    if found in used:
        raise GuestError(f"ISO 9660: {name}: another name there differs from it in case only")
    return found


def _split(name: str, *, directory: bool) -> tuple[str, str]:
    """Return the recorded base and extension of a name."""
    upper = name.upper()
    base, dot, extension = upper.rpartition(".")
    if directory or not dot:
        base, extension = upper, ""
    if not base:
        base, extension = f"_{extension}", ""
    base, extension = _NOT_ISO.sub("_", base), _NOT_ISO.sub("_", extension)
    room = _LONGEST - 1 - min(len(base), _SHORT_BASE)
    return base, extension[:room]

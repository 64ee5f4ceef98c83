"""Names in FAT directories: long ones in UTF-16, short ones of eight and three characters.

Source: FAT32 File System Specification 1.03, "Name Limits and Character Sets" and "Long File
Name Entries". Whole base names and whole extensions in lower case need no long name: Windows
NT and Linux keep a flag for each in byte 12 of the short entry.
"""

from collections.abc import Container, Iterator

from builder.errors import GuestError

LOWER_BASE = 0x08
LOWER_EXTENSION = 0x10
LONG_CHARS = 13
"""UTF-16 units that one slot of a long name holds."""

_CODEPAGE = "cp437"
_FORBIDDEN = frozenset('"*/:<>?\\|') | {chr(c) for c in range(32)}
_SHORT_CHARS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
_LONGEST = 255
_BASE = 8
_EXTENSION = 3
_DOTS = (".", "..")


def check_name(name: str, *, where: str) -> None:
    """Refuse a name that FAT cannot hold.

    Raises:
        GuestError: the name is invalid on FAT.
    """
    wrong = sorted(_FORBIDDEN.intersection(name))
    complaint = ""
    if not name or name in _DOTS:
        complaint = "it is not a name"
    elif wrong:
        complaint = f"it holds {wrong[0]!r}"
    elif name[-1] in ". ":
        complaint = f"it ends with {name[-1]!r}"
    elif any("\ud800" <= c <= "\udfff" for c in name):
        complaint = "it is not UTF-8"
    elif len(encode_long(name)) > 2 * _LONGEST:
        complaint = f"it is longer than {_LONGEST} characters"
    if complaint:
        raise GuestError(f"{where}: FAT cannot hold the name {name!r}: {complaint}")


def fold(name: str) -> str:
    """Return what two names have in common that FAT takes for one."""
    if name.isascii():
        return name.upper()
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in name)


def encode_long(name: str) -> bytes:
    """Return a long name as UTF-16, without end or padding."""
    return name.encode("utf-16-le", "surrogatepass")


def checksum(alias: bytes) -> int:
    """Return the sum that binds a long name to its short entry."""
    total = 0
    for byte in alias:
        total = ((total >> 1 | total << 7) + byte) & 0xFF
    return total


def decode_alias(alias: bytes, flags: int) -> str:
    """Return the name that a short entry of 11 bytes shows."""
    # A first byte of 0xE5 marks a free slot; a name that begins with it has 0x05 instead.
    raw = b"\xe5" + alias[1:] if alias[:1] == b"\x05" else alias
    base = raw[:_BASE].rstrip(b" ").decode(_CODEPAGE)
    extension = raw[_BASE:].rstrip(b" ").decode(_CODEPAGE)
    base = base.lower() if flags & LOWER_BASE else base
    extension = extension.lower() if flags & LOWER_EXTENSION else extension
    return f"{base}.{extension}" if extension else base


def plain_alias(name: str) -> tuple[bytes, int] | None:
    """Return short name and case flags that say all of ``name``, or ``None``."""
    base, dot, extension = name.partition(".")
    if not base or (dot and not extension) or not name.isascii():
        return None
    alias, flags = b"", 0
    for part, length, flag in ((base, _BASE, LOWER_BASE), (extension, _EXTENSION, LOWER_EXTENSION)):
        raw = part.upper().encode()
        if len(raw) > length or not _SHORT_CHARS.issuperset(raw):
            return None
        if part not in {part.upper(), part.lower()}:
            return None
        flags |= flag if part != part.upper() else 0
        alias += raw.ljust(length)
    return alias, flags


def make_alias(name: str, taken: Container[bytes]) -> bytes:
    """Return a short name for a long one that is not ``taken``, with a number if needed."""
    base, extension, is_whole = _shorten(name)
    whole = base.ljust(_BASE) + extension.ljust(_EXTENSION)
    if is_whole and whole not in taken:
        return whole
    for tail in _tails():
        alias = (base[: _BASE - len(tail)] + tail).ljust(_BASE) + extension.ljust(_EXTENSION)
        if alias not in taken:
            return alias
    raise GuestError(f"{name}: every short name for it is taken")


def _tails() -> Iterator[bytes]:
    """Yield ``~1`` and so on, as long as they fit."""
    for number in range(1, 1_000_000):
        yield b"~%d" % number


def _shorten(name: str) -> tuple[bytes, bytes, bool]:
    """Return base and extension of a short name, and whether nothing but case was lost."""
    stripped = name.strip(". ").replace(" ", "")
    base, _, extension = stripped.rpartition(".") if "." in stripped else (stripped, "", "")
    whole = f"{base}.{extension}" if extension else base
    short_base, short_extension = _short_bytes(base.replace(".", "")), _short_bytes(extension)
    is_whole = (
        whole == name
        and whole.isascii()
        and short_base == base.upper().encode()
        and short_extension == extension.upper().encode()
        and len(short_base) <= _BASE
        and len(short_extension) <= _EXTENSION
    )
    return short_base[:_BASE] or b"_", short_extension[:_EXTENSION], is_whole


def _short_bytes(part: str) -> bytes:
    """Return a part in upper case, ``_`` for what a short name cannot hold."""
    raw = part.upper().encode("ascii", "replace")
    return bytes(byte if byte in _SHORT_CHARS else ord("_") for byte in raw)

"""fstab(5): one filesystem a line, six fields, blanks in octal.

Source: fstab(5), getmntent(3). Does not judge options or devices.
"""

import re

from builder.guest import patterns
from builder.guestpath import guest
from builder.structs import Struct

FSTAB = guest("/etc/fstab")

_ESCAPES = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012", "#": "\\043"}
_MIN_FIELDS = 3
_MAX_DIGITS = 10
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


class Mount(Struct, frozen=True):
    """One line of the table.

    Attributes:
        source: Device, remote share or tag such as ``LABEL=data``.
        path: Mount point, or ``none``.
        type: Filesystem type.
        options: Options, separated by commas.
        dump: Whether dump(8) saves it.
        check_pass: Order of fsck(8): 0 never, 1 the root, 2 others.
    """

    source: str
    path: str
    type: str
    options: str = "defaults"
    dump: int = 0
    check_pass: int = 0


def escape(text: str) -> str:
    """Return ``text`` as a field: blanks, backslashes and ``#`` in octal."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def unescape(field: str) -> str:
    """Return the text that a field means."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def format_mount(mount: Mount) -> str:
    """Return the line for ``mount``, without its newline."""
    words = (mount.source, mount.path, mount.type, mount.options)
    return "\t".join((*map(escape, words), str(mount.dump), str(mount.check_pass)))


def parse_fstab(text: str) -> tuple[Mount, ...]:
    """Return the mounts of a table; comments and lines without a mount point are left out."""
    return tuple(
        _parse_line(fields)
        for fields in map(str.split, text.splitlines())
        if len(fields) >= _MIN_FIELDS and not fields[0].startswith("#")
    )


def _parse_line(fields: list[str]) -> Mount:
    """Return the mount of one line; absent fields have getmntent(3)'s defaults."""
    source, path, kind, options = map(unescape, (*fields, "defaults")[:4])
    numbers = [_number(field) for field in (*fields[4:6], "0", "0")]
    return Mount(source, path, kind, options, numbers[0], numbers[1])


def _number(field: str) -> int:
    """Return a number that fsck(8) and dump(8) take, zero for anything else."""
    return int(field) if field.isascii() and field.isdigit() and len(field) < _MAX_DIGITS else 0


def line_of_path(path: str) -> str:
    """Return a pattern for the lines that mount something at ``path``."""
    blank = patterns.BLANK
    return f"^{blank}*[^# \t][^ \t]*{blank}+{patterns.literal(escape(path))}{blank}"


def line_of_source(source: str) -> str:
    """Return a pattern for the lines that mount ``source``, as swap areas are identified."""
    return patterns.first_word(escape(source))

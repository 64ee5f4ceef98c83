"""Unit names: their parts, and how paths become names.

Source: systemd.unit(5), "String escaping for inclusion in unit names"; systemd-escape(1)
judges :func:`escape_path` in the tests.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from ..errors import GuestError

SUFFIXES = (
    *("service", "socket", "target", "timer", "mount", "automount"),
    *("path", "slice", "swap", "scope", "device"),
)
_NAME = re.compile(rf"[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\@-]*)?\.(?:{'|'.join(SUFFIXES)})")


class UnitName(NamedTuple):
    """A unit name in its parts: ``prefix@instance.suffix``.

    ``instance`` is ``None`` for a plain unit and empty for a template.
    """

    prefix: str
    instance: Optional[str]
    suffix: str

    @property
    def is_template(self) -> bool:
        """Return whether an instance has to be named before the unit can run."""
        return self.instance == ""

    def with_instance(self, instance: str) -> UnitName:
        """Return the name of an instance of this template."""
        return UnitName(self.prefix, instance, self.suffix)

    def __str__(self) -> str:
        middle = "" if self.instance is None else f"@{self.instance}"
        return f"{self.prefix}{middle}.{self.suffix}"


def complete_name(unit: str) -> str:
    """Return ``unit`` with ``.service`` added when it has no unit suffix."""
    return unit if unit.rpartition(".")[2] in SUFFIXES else f"{unit}.service"


def is_name(unit: str) -> bool:
    """Return whether ``unit`` is a valid unit name with its suffix."""
    return bool(_NAME.fullmatch(unit)) and not unit.startswith(("@", "."))


def parse_name(unit: str) -> UnitName:
    """Return the parts of a unit name.

    Raises:
        GuestError: ``unit`` is not a valid unit name.
    """
    if not is_name(unit):
        raise GuestError(f"{unit!r} is not a valid unit name; wanted one such as docker.service")
    stem, _, suffix = unit.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return UnitName(prefix, instance if at else None, suffix)


def escape_path(path: str) -> str:
    """Return ``path`` as ``systemd-escape --path`` writes it."""
    stripped = "/".join(part for part in path.split("/") if part not in {"", "."})
    escaped = "".join(_escape_letter(letter) for letter in stripped) or "-"
    return f"\\x2e{escaped[1:]}" if escaped.startswith(".") else escaped


def _escape_letter(letter: str) -> str:
    """Return one letter of a path as a unit name has it."""
    if letter == "/":
        return "-"
    if letter.isascii() and (letter.isalnum() or letter in ":_."):
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))

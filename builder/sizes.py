"""Sizes as people write them: `20`, `20G`, `20GB`, `20 GiB`, `512M`, `1.5T`.

Units are powers of 1024 however they are written, as in systemd, in docker and on vSphere's
screens; capitals do not matter. A number alone counts the unit of its key.
"""

import re
from collections.abc import Mapping
from typing import Any

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

_UNITS = {"K": KIB, "M": MIB, "G": GIB, "T": TIB}
_LABEL_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NAMES = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB"}
_MOST = 999_999_999
_NUMBER = "[0-9]{1,9}([.][0-9]{1,6})?"
_UNIT = "([KkMmGgTt]([Ii]?[Bb])?)?"
_SIZE = re.compile(rf"([0-9]+)(?:[.]([0-9]+))? ?{_UNIT}", re.ASCII)


def size_schema(
    description: str, *, unit: str = "G", least: int = 1, most: int = _MOST
) -> dict[str, Any]:
    """Return the JSON Schema of a size.

    Args:
        description: What it is the size of.
        unit: What a number alone counts: ``K``, ``M``, ``G`` or ``T``.
        least: Smallest number alone; zero lets zero pass in any form.
        most: Largest number alone.
    """
    some = "" if least == 0 else "(?=.*[1-9])"
    return {
        "type": ["integer", "string"],
        "minimum": least,
        "maximum": most,
        "pattern": f"^{some}{_NUMBER} ?{_UNIT}$",
        "x-form": f"a size such as 512M, 20G, 20GB, 20 GiB or 1.5T, or a number of {_NAMES[unit]}",
        "x-unit": unit,
        "description": f"{description} A number alone counts {_NAMES[unit]}.",
    }


def parse_size(size: str | int, unit: str = "G") -> int:
    """Return a size in bytes; parts of a byte are rounded up.

    Args:
        size: As the schema takes it.
        unit: What a number alone counts.

    Raises:
        ValueError: it is not a valid size.
    """
    return _scaled(str(size), unit, _UNITS)


def parse_label_size(size: str) -> int:
    """Return a size in bytes as labels of disks have it: ``32G`` counts 1000, ``32GiB`` 1024.

    A number alone counts bytes.

    Raises:
        ValueError: it is not a valid size.
    """
    return _scaled(size, "", _UNITS if is_binary(size) else _LABEL_UNITS)


def _scaled(size: str, unit: str, units: Mapping[str, int]) -> int:
    """Return a size in bytes, rounded up; a number alone counts ``unit``."""
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError(f"{size!r} is not a valid size")
    whole, part, letters = found[1], found[2] or "", found[3] or unit
    scale: int = 10 ** len(part)
    return -(-int(whole + part) * units[letters[:1].upper()] // scale)


def mib_of(size: str | int, unit: str = "G") -> int:
    """Return a size in MiB, rounded up."""
    return -(-parse_size(size, unit) // MIB)


def format_size(size: int) -> str:
    """Return a size of whole KiB with the largest unit that leaves no part: ``1536M``."""
    letter = next((each for each in "TGM" if size % _UNITS[each] == 0), "K")
    return f"{-(-size // _UNITS[letter])}{letter}"


def format_label_size(size: int) -> str:
    """Return a size as labels of disks have it, in powers of ten: ``31.9 GB``."""
    if size >= _LABEL_UNITS["G"]:
        return f"{size / _LABEL_UNITS['G']:.1f} GB"
    return f"{size / _LABEL_UNITS['M']:.1f} MB"


def has_unit(size: str | int) -> bool:
    """Return whether a size names its unit."""
    return not str(size)[-1:].isdigit()


def is_binary(size: str | int) -> bool:
    """Return whether a size names a unit that is a power of 1024 to everybody: ``GiB``."""
    return str(size)[-2:-1] in {"i", "I"}

"""Virtual hardware: what Photon's appliances ask for, and what VMware's products take.

Sources: the tables of the facts; VMware's knowledge base, article 1003746 (Broadcom's 315655); for
version 22, the notes on ESXi 9.0.
"""

import re
from collections.abc import Mapping
from typing import Any

from builder.facts.data import covers, table
from builder.structs import Struct

NAMES = {"esxi": "ESXi", "workstation": "Workstation", "fusion": "Fusion"}
PATTERN = (
    "^([Ee][Ss][Xx][Ii]|[Ww]orkstation|[Ff]usion) "
    "[0-9]{1,2}([.][0-9]{1,2}){0,2}( [Uu](pdate )?[0-9])?$"
)
"""A product and its version, as JSON Schema wants it."""

_NEWEST: Mapping[str, tuple[tuple[tuple[int, ...], int], ...]] = {
    "esxi": (
        *(((5, 0), 8), ((5, 1), 9), ((5, 5), 10), ((6, 0), 11), ((6, 5), 13), ((6, 7), 14)),
        *(((6, 7, 2), 15), ((7, 0), 17), ((7, 0, 1), 18), ((7, 0, 2), 19)),
        *(((8, 0), 20), ((8, 0, 2), 21), ((9, 0), 22)),
    ),
    "workstation": (
        *(((8,), 8), ((9,), 9), ((10,), 10), ((11,), 11), ((12,), 12), ((14,), 14)),
        *(((15,), 16), ((16,), 18), ((16, 2), 19), ((17,), 20), ((17, 5), 21)),
    ),
    "fusion": (
        *(((4,), 8), ((5,), 9), ((6,), 10), ((7,), 11), ((8,), 12), ((10,), 14)),
        *(((11,), 16), ((12,), 18), ((12, 2), 19), ((13,), 20), ((13, 5), 21)),
    ),
}
"""Product to the versions with which a newer virtual hardware came."""


class Hardware(Struct, frozen=True):
    """What a published appliance asks for.

    Attributes:
        version: Of the virtual hardware.
        firmware: ``bios`` or ``efi``.
    """

    version: int
    firmware: str


def hardware_of(revision: str, image: str) -> Hardware | None:
    """Return the hardware of an appliance, ``ova`` or ``ova_uefi``; ``None``: it is not known."""
    rows: list[Mapping[str, Any]] = table("system")["ova_hardware"]["rows"]
    for row in rows:
        if row["image"] == image and covers(row["on"], revision):
            return Hardware(row["hw"], row["firmware"])
    return None


def newest_of(product: str) -> int | None:
    """Return the newest virtual hardware that a product takes.

    ``None`` for one that is newer, or older, than those that are known.

    Args:
        product: Such as ``esxi 8.0.3`` or ``ESXi 8.0 U3``.
    """
    name, _, rest = product.lower().partition(" ")
    version = tuple(map(int, re.findall("[0-9]+", rest)))
    if "u" in rest:
        version = (*version[:-1], *(0,) * (3 - len(version)), version[-1])
    known = _NEWEST[name]
    if version[0] > known[-1][0][0]:
        return None
    return next((newest for since, newest in reversed(known) if since <= version), None)


def needed_for(version: int) -> str:
    """Return the oldest products that take a hardware version, in words; empty: none is known."""
    found = []
    for product, rows in _NEWEST.items():
        since = next((since for since, newest in rows if newest >= version), ())
        if since:
            found.append(f"{NAMES[product]} {'.'.join(map(str, since))}")
    return " or ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)
